"""How much comes, over how much could be computed: what to expect of taking up again what was left out."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

WINDOW_S = 1.0


@dataclass(frozen=True, slots=True)
class Work:
    """What computing threads did since they began."""

    taken: int = 0  # frames, left out or not
    computed: int = 0
    busy_s: float = 0.0  # all threads' time


class Demand:
    """Keeps what a frame cost when frames were computed last, so that it knows while none is."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._seen: deque[tuple[float, Work]] = deque()
        self._cost_s = math.nan  # of a frame

    def look(self, work: Work, now_s: float) -> float:
        """Frames that came in the last second over frames that could be computed in it; NaN before the first."""
        self._seen.append((now_s, work))
        while len(self._seen) > 2 and self._seen[1][0] <= now_s - WINDOW_S:
            self._seen.popleft()
        since_s, before = self._seen[0]
        computed = work.computed - before.computed
        if computed:
            self._cost_s = (work.busy_s - before.busy_s) / computed
        if now_s <= since_s:
            return math.nan
        return (work.taken - before.taken) / (now_s - since_s) * self._cost_s / self._threads
