"""Files of frames as input: `.npy` and plain HDF5 datasets, 4-D or 3-D, read lazily and defensively."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401  registers the filters that detectors' files use
import numpy as np
from numpy.typing import NDArray

from stream_rrvae.errors import FileFormatError
from stream_rrvae.messages import PIXEL_TYPES

CHUNK_LIMIT_BYTES = 256 << 20
SIDE_LIMIT_PX = 8192
_STORED_AS = {"float64": "float32", "bool": "uint8"}


@dataclass(frozen=True, slots=True)
class FrameFile:
    """Frames [n, ky, kx] of one scan, read when asked for; `scan_shape` is (y, x)."""

    name: str
    scan_shape: tuple[int, int]
    frame_shape: tuple[int, int]
    pixel_type: str
    _data: Any  # a lazy array, 3-D [n, ky, kx] or 4-D [y, x, ky, kx]

    @property
    def n_frames(self) -> int:
        """Frames in the file: never more than the scan has positions."""
        return self.scan_shape[0] * self.scan_shape[1]

    def frames(self, first: int, last: int) -> NDArray[Any]:
        """Frames first <= number < last as [count, ky, kx] of `pixel_type`."""
        if self._data.ndim == 3:
            block = self._data[first:last]
        else:
            rows = slice(first // self.scan_shape[1], -(-last // self.scan_shape[1]))
            flat = np.asarray(self._data[rows]).reshape(-1, *self.frame_shape)
            block = flat[first - rows.start * self.scan_shape[1] :][: last - first]
        return np.ascontiguousarray(block, dtype=self.pixel_type)


@contextmanager
def open_frames(source: str, scan_shape: tuple[int, int] | None = None) -> Iterator[FrameFile]:
    """`file.npy` or `file.h5::/dataset`. Raises FileFormatError that says what is wrong or missing."""
    name, _, dataset = source.partition("::")
    path = Path(name)
    if not path.is_file():
        raise FileFormatError(f"{name} is not there")
    if path.suffix == ".npy":
        yield _frame_file(name, _map_npy(path), scan_shape)
        return
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise FileFormatError(f"{name} is neither .npy nor HDF5: {error}") from error
    with file:
        yield _frame_file(name, _own_dataset(file, name, dataset), scan_shape)


def _map_npy(path: Path) -> NDArray[Any]:
    try:
        mapped: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise FileFormatError(f"{path} cannot be read as .npy: {error}") from error
    return mapped


def _own_dataset(file: h5py.File, name: str, dataset: str) -> h5py.Dataset:
    """The dataset, provided that every byte of it lies in this very file."""
    if not dataset:
        raise FileFormatError(f"say which dataset of {name} holds the frames: {name}::/path/to/dataset")
    _refuse_foreign_links(file, name, dataset)
    found = file.get(dataset)
    if not isinstance(found, h5py.Dataset):
        raise FileFormatError(f"{name} has no dataset {dataset}")
    if found.is_virtual or found.external:
        raise FileFormatError(f"{name}::{dataset} points to other files, which is not followed")
    if found.chunks and int(np.prod(found.chunks)) * found.dtype.itemsize > CHUNK_LIMIT_BYTES:
        raise FileFormatError(f"{name}::{dataset} has chunks over {CHUNK_LIMIT_BYTES >> 20} MiB")
    return found


def _refuse_foreign_links(file: h5py.File, name: str, dataset: str) -> None:
    walked = ""
    for part in dataset.strip("/").split("/"):
        walked = f"{walked}/{part}"
        if not isinstance(file.get(walked, getlink=True, default=h5py.HardLink()), h5py.HardLink):
            raise FileFormatError(f"{name}::{walked} is a link, which is not followed")


def _frame_file(name: str, data: Any, scan_shape: tuple[int, int] | None) -> FrameFile:
    if data.ndim not in (3, 4) or not all(1 <= side <= SIDE_LIMIT_PX for side in data.shape[-2:]) or 0 in data.shape:
        raise FileFormatError(f"{name} is {data.shape}: wanted 4-D [y, x, ky, kx] or 3-D [n, ky, kx]")
    pixel_type = _STORED_AS.get(data.dtype.name, data.dtype.name)
    if pixel_type not in PIXEL_TYPES:
        raise FileFormatError(f"{name} holds {data.dtype}: convert it to one of {', '.join(PIXEL_TYPES)}")
    shape = _settle_scan_shape(name, data.shape, scan_shape)
    return FrameFile(name, shape, (int(data.shape[-2]), int(data.shape[-1])), pixel_type, data)


def _settle_scan_shape(name: str, shape: tuple[int, ...], wanted: tuple[int, int] | None) -> tuple[int, int]:
    if len(shape) == 4:
        if wanted not in (None, shape[:2]):
            raise FileFormatError(f"{name} is a scan of {shape[0]}x{shape[1]}, not {wanted[0]}x{wanted[1]}")
        return int(shape[0]), int(shape[1])
    if wanted is None:
        raise FileFormatError(f"{name} holds {shape[0]} frames in a row: say the scan's shape with --scan-shape YxX")
    if wanted[0] * wanted[1] > shape[0]:
        raise FileFormatError(f"{name} holds {shape[0]} frames, fewer than {wanted[0]}x{wanted[1]}")
    return wanted
