from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import h5py
import numpy as np
import pytest

from stream_rrvae.config import CalibrationSettings
from stream_rrvae.errors import FileFormatError
from stream_rrvae.messages import Encoding, ScanState
from stream_rrvae.recording.formats.opened import Opened
from stream_rrvae.recording.frame_file import open_frames
from stream_rrvae.recording.layout import Flag
from stream_rrvae.recording.replay import start_again
from stream_rrvae.recording.summary import frame_file_lines

Open = Callable[..., Opened]
ORDER = [2, 0, 1, 5, 5, 4, 12, 2, 700, 29]  # copies, gaps, disorder, one outside the scan


@pytest.fixture
def recording(recorded_scans: ModuleType, tmp_path: Path) -> Path:
    """A complete recording of `ORDER` in two encodings, so in two segments."""

    def give(giver: object) -> None:
        giver.give(ORDER[:6])  # type: ignore[attr-defined]
        giver.give(ORDER[6:], Encoding.NONE)  # type: ignore[attr-defined]

    recorded_scans.record(tmp_path, give, recorded_scans.make_frames())
    return tmp_path / "scan"


def test_frames_come_as_they_arrived_and_by_number(recorded_scans: ModuleType, recording: Path) -> None:
    data = recorded_scans.make_frames()
    for source in (recording, recording / "master.h5"):
        with open_frames(str(source)) as frames:
            assert frames.kind == "recording"
            assert (frames.scan_shape, frames.n_frames, frames.n_arrivals) == ((5, 6), 30, 10)
            assert [frame.number for frame in frames.arrivals(0, 10)] == ORDER
            encodings = [frame.encoding for frame in frames.arrivals(4, 8)]
            assert encodings == [Encoding.BSLZ4] * 2 + [Encoding.NONE] * 2
            assert np.flatnonzero(frames.present).tolist() == [0, 1, 2, 4, 5, 12, 29]
            np.testing.assert_array_equal(frames.frames(0, 30)[frames.present], data[frames.present])
            assert not frames.frames(0, 30)[~frames.present].any()
            assert frames.received_s is not None and (np.diff(frames.received_s) >= 0).all()
            assert frames.flags is not None and frames.flags.tolist() == [0, 0, 0, 0, 1, 0, 0, 1, 2, 0]


def test_the_announcement_comes_back(recorded_scans: ModuleType, recording: Path) -> None:
    announced = recorded_scans.make_start(recorded_scans.make_frames())
    with open_frames(str(recording)) as frames:
        start = frames.start
        assert (start.scan_id, start.series, start.calibration) == ("scan", 7, announced.calibration)
        np.testing.assert_array_equal(start.pixel_mask, announced.pixel_mask)
        assert any("metadata" in note for note in frames.notes)  # the helper's holds bytes, which no protocol sends


def test_a_recording_is_told_in_words(recording: Path) -> None:
    text = "\n".join(frame_file_lines(str(recording)))
    for words in ("recording of scan scan", "5x6", "10 for 8 positions, 2 copy, 1 overflow", "bslz4", "1 masked"):
        assert words in text
    shutil.copytree(recording, recording.with_name("left.part"))
    assert "not finished" in "\n".join(frame_file_lines(str(recording.with_name("left.part"))))


def test_a_running_recording_is_read_as_far_as_it_was_acknowledged(recorded_scans: ModuleType, tmp_path: Path) -> None:
    from stream_rrvae.config import RecordingSettings
    from stream_rrvae.recording.scan_recording import ScanRecording
    from stream_rrvae.recording.segment import FrameRun

    data = recorded_scans.make_frames()
    start = recorded_scans.make_start(data)
    recording = ScanRecording(tmp_path, start, (5, 6), RecordingSettings(keep_free_bytes=0, flush_s=10))
    kept = [np.frombuffer(recorded_scans.encode_bslz4(frame), np.uint8) for frame in data]

    def run(first: int, last: int) -> FrameRun:
        part = kept[first:last]
        return FrameRun(
            np.array([content.ctypes.data for content in part], np.uint64),
            np.array([content.size for content in part], np.int64),
            np.arange(first, last),
            np.zeros(last - first),
            np.zeros(last - first, np.uint8),
            Encoding.BSLZ4,
        )

    recording.write(run(0, 20))
    recording.flush()
    recording.write(run(20, 30))
    with open_frames(str(tmp_path / "scan.part")) as frames:
        assert frames.n_arrivals == 20
        np.testing.assert_array_equal(frames.frames(0, 20), data[:20])
    recording.close(ScanState.ABORTED)


