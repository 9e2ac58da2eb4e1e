"""Stored frames as the packed way of live scans takes them: their bytes as they are, without an object a frame."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.ingest.frame_batch import CODES, FrameKind
from stream_rrvae.messages import Frame, Refusal
from stream_rrvae.recording.description import ENCODINGS
from stream_rrvae.recording.frame_file import FrameFile, runs
from stream_rrvae.recording.stored_frames import PackedFrames

T = TypeVar("T", bound=np.generic)

BLOCK_BYTES = 16 << 20  # of pixels, read at a time, whatever the file's size


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """Frames of one encoding; see `ingest.packed_compute.Packed`. All arrays have the same room."""

    frames_are: FrameKind
    addresses: NDArray[np.uint64]
    sizes: NDArray[np.int64]
    numbers: NDArray[np.int64]
    refusals: NDArray[np.uint8]
    received_s: NDArray[np.float64]
    count: int
    content: PackedFrames  # keeps the bytes

    def __len__(self) -> int:
        return self.count

    def frame(self, index: int) -> Frame:
        """See Packed."""
        kind, size = self.frames_are, int(self.sizes[index])
        content = (ctypes.c_ubyte * size).from_address(int(self.addresses[index])) if size else b""
        payload = memoryview(content).cast("B").toreadonly()
        return Frame(kind.series, int(self.numbers[index]), kind.shape, kind.pixel_type, kind.encoding, payload)

    def release(self) -> None:
        """See Packed; the bytes go with the batch itself."""


def stored_batches(frames: FrameFile, arrivals: NDArray[np.intp], origin: int = 0) -> Iterator[StoredBatch]:
    """The stored frames of these ascending indices, block by block; numbered from `origin` on.

    Raises FileFormatError when they cannot be read.
    """
    room = block_frames(frames)
    for first, last in runs(arrivals):
        for begin in range(first, last, room):
            end = min(begin + room, last)
            content = frames.packed(begin, end)
            numbers = frames.numbers_of(np.arange(begin, end))
            # One batch is in one encoding; a file is too, nearly always.
            breaks = (np.flatnonzero(np.diff(content.encodings)) + 1).tolist()
            for low, high in zip([0, *breaks], [*breaks, end - begin], strict=True):
                yield _batch(frames, content, numbers, slice(low, high), room, origin)


def block_frames(frames: FrameFile) -> int:
    """How many are read at a time."""
    return max(1, BLOCK_BYTES // frames.frame_bytes)


def _batch(
    frames: FrameFile, content: PackedFrames, numbers: NDArray[np.int64], part: slice, room: int, origin: int
) -> StoredBatch:
    start = frames.start
    encoding = ENCODINGS[content.encodings[part.start]]
    kind = FrameKind(start.series, start.frame_shape, start.pixel_type, encoding)
    outside = (numbers < 0) | (numbers >= frames.n_numbers)
    refusals = np.where(outside, np.uint8(CODES[Refusal.NUMBER]), np.uint8(0))
    return StoredBatch(
        kind,
        _roomy(content.addresses[part], room),
        _roomy(content.sizes[part], room),
        _roomy(np.where(outside, numbers, numbers - origin)[part], room),
        _roomy(refusals[part], room),
        np.full(room, time.monotonic()),
        part.stop - part.start,
        content,
    )


def _roomy(values: NDArray[T], room: int) -> NDArray[T]:
    out = np.zeros(room, values.dtype)
    out[: values.size] = values
    return out
