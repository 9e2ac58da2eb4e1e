from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from stream_rrvae.errors import FileFormatError
from stream_rrvae.messages import Encoding
from stream_rrvae.recording.formats.opened import Opened
from stream_rrvae.recording.frame_file import open_frames

Open = Callable[..., Opened]


def test_a_legacy_master_is_the_whole_series(legacy_master: Path, counts: NDArray[np.uint16]) -> None:
    with open_frames(str(legacy_master)) as frames:
        assert frames.kind == "DECTRIS master file"
        assert (frames.scan_shape, frames.frame_shape, frames.pixel_type) == ((5, 5), (48, 40), "uint16")
        np.testing.assert_array_equal(frames.frames(0, 25), counts)
        np.testing.assert_array_equal(frames.frames(9, 12), counts[9:12])
        start = frames.start
        assert start.pixel_mask is not None
        assert np.argwhere(~start.pixel_mask).tolist() == [[3, 7]]
        assert start.saturation == 4095
        assert start.calibration.beam_center_px == (23.5, 19.25)
        assert start.calibration.beam_energy_ev == 80e3
        assert start.calibration.mrad_per_px == pytest.approx(1.0, abs=1e-3)
        assert frames.received_s is not None
        np.testing.assert_allclose(np.diff(frames.received_s), 5e-4)
        told = "; ".join(frames.notes)
        assert "a square, 5x5" in told and "--mrad-per-px" in told


def test_its_frames_stay_packed_as_the_detector_packed_them(legacy_master: Path) -> None:
    with open_frames(str(legacy_master)) as frames, h5py.File(legacy_master.parent / "run_data_000003.h5") as file:
        packed = frames.arrivals(22, 23)[0]
        assert packed.encoding is Encoding.BSLZ4
        assert bytes(packed.payload) == file["entry/data/data"].id.read_direct_chunk((2, 0, 0))[1]


def test_a_shape_that_was_said_goes_over_the_guess(legacy_master: Path) -> None:
    with open_frames(str(legacy_master), (4, 6)) as frames:
        assert (frames.n_frames, frames.n_arrivals) == (24, 24)
        assert "last 1 are left out" in frames.notes[-1]
    with open_frames(str(legacy_master), (6, 5)) as frames:
        assert (frames.n_frames, int(frames.present.sum())) == (30, 25)
        assert not frames.frames(25, 30).any()


def test_triggers_times_images_are_lines(legacy_master: Path, open_here: Open) -> None:
    with h5py.File(legacy_master, "r+") as file:
        specific = file["entry/instrument/detector/detectorSpecific"]
        specific["nimages"][...], specific["ntrigger"][...] = 7, 4
    opened = open_here(legacy_master)
    assert opened.description.scan_shape == (4, 7)


def test_a_missing_data_file_leaves_a_hole(legacy_master: Path, counts: NDArray[np.uint16]) -> None:
    (legacy_master.parent / "run_data_000002.h5").unlink()
    with open_frames(str(legacy_master)) as frames:
        assert np.flatnonzero(~frames.present).tolist() == list(range(10, 20))
        np.testing.assert_array_equal(frames.frames(20, 25), counts[20:])
        assert any("1 of 3 data files" in note for note in frames.notes)


def test_without_image_numbers_a_missing_file_is_refused(legacy_master: Path, open_here: Open) -> None:
    (legacy_master.parent / "run_data_000001.h5").unlink()
    with h5py.File(legacy_master.parent / "run_data_000002.h5", "r+") as file:
        del file["entry/data/data"].attrs["image_nr_low"]
    with pytest.raises(FileFormatError, match="put them into its folder"):
        open_here(legacy_master)
    for path in legacy_master.parent.glob("run_data_*"):
        path.unlink()
    with pytest.raises(FileFormatError, match="none of the 3 data files"):
        open_here(legacy_master)


def test_what_makes_no_sense_is_not_believed(legacy_master: Path, open_here: Open) -> None:
    with h5py.File(legacy_master, "r+") as file:
        detector = file["entry/instrument/detector"]
        for name, value in {"distance": 0.0, "beam_center_x": 0.0, "beam_center_y": 0.0}.items():
            detector[name][...] = value
        del detector["saturation_value"]
        detector["saturation_value"] = np.nan
        del detector["detectorSpecific/pixel_mask"]
        detector["detectorSpecific/pixel_mask"] = np.zeros((2, 2), np.uint32)
    found = open_here(legacy_master).description
    assert found.start["calibration"] == {"beam_energy_ev": 80e3}
    assert found.start["saturation"] is None
    assert found.pixel_mask is None


@pytest.mark.parametrize(("wanted", "divisor"), [(None, 1), ("threshold_2", 2)])
def test_nxmx_gives_the_wanted_channel(
    nxmx_master: Path, counts: NDArray[np.uint16], wanted: str | None, divisor: int
) -> None:
    with open_frames(str(nxmx_master), None, wanted) as frames:
        assert (frames.scan_shape, frames.start.channels) == ((5, 5), ("threshold_1", "threshold_2"))
        np.testing.assert_array_equal(frames.frames(3, 22), counts[3:22] // divisor)
        assert (frames.start.pixel_mask is None) == (wanted == "threshold_2")


def test_nxmx_says_which_channels_there_are(nxmx_master: Path, open_here: Open) -> None:
    with pytest.raises(FileFormatError, match="there is: threshold_1, threshold_2"):
        open_here(nxmx_master, channel="difference")
    (nxmx_master.parent / "new_data_000002.h5").unlink()
    with pytest.raises(FileFormatError, match=r"new_data_000002\.h5, which is not there"):
        open_here(nxmx_master)
