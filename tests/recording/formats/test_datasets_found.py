from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import pytest
from numpy.typing import NDArray

from stream_rrvae.errors import FileFormatError
from stream_rrvae.recording.formats.opened import Opened
from stream_rrvae.recording.frame_file import open_frames

Open = Callable[..., Opened]
SCAN = (5, 5, 48, 40)


@pytest.fixture
def scan(counts: NDArray[np.uint16]) -> NDArray[np.uint16]:
    return counts.reshape(SCAN)


def test_the_files_own_default_is_taken(tmp_path: Path, scan: NDArray[np.uint16]) -> None:
    path = tmp_path / "nexus.nxs"
    with h5py.File(path, "w") as file:
        file.attrs["default"] = "entry"
        file.create_group("entry").attrs["default"] = "plotted"
        file.create_group("entry/plotted").attrs["signal"] = "frames"
        file["entry/instrument/raw"] = scan
        file["entry/plotted/frames"] = h5py.SoftLink("/entry/instrument/raw")
        file["entry/other"] = scan + 1
    with open_frames(str(path)) as frames:
        np.testing.assert_array_equal(frames.frames(0, 25).reshape(SCAN), scan)
        assert "/entry/plotted/frames" in frames.notes[0]


def test_the_only_scan_is_taken_and_several_are_named(
    tmp_path: Path, scan: NDArray[np.uint16], open_here: Open
) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["deep/down/scan"] = scan
        file["deep/mask"] = np.ones((3, 48, 40))
    assert "/deep/down/scan" in open_here(tmp_path / "a.h5").description.notes[0]
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["deep/down/scan"], file["second"] = scan, scan
        file["deep/again"] = file["deep"]
    with pytest.raises(FileFormatError, match=r"b\.h5::/deep/down/scan, .*b\.h5::/second"):
        open_here(tmp_path / "b.h5")
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file["text"] = "nothing"
    with pytest.raises(FileFormatError, match="holds no frames"):
        open_here(tmp_path / "c.h5")


def test_scales_of_hyperspy_and_py4dstem_are_taken(tmp_path: Path, scan: NDArray[np.uint16], open_here: Open) -> None:
    with h5py.File(tmp_path / "a.hspy", "w") as file:
        group = file.create_group("Experiments/scan")
        group["data"] = scan
        for i, (scale, units) in enumerate([(0.02, "nm"), (0.02, "nm"), (1.5, "mrad"), (1.5, "mrad")]):
            group.create_group(f"axis-{i}").attrs.update({"scale": scale, "units": units})
    expected = {"scan_step_nm": [0.02, 0.02], "mrad_per_px": 1.5}
    assert open_here(tmp_path / "a.hspy").description.start["calibration"] == expected
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["root/cube/data"] = scan
        file["root/metadatabundle/calibration/Q_pixel_size"] = 0.1
        file["root/metadatabundle/calibration/Q_pixel_units"] = "A^-1"
        file["root/metadatabundle/calibration/R_pixel_size"] = 0.2
        file["root/metadatabundle/calibration/R_pixel_units"] = "A"
    assert open_here(tmp_path / "b.h5").description.start["calibration"] == {
        "scan_step_nm": pytest.approx([0.02, 0.02])
    }


PACKED: dict[str, dict[str, Any]] = {
    "contiguous": {},
    "chunk a frame": {"chunks": (1, 1, 48, 40)},
    "bitshuffle": {"chunks": (1, 1, 48, 40), **hdf5plugin.Bitshuffle(cname="lz4")},
    "lz4": {"chunks": (1, 1, 48, 40), **hdf5plugin.LZ4()},
    "zstd in bitshuffle": {"chunks": (1, 1, 48, 40), **hdf5plugin.Bitshuffle(cname="zstd")},
    "gzip": {"chunks": (2, 3, 48, 40), "compression": "gzip", "shuffle": True},
    "big-endian": {"dtype": ">u2"},
}


@pytest.mark.parametrize("kind", PACKED)
def test_every_packing_gives_the_same_frames(
    tmp_path: Path, scan: NDArray[np.uint16], open_here: Open, kind: str
) -> None:
    from stream_rrvae.messages import Frame
    from stream_rrvae.recording.stored_frames import IndexedFrames, flat_block
    from stream_rrvae.wire.pixels import decode_pixels

    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("scan", data=scan, **PACKED[kind])
    opened = open_here(tmp_path / "a.h5")
    index = opened.description.index
    assert (index is None) == (kind in ("gzip", "big-endian", "zstd in bitshuffle"))
    if index is None:
        np.testing.assert_array_equal(flat_block(opened.data, 3, 19), scan.reshape(25, 48, 40)[3:19])
        return
    stored = IndexedFrames(index)
    for number, one in enumerate(stored.take(0, 25)):
        frame = Frame(0, number, SCAN[2:], "uint16", one.encoding, one.payload)
        np.testing.assert_array_equal(decode_pixels(frame), scan.reshape(25, 48, 40)[number])
    stored.close()


def test_a_user_block_moves_everything_and_is_read_by_hdf5(tmp_path: Path, scan: NDArray[np.uint16]) -> None:
    with h5py.File(tmp_path / "a.h5", "w", userblock_size=1024) as file:
        file["scan"] = scan
    with open_frames(str(tmp_path / "a.h5")) as frames:
        np.testing.assert_array_equal(frames.frames(20, 25), scan.reshape(25, 48, 40)[20:])
