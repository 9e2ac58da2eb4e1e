"""Frames as they are stored, read when asked for: out of an array, at known places of files, or by another process."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.errors import FileFormatError
from stream_rrvae.messages import Encoding
from stream_rrvae.recording.description import ENCODINGS, ChunkIndex

OPEN_FILES = 16
GAP_BYTES = 1 << 16  # between two frames that are still read in one go


@dataclass(frozen=True, slots=True)
class Stored:
    """One frame's bytes."""

    encoding: Encoding
    payload: memoryview


@dataclass(frozen=True, slots=True)
class PackedFrames:
    """Frames [n] by where their bytes lie, without an object a frame."""

    addresses: NDArray[np.uint64]
    sizes: NDArray[np.int64]  # bytes; less than announced, or 0, where a file was cut
    encodings: NDArray[np.uint8]  # index into ENCODINGS
    content: Sequence[NDArray[Any]]  # what lies there


class StoredFrames(Protocol):
    """Whatever holds frames in the order in which they were stored."""

    def take(self, first: int, last: int) -> Sequence[Stored]:
        """Frames first <= i < last. Raises FileFormatError when they cannot be read."""
        ...

    def packed(self, first: int, last: int) -> PackedFrames:
        """The same by addresses. Raises FileFormatError."""
        ...

    def close(self) -> None:
        """Nothing more will be asked for."""
        ...


def flat_block(data: Any, first: int, last: int) -> NDArray[Any]:
    """Frames first <= number < last of [n, ky, kx] or [y, x, ky, kx] as [count, ky, kx]."""
    if len(data.shape) == 3:
        return np.asarray(data[first:last])
    columns = data.shape[1]
    row = first // columns
    block = np.asarray(data[row : -(-last // columns)]).reshape(-1, *data.shape[2:])
    return block[first - row * columns :][: last - first]


class BlockFrames:
    """Frames that `read(first, last)` gives as arrays [count, ky, kx]; they become `pixel_type`."""

    def __init__(
        self,
        read: Callable[[int, int], NDArray[Any]],
        pixel_type: str,
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        self._read = read
        self._dtype = np.dtype(pixel_type).newbyteorder("<")
        self._on_close = on_close

    def take(self, first: int, last: int) -> Sequence[Stored]:
        """See StoredFrames."""
        return [Stored(Encoding.NONE, frame.data.cast("B")) for frame in self._block(first, last)]

    def packed(self, first: int, last: int) -> PackedFrames:
        """See StoredFrames."""
        block = self._block(first, last)
        count, size = len(block), block[0].nbytes if len(block) else 0
        addresses = np.uint64(block.ctypes.data) + np.arange(count, dtype=np.uint64) * np.uint64(size)
        return PackedFrames(addresses, np.full(count, size), np.zeros(count, np.uint8), [block])

    def _block(self, first: int, last: int) -> NDArray[Any]:
        return np.ascontiguousarray(self._read(first, last), dtype=self._dtype)

    def close(self) -> None:
        """See StoredFrames."""
        self._on_close()


class IndexedFrames:
    """Frames at known places of files, read without any library of the format and without decoding."""

    def __init__(self, index: ChunkIndex) -> None:
        self._index = index
        self._open: OrderedDict[int, int] = OrderedDict()  # file -> descriptor, the latest used last

    def take(self, first: int, last: int) -> Sequence[Stored]:
        """See StoredFrames."""
        index, taken = self._index, []
        begins, sizes = index.offset[first:last].astype(np.int64), index.size[first:last].astype(np.int64)
        encodings = index.encoding[first:last].tolist()
        for begin, end in _runs(index.file[first:last], begins, sizes):
            base, stop = int(begins[begin]), int(begins[end - 1] + sizes[end - 1])
            content = memoryview(self._read(int(index.file[first + begin]), base, stop - base))
            at = (begins[begin:end] - base).tolist()
            for i, offset, size in zip(range(begin, end), at, sizes[begin:end].tolist(), strict=True):
                taken.append(Stored(ENCODINGS[encodings[i]], content[offset : offset + size]))
        return taken

    def packed(self, first: int, last: int) -> PackedFrames:
        """See StoredFrames."""
        index, last = self._index, min(last, len(self._index.size))
        begins, sizes = index.offset[first:last].astype(np.int64), index.size[first:last].astype(np.int64)
        addresses, content = np.zeros(begins.size, np.uint64), []
        for begin, end in _runs(index.file[first:last], begins, sizes):
            base, stop = int(begins[begin]), int(begins[end - 1] + sizes[end - 1])
            got = np.frombuffer(self._read(int(index.file[first + begin]), base, stop - base), np.uint8)
            content.append(got)
            at = begins[begin:end] - base
            addresses[begin:end] = np.uint64(got.ctypes.data) + at.astype(np.uint64)
            sizes[begin:end] = np.clip(got.size - at, 0, sizes[begin:end])
        return PackedFrames(addresses, sizes, index.encoding[first:last], content)

    def close(self) -> None:
        """See StoredFrames."""
        while self._open:
            os.close(self._open.popitem()[1])

    def _read(self, file: int, offset: int, count: int) -> bytes:
        try:
            got = os.pread(self._descriptor(file), count, offset)
        except (OSError, OverflowError) as error:
            raise FileFormatError(f"cannot read {self._index.files[file]}: {error}") from error
        # What a file that was cut short no longer has is for the decoder to refuse, frame by frame.
        return got

    def _descriptor(self, file: int) -> int:
        if file not in self._open:
            if len(self._open) >= OPEN_FILES:
                os.close(self._open.popitem(last=False)[1])
            self._open[file] = os.open(self._index.files[file], os.O_RDONLY | os.O_CLOEXEC)
        self._open.move_to_end(file)
        return self._open[file]


def _runs(files: NDArray[np.uint32], begins: NDArray[np.int64], sizes: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Ranges of frames that lie one after another in one file."""
    if begins.size:
        gaps = begins[1:] - (begins[:-1] + sizes[:-1])
        breaks = np.flatnonzero((np.diff(files) != 0) | (gaps < 0) | (gaps > GAP_BYTES)) + 1
        yield from zip([0, *breaks.tolist()], [*breaks.tolist(), begins.size], strict=True)
