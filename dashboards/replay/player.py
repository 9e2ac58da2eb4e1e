"""The clock of a replay on a page: where it stands, whether it goes on by itself, and how fast.

A place is a count of positions due so far, 0 to all of them (see the recordings' `course`).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

UNTIMED_FPS = 1000.0  # of recordings without times
ROUNDING = 1e-6  # a place that is reached is reached, whatever floats make of it
WHOLE_RUN_S = 4.0  # of a run played as fast as it goes
SLOWEST, FASTEST = 0.01, 10_000.0


class Player:
    """`clock` is monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._places: NDArray[np.float64] = np.zeros(2)
        self._seconds: NDArray[np.float64] = np.zeros(2)
        self.total = 0
        self.place = 0
        self.playing = False
        self.speed = 1.0
        self._since_s = 0.0
        self._from_s = 0.0  # in the recording, at `_since_s`
        self._from_place = 0

    def load(self, total: int, seconds: NDArray[np.float32]) -> None:
        """A run of `total` positions; `seconds` [2, n]: places and seconds. It stands at its end, whole."""
        self.playing = False
        self.total = self.place = total
        if seconds.shape[1] > 1 and seconds[1, -1] > 0:
            self._places, self._seconds = seconds[0].astype(np.float64), seconds[1].astype(np.float64)
        else:
            self._places, self._seconds = np.array([0.0, total]), np.array([0.0, total / UNTIMED_FPS])

    @property
    def elapsed_s(self) -> float:
        """Seconds into the recording."""
        return float(np.interp(self.place, self._places, self._seconds))

    @property
    def share(self) -> float:
        """Of all positions, those that are due."""
        return self.place / self.total if self.total else 1.0

    @property
    def duration_s(self) -> float:
        return float(self._seconds[-1])

    def tick(self) -> bool:
        """Go on as far as time has; gives whether the place is another."""
        if not self.playing:
            return False
        before, passed_s = self.place, self._clock() - self._since_s
        if math.isinf(self.speed):
            reached = self._from_place + passed_s * self.total / WHOLE_RUN_S
        else:
            at_s = self._from_s + passed_s * self.speed
            reached = np.interp(at_s, self._seconds, self._places) if at_s < self.duration_s else self.total
        self.place = min(self.total, max(self.place, math.floor(reached + ROUNDING)))
        self.playing = self.place < self.total
        return self.place != before

    def play(self) -> None:
        """Go on, from the beginning when it is at its end."""
        if self.place >= self.total:
            self.place = 0
        self.playing = self.total > 0
        self._begin()

    def pause(self) -> None:
        self.playing = False

    def seek(self, place: int) -> None:
        """Stand at `place`, as near as there is one; goes on from there if it was playing."""
        self.place = min(max(place, 0), self.total)
        self._begin()

    def set_speed(self, speed: float) -> None:
        """So many times as fast as recorded; infinite = as fast as it goes."""
        self.speed = speed if math.isinf(speed) else min(max(speed, SLOWEST), FASTEST)
        self._begin()

    def _begin(self) -> None:
        self._since_s, self._from_s, self._from_place = self._clock(), self.elapsed_s, self.place
