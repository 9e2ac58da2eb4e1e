"""Which recorded frame has a number, while it is recorded and after: for who asks for one of them."""

from __future__ import annotations

import numpy as np

from stream_rrvae.messages import Encoding
from stream_rrvae.recording.segment import FrameRun

INDEX_BITS = 40
NOWHERE = -1


class Places:
    """Of the first copies of a scan's frames; written by one thread, read by any."""

    def __init__(self, n_frames: int) -> None:
        self._places = np.full(n_frames, NOWHERE, np.int64)
        self.encodings: dict[int, Encoding | None] = {}  # of each segment; None = each frame has its own

    def note(self, segment: int, encoding: Encoding | None, first: int, run: FrameRun) -> None:
        """`run` was written to a segment, from its frame `first` on."""
        self.encodings[segment] = encoding
        rows = np.flatnonzero(run.flags == 0)
        self._places[run.numbers[rows]] = (segment << INDEX_BITS) + first + rows

    def of(self, number: int) -> tuple[int, int] | None:
        """Segment and place in it of the frame of a number."""
        place = int(self._places[number]) if 0 <= number < self._places.size else NOWHERE
        return None if place == NOWHERE else (place >> INDEX_BITS, place & ((1 << INDEX_BITS) - 1))