@pytest.fixture
def damaged(recorded_scans: ModuleType, tmp_path: Path) -> Path:
    """A recording of four frames, the third of which turned out to be damaged, with a geometry of the site's."""
    frames = recorded_scans.make_frames()
    start = recorded_scans.make_start(frames)

    def give(giver: object) -> None:
        giver.give([0, 1])  # type: ignore[attr-defined]
        giver.give([2])  # type: ignore[attr-defined]
        giver.recorder.undecodable(start, *giver.given[-1])  # type: ignore[attr-defined]
        giver.give([3])  # type: ignore[attr-defined]

    site = CalibrationSettings(semiangle_mrad=27.0, beam_center_px=(9.5, 11.5), detector_rotation_deg=90.0)
    recorded_scans.record(tmp_path, give, frames, start, site, flush_s=0.001)
    return tmp_path / "scan"


def _only_the_journal(folder: Path) -> None:
    (folder / "master.h5").unlink()


def _only_the_master(folder: Path) -> None:
    (folder / "journal.jsonl").unlink()


@pytest.mark.parametrize("left", [lambda _folder: None, _only_the_journal, _only_the_master])
def test_frames_found_damaged_later_and_the_sites_geometry_are_known(
    damaged: Path, open_here: Open, left: Callable[[Path], None]
) -> None:
    left(damaged)
    found = open_here(damaged).description
    assert found.flags is not None
    assert found.flags.tolist() == [0, 0, Flag.UNDECODABLE, 0]
    assert found.site == {"semiangle_mrad": 27.0, "beam_center_px": [9.5, 11.5], "detector_rotation_deg": 90.0}


def test_the_sites_geometry_is_used_and_told_and_goes_behind_what_is_set_now(damaged: Path) -> None:
    with open_frames(str(damaged)) as frames:
        assert any("unless set again: semiangle_mrad 27.0" in note for note in frames.notes)
        assert frames.start.calibration.semiangle_mrad is None
        again = start_again(frames, CalibrationSettings(semiangle_mrad=30.0), 1).calibration
        assert (again.semiangle_mrad, again.beam_center_px, again.mrad_per_px) == (30.0, (9.5, 11.5), 2.0)
        assert again.detector_rotation_rad == pytest.approx(np.pi / 2)
        assert start_again(frames, CalibrationSettings(), 1).calibration.semiangle_mrad == 27.0


def test_a_geometry_that_cannot_be_is_refused_or_left_out(damaged: Path, open_here: Open) -> None:
    journal = damaged / "journal.jsonl"
    text = journal.read_text()
    journal.write_text(text.replace('"semiangle_mrad":27.0', '"semiangle_mrad":1e300'))
    with pytest.raises(FileFormatError, match="is not acceptable"), open_frames(str(damaged)):
        pass
    journal.write_text(text.replace('"semiangle_mrad":27.0', '"of_a_later_version":27.0'))
    with open_frames(str(damaged)) as frames:
        assert frames.site == CalibrationSettings()
        assert any("cannot be read" in note for note in frames.notes)


def test_without_its_journal_a_recording_is_still_read(recording: Path, open_here: Open) -> None:
    (recording / "journal.jsonl").unlink()
    assert open_here(recording).description.scan_shape == (5, 6)
    (recording / "segment-0000.h5").unlink()
    with pytest.raises(FileFormatError, match="no recording"):
        open_here(recording)


def _link(folder: Path, other: Path) -> None:
    (folder / "segment-0001.h5").unlink()
    (folder / "segment-0001.h5").symlink_to(other)


def _external(folder: Path, other: Path) -> None:
    with h5py.File(folder / "segment-0000.h5", "r+") as file:
        del file["entry/data/frames"]
        file["entry/data/frames"] = h5py.ExternalLink(str(other), "entry/data/frames")


def _other_shape(folder: Path, other: Path) -> None:
    with h5py.File(folder / "segment-0000.h5", "r+") as file:
        del file["entry/data/frames"]
        file["entry/data/frames"] = np.zeros((10, 8, 8), np.uint16)


def _cut(folder: Path, other: Path) -> None:
    content = (folder / "segment-0000.h5").read_bytes()
    (folder / "segment-0000.h5").write_bytes(content[:3000])


@pytest.mark.parametrize(
    ("spoil", "advice"),
    [(_link, "is a link"), (_external, "not followed"), (_other_shape, "was announced"), (_cut, "is damaged")],
)
def test_a_folder_made_up_by_somebody_is_refused(
    recording: Path, tmp_path: Path, spoil: Callable[[Path, Path], None], advice: str
) -> None:
    other = shutil.copy(recording / "segment-0001.h5", tmp_path / "other.h5")
    spoil(recording, Path(other))
    with pytest.raises(FileFormatError, match=advice), open_frames(str(recording)):
        pass
