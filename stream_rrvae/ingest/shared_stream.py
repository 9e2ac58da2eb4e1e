"""Notices that somebody else takes from the detector's stream: what is missing is dealt out evenly.

A detector's PUSH socket deals its messages in turn to everybody who is connected, so that with one other consumer every
second message is missing, with two of them two of three. Chance does not leave holes like that. Frames that were
refused are not missing. A look counts only positions that the look before it was beyond already: what is late had time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LOOK_S = 0.4  # an alarm comes after two looks
POSITIONS = 1024  # looked at, the latest
LEAST_HOLES = 8
ALIKE = 0.75  # of the holes
MOST_OTHERS = 16

Bools = NDArray[np.bool_]


def others_taking(missing: Bools) -> int:
    """How many others take from the stream, by which of successive positions [n] are `missing`; 0 = nobody."""
    edges = np.flatnonzero(np.diff(missing))
    if edges.size < 2 * LEAST_HOLES:
        return 0
    first = int(missing[edges[0] + 1] == 0)  # begin with a hole, so that each has the run before it
    lengths = np.diff(edges)[first:]
    holes, runs = lengths[0::2], lengths[1::2]
    count = min(holes.size, runs.size)
    if count < LEAST_HOLES:
        return 0
    kinds, counts = np.unique(np.stack([holes[:count], runs[:count]]), axis=1, return_counts=True)
    hole, run = kinds[:, counts.argmax()].tolist()
    dealt_evenly = counts.max() >= ALIKE * count and hole % run == 0 and hole // run <= MOST_OTHERS
    return int(hole // run) if dealt_evenly else 0


class SharedStreamWatch:
    """Looks at one scan's positions now and then; times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._front = 0
        self._next_s = 0.0

    def is_due(self, now_s: float) -> bool:
        """Whether it is time for a look."""
        return now_s >= self._next_s

    def look(self, missing: Bools, now_s: float) -> int:
        """Which positions [up to the highest seen] are `missing` now; gives how many others take from the stream."""
        settled = missing[max(0, self._front - POSITIONS) : self._front]
        self._front, self._next_s = missing.size, now_s + LOOK_S
        return others_taking(settled)
