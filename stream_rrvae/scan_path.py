"""Which way a scan goes: from a frame's number in the order of exposure to its position; pure arithmetic.

A pass is `frame_flyback` frames that lie nowhere, then line after line: as many frames as there are columns, and
`line_flyback` frames that lie nowhere while the beam goes back. A serpentine scan goes through every second line, from
the second on, from its last column to its first. Several passes over the same positions come one after another, each
from the first line on; what they measure at a position belongs together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NOWHERE = -1
MOST_FLYBACK = 1 << 20
MOST_PASSES = 255
Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class ScanPath:
    """A plain raster unless told otherwise; `offset` (y, x) is where the scan begins in a larger one of shape `within`.

    `offset` and `within` say where the positions lie, and change nothing in how frames are counted. `endless` is of a
    series: each of its scans is one by itself, counted from 0.
    """

    line_flyback: int = 0
    frame_flyback: int = 0
    serpentine: bool = False
    passes: int = 1
    offset: Pair = (0, 0)
    within: Pair | None = None
    endless: bool = False  # whole scans follow one another in one series, its frames counted on

    @property
    def is_raster(self) -> bool:
        """Whether a frame's number is its position."""
        return not (self.line_flyback or self.frame_flyback or self.serpentine) and self.passes == 1

    def frames_in_pass(self, scan_shape: Pair) -> int:
        """With those that lie nowhere."""
        return self.frame_flyback + scan_shape[0] * (scan_shape[1] + self.line_flyback)

    def frames_due(self, scan_shape: Pair, announced: int | None = None) -> int:
        """How many frames the scan has; of the last flyback only those that are `announced`."""
        whole = self.passes * self.frames_in_pass(scan_shape)
        return whole if announced is None else min(whole, max(announced, whole - self.line_flyback))

    def positions(self, numbers: NDArray[np.int64], scan_shape: Pair) -> NDArray[np.int64]:
        """Row-major position of each frame; NOWHERE for flyback and for numbers outside the scan."""
        columns = scan_shape[1]
        in_pass = self.frames_in_pass(scan_shape)
        line, column = np.divmod(numbers % in_pass - self.frame_flyback, columns + self.line_flyback)
        there = (numbers >= 0) & (numbers < self.passes * in_pass) & (line >= 0) & (column < columns)
        if self.serpentine:
            column = np.where(line % 2 == 1, columns - 1 - column, column)
        return np.where(there, line * columns + column, NOWHERE)

    def lines(self, scan_shape: Pair, due: int) -> NDArray[np.int64]:
        """The scan line that each of the `due` frames belongs to, flyback to the line before it or else the first."""
        at = np.arange(due) % self.frames_in_pass(scan_shape) - self.frame_flyback
        return np.maximum(at // (scan_shape[1] + self.line_flyback), 0)

    def frames_in_lines(self, scan_shape: Pair, lines: NDArray[np.int64]) -> int:
        """How many of all frames belong to these scan lines, as `lines` deals them, without going through them."""
        at_begin = self.frame_flyback * int(np.count_nonzero(lines == 0))
        return self.passes * (at_begin + lines.size * (scan_shape[1] + self.line_flyback))

    def check(self, scan_shape: Pair | None) -> None:
        """Raises ValueError that says what cannot be."""
        if not (0 <= self.line_flyback <= MOST_FLYBACK and 0 <= self.frame_flyback <= MOST_FLYBACK):
            raise ValueError(f"flyback frames are 0 to {MOST_FLYBACK}")
        if not 1 <= self.passes <= MOST_PASSES:
            raise ValueError(f"a scan has 1 to {MOST_PASSES} passes, not {self.passes}")
        if min(self.offset) < 0 or (self.within is not None and min(self.within) < 1):
            raise ValueError("where a scan lies in a larger one cannot be negative")
        if self.within is not None and scan_shape is not None:
            ends = [at + side for at, side in zip(self.offset, scan_shape, strict=True)]
            if any(end > side for end, side in zip(ends, self.within, strict=True)):
                raise ValueError(f"a scan of {scan_shape} from {self.offset} on does not lie within {self.within}")

    def number_of(self, position: int, scan_shape: Pair) -> int:
        """The frame of the first pass that has the row-major `position`."""
        line, column = divmod(position, scan_shape[1])
        if self.serpentine and line % 2 == 1:
            column = scan_shape[1] - 1 - column
        return self.frame_flyback + line * (scan_shape[1] + self.line_flyback) + column

    def square_of(self, frames: int) -> int | None:
        """The side of a square scan that has so many frames; None = there is none."""
        for due in (frames, frames + self.line_flyback):
            lines = due / self.passes - self.frame_flyback
            root = math.isqrt(int(max(0.0, self.line_flyback**2 + 4 * lines)))
            for side in range((root - self.line_flyback) // 2, (root - self.line_flyback) // 2 + 2):
                if side > 0 and self.frames_due((side, side), frames) == frames:
                    return side
        return None


RASTER = ScanPath()
