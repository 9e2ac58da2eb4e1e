"""Frames of a scan that index like a numpy array and are read when they are asked for."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from stream_rrvae.batch.dask_frames import CHUNK_BYTES, frames_as_dask
from stream_rrvae.batch.inputs import Input
from stream_rrvae.errors import FileFormatError
from stream_rrvae.messages import BoolArray
from stream_rrvae.recording.frame_file import FrameFile


class LazyFrames:
    """[scan_y, scan_x, ky, kx]; positions without a frame read as 0, see `present`.

    Indices are whole numbers, slices and `...`, or one mask [scan_y, scan_x] of positions. Any thread may read. They
    are numpy arrays once they are read; `numpy.asarray` reads all of them, `dask` says what to do with larger ones.
    """

    ndim = 4

    def __init__(self, frames: FrameFile, input_: Input) -> None:
        self._frames = frames
        self._input = input_
        self._lock = threading.Lock()
        self._closed = False
        self.shape: tuple[int, int, int, int] = (*frames.scan_shape, *frames.frame_shape)
        self.dtype: np.dtype[Any] = np.dtype(frames.pixel_type)
        self._pattern = np.empty(frames.frame_shape, self.dtype)

    @property
    def file(self) -> FrameFile:
        """What they are read from."""
        return self._frames

    @property
    def size(self) -> int:
        """Pixels of the whole scan."""
        return int(np.prod(self.shape))

    @property
    def nbytes(self) -> int:
        """Bytes of the whole scan once it is read."""
        return self.size * self.dtype.itemsize

    @property
    def present(self) -> BoolArray:
        """[scan_y, scan_x] whether there is a frame for the position."""
        return self._frames.present.reshape(self.shape[:2])

    def dask(self, chunk_bytes: int = CHUNK_BYTES) -> Any:
        """The same as a `dask.array`, whose tasks open the file by themselves. Raises ConfigError without Dask."""
        return frames_as_dask(self._input, self.shape, self.dtype, chunk_bytes)

    def close(self) -> None:
        """They cannot be read any more; the file is closed by who opened it."""
        with self._lock:
            self._closed = True

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Raises IndexError when out of range, FileFormatError when the file cannot be read or was closed."""
        if isinstance(key, np.ndarray) and key.dtype == np.bool_:
            return self._masked(key)
        y, x, *detector = _whole_key(key)
        rows, columns = _along("scan_y", self.shape[0], y), _along("scan_x", self.shape[1], x)
        block = self._block(_listed(rows), _listed(columns), tuple(detector))
        # What was asked for by a whole number has no axis of its own.
        return block[tuple(0 if isinstance(along, int) else slice(None) for along in (rows, columns))]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[...], dtype)

    def __repr__(self) -> str:
        shape = ", ".join(map(str, self.shape))
        return f"<frames [scan_y, scan_x, ky, kx] = [{shape}] {self.dtype}, {self.nbytes / 1e6:,.0f} MB>"

    def _masked(self, mask: BoolArray) -> NDArray[Any]:
        if mask.shape != self.shape[:2]:
            raise IndexError(f"a mask of {mask.shape} does not fit a scan of {self.shape[:2]}")
        numbers = np.flatnonzero(mask)
        out = np.empty((numbers.size, *self.shape[2:]), self.dtype)
        for i, number in enumerate(numbers.tolist()):
            out[i] = self._read(number, 1)[0]
        return out

    def _block(self, rows: range, columns: range, kept: tuple[Any, ...]) -> NDArray[Any]:
        out = np.empty((len(rows), len(columns), *self._pattern[kept].shape), self.dtype)
        # Neighbours are read together, others one by one.
        runs = [(columns[0], len(columns))] if columns and columns.step == 1 else [(column, 1) for column in columns]
        for row, line in zip(rows, out, strict=True):
            done = 0
            for column, count in runs:
                line[done : done + count] = self._read(row * self.shape[1] + column, count)[(slice(None), *kept)]
                done += count
        return out

    def _read(self, first: int, count: int) -> NDArray[Any]:
        with self._lock:
            if self._closed:
                raise FileFormatError("the file of these frames is closed: read them while it is open")
            return self._frames.frames(first, first + count)


def _along(axis: str, size: int, index: Any) -> int | range:
    """Which places along an axis are meant. Raises IndexError."""
    try:
        found: int | range = range(size)[index]
        return found
    except IndexError:
        raise IndexError(f"{axis} {index} is out of range: there are {size}") from None
    except TypeError:
        raise IndexError(f"{index!r} is neither a whole number nor a slice: {axis} takes one of them") from None


def _listed(along: int | range) -> range:
    return along if isinstance(along, range) else range(along, along + 1)


def _whole_key(key: Any) -> tuple[Any, ...]:
    """`key` with an index for each of the four axes."""
    parts = key if isinstance(key, tuple) else (key,)
    if any(part is None or isinstance(part, list | np.ndarray) for part in parts):
        raise IndexError("frames take whole numbers, slices, ... or one mask of positions; read them first for more")
    given = sum(part is not Ellipsis for part in parts)
    if given > LazyFrames.ndim or len(parts) - given > 1:
        raise IndexError(f"frames have {LazyFrames.ndim} axes, not {given}")
    fill = (slice(None),) * (LazyFrames.ndim - given)
    at = next((i for i, part in enumerate(parts) if part is Ellipsis), len(parts))
    return (*parts[:at], *fill, *parts[at + 1 :])
