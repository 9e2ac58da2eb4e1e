"""Frames as they are stored, read when asked for: out of an array, at known places of files, or by another process."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
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


class StoredFrames(Protocol):
    """Whatever holds frames in the order in which they were stored."""

    def take(self, first: int, last: int) -> Sequence[Stored]:
        """Frames first <= i < last. Raises FileFormatError when they cannot be read."""
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
        block = np.ascontiguousarray(self._read(first, last), dtype=self._dtype)
        return [Stored(Encoding.NONE, frame.data.cast("B")) for frame in block]

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
        files, encodings = index.file[first:last].tolist(), index.encoding[first:last].tolist()
        begins, sizes = index.offset[first:last].tolist(), index.size[first:last].tolist()
        at = 0
        while at < len(files):
            end = _run(files, begins, sizes, at)
            base = begins[at]
            bytes_ = memoryview(self._read(files[at], base, begins[end - 1] + sizes[end - 1] - base))
            for i in range(at, end):
                payload = bytes_[begins[i] - base : begins[i] - base + sizes[i]]
                taken.append(Stored(ENCODINGS[encodings[i]], payload))
            at = end
        return taken

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


def _run(files: list[int], begins: list[int], sizes: list[int], at: int) -> int:
    """The end of the run of frames from `at` on that lie one after another in one file."""
    end = at + 1
    while end < len(files) and files[end] == files[at]:
        gap = begins[end] - (begins[end - 1] + sizes[end - 1])
        if not 0 <= gap <= GAP_BYTES:
            break
        end += 1
    return end
