"""Frames that turned out to be damaged when they were measured, kept until the recordings they are in are finished."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.messages import ScanStart
from stream_rrvae.recording.layout import Flag

MOST_KEPT = 10_000  # of one scan; more are not told apart

Noted = list[tuple[int, float]]  # number, and when it was received (monotonic)


class UndecodableFrames:
    """Of every scan that is being recorded, and of no other; from any thread.

    Scans are told apart by their announcement itself: senders may give two of them one name.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._noted: dict[int, tuple[ScanStart, Noted]] = {}

    def __len__(self) -> int:
        """Scans that are being recorded, or not finished yet."""
        return len(self._noted)

    def expect(self, start: ScanStart) -> None:
        """From now on frames of this scan are kept."""
        with self._lock:
            self._noted[id(start)] = start, []

    def add(self, start: ScanStart, number: int, received_s: float) -> None:
        """A frame of this scan is damaged."""
        with self._lock:
            _start, noted = self._noted.get(id(start), (start, None))
            if noted is not None and len(noted) < MOST_KEPT:
                noted.append((number, received_s))

    def behind(self, start: ScanStart, count: int) -> Noted:
        """Those of this scan after the first `count`."""
        with self._lock:
            _start, noted = self._noted.get(id(start), (start, []))
            return noted[count:]

    def take(self, start: ScanStart) -> Noted:
        """All of this scan; none of it is kept any more."""
        with self._lock:
            return self._noted.pop(id(start), (start, []))[1]


def flag_undecodable(
    flags: NDArray[np.uint8],
    numbers: NDArray[np.int64],
    received_s: NDArray[np.float64],
    told: Iterable[tuple[int, float]],
) -> None:
    """Flag the frames [n] of which was told, by number and time received."""
    wanted = set(told)
    suspects = np.flatnonzero(np.isin(numbers, [number for number, _ in wanted]))
    damaged = [i for i in suspects.tolist() if (int(numbers[i]), float(received_s[i])) in wanted]
    flags[damaged] |= np.uint8(Flag.UNDECODABLE)
