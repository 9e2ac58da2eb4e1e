"""Kept frames as they are at a moment: what is found later changes nothing in them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.kept.copy_loop import NOTE_BYTES, TOP, strides_of
from stream_rrvae.kernels.plan import FramePlan
from stream_rrvae.messages import Encoding, Frame, ScanStart


@dataclass(frozen=True, slots=True)
class KeptScan:
    """The scan that frames are kept of."""

    start: ScanStart
    scan_shape: tuple[int, int]  # (y, x)
    plan: FramePlan


@dataclass(slots=True, eq=False, weakref_slot=True)
class Chunk:
    """Packed frames one behind the other, all in one encoding; what is written is never changed."""

    memory: NDArray[np.uint8]
    notes: NDArray[np.int64]  # [entries, 3] number, offset, size
    encoding: Encoding
    count: int = 0  # frames, once it is closed

    @property
    def size_bytes(self) -> int:
        return self.memory.nbytes + len(self.notes) * NOTE_BYTES

    def payload(self, offset: int, size: int) -> memoryview:
        """The bytes of a frame, as long as somebody refers to the chunk: then its memory is used again."""
        return self.memory[offset : offset + size].data


@dataclass(frozen=True, eq=False)
class KeptView:
    """Frames of `scan`, by the chunks that they lie in and how many there are; `level` is that of all new ones."""

    scan: KeptScan
    chunks: tuple[tuple[Chunk, int], ...]
    level: int

    @cached_property
    def numbers(self) -> NDArray[np.int64]:
        """Positions [n] in the order in which they lie in the chunks."""
        return np.concatenate([np.empty(0, np.int64), *(chunk.notes[:count, 0] for chunk, count in self.chunks)])

    @property
    def strides(self) -> tuple[int, int]:
        """Every how many rows and columns a frame is kept now."""
        return strides_of(min(self.level, TOP))

    def nearest(self, number: int) -> int | None:
        """The kept position that lies nearest in the scan; None when there is none."""
        numbers = self.numbers
        if not numbers.size:
            return None
        y, x = divmod(number, self.scan.scan_shape[1])
        rows, columns = np.divmod(numbers, self.scan.scan_shape[1])
        distance = np.hypot(rows - y, columns - x)
        return int(numbers[distance.argmin()])

    def frame(self, number: int) -> Frame | None:
        """The frame of a position, still packed; None when it is not kept."""
        start = self.scan.start
        for chunk, count in self.chunks:
            at = np.flatnonzero(chunk.notes[:count, 0] == number)
            if at.size:
                _, offset, size = chunk.notes[at[0]].tolist()
                payload = memoryview(bytes(chunk.payload(offset, size)))  # it may outlive the view
                return Frame(start.series, number, start.frame_shape, start.pixel_type, chunk.encoding, payload)
        return None
