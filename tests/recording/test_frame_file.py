from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from stream_rrvae.errors import FileFormatError
from stream_rrvae.recording.frame_file import open_frames

SHAPE = (4, 5, 6, 7)


@pytest.fixture
def data() -> NDArray[np.uint16]:
    return np.random.default_rng(0).integers(0, 999, SHAPE, np.uint16)


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("kind", ["npy", "h5"])
def test_frames_come_in_scan_order_from_any_window(
    tmp_path: Path, data: NDArray[np.uint16], kind: str, flat: bool
) -> None:
    stored = data.reshape(20, 6, 7) if flat else data
    source = _write(tmp_path, stored, kind)
    with open_frames(source, (4, 5) if flat else None) as frames:
        assert (frames.scan_shape, frames.frame_shape, frames.pixel_type) == ((4, 5), (6, 7), "uint16")
        for first, last in [(0, 20), (3, 4), (4, 11), (19, 20), (5, 10)]:
            np.testing.assert_array_equal(frames.frames(first, last), data.reshape(20, 6, 7)[first:last])


def test_float64_becomes_float32(tmp_path: Path) -> None:
    with open_frames(_write(tmp_path, np.ones(SHAPE), "npy")) as frames:
        assert frames.frames(0, 2).dtype == np.float32


@pytest.mark.parametrize(
    ("stored", "wanted", "advice"),
    [
        (np.ones((3, 4)), None, "4-D"),
        (np.ones(SHAPE, np.int64), None, "convert it"),
        (np.ones(SHAPE, np.complex64), None, "convert it"),
        (np.ones((20, 6, 7), np.uint8), None, "--scan-shape"),
        (np.ones((20, 6, 7), np.uint8), (5, 5), "fewer than 5x5"),
        (np.ones(SHAPE, np.uint8), (5, 4), "not 5x4"),
        (np.ones((0, 6, 7), np.uint8), (1, 1), "4-D"),
    ],
)
def test_what_does_not_fit_is_said(tmp_path: Path, stored: Any, wanted: tuple[int, int] | None, advice: str) -> None:
    with pytest.raises(FileFormatError, match=advice), open_frames(_write(tmp_path, stored, "npy"), wanted):
        pass


def test_pickled_and_broken_files_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY")
    (tmp_path / "text.h5").write_text("text")
    for name in ("objects.npy", "broken.npy", "text.h5::/data", "nowhere.npy"):
        with pytest.raises(FileFormatError), open_frames(str(tmp_path / name)):
            pass


def test_no_byte_of_another_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"s" * 840)
    other = _write(tmp_path, np.ones(SHAPE, np.uint8), "h5").partition("::")[0]
    crafted = tmp_path / "crafted.h5"
    with h5py.File(crafted, "w") as file:
        file.create_dataset("external", SHAPE, "u1", external=[(str(tmp_path / "secret"), 0, 840)])
        file["link"] = h5py.ExternalLink(other, "/group/frames")
        file["group/inner"] = h5py.ExternalLink(other, "/group")
        layout = h5py.VirtualLayout(SHAPE, "u1")
        layout[:] = h5py.VirtualSource(other, "group/frames", SHAPE)
        file.create_virtual_dataset("virtual", layout)
    for dataset in ("external", "link", "virtual", "group/inner/frames", "nothing", "group"):
        with pytest.raises(FileFormatError), open_frames(f"{crafted}::/{dataset}"):
            pass


def _write(folder: Path, stored: NDArray[Any], kind: str) -> str:
    path = folder / f"frames.{kind}"
    if kind == "npy":
        np.save(path, stored)
        return str(path)
    with h5py.File(path, "w") as file:
        file["group/frames"] = stored
    return f"{path}::/group/frames"
