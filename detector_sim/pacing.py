"""Frames a second."""

from __future__ import annotations

import time

_FORGIVEN_S = 0.25  # after a longer hold-up by the peer the clock starts anew instead of catching up in a burst


class Pacer:
    """Holds the sender to `rate_fps`; None = full speed."""

    def __init__(self, rate_fps: float | None) -> None:
        self._rate_fps = rate_fps
        self._due_s = time.monotonic()

    def wait(self, frames: int) -> None:
        """Sleep until it is time for the next `frames` frames."""
        if self._rate_fps is None:
            return
        behind_s = time.monotonic() - self._due_s
        if behind_s > _FORGIVEN_S:
            self._due_s += behind_s
        elif behind_s < 0:
            time.sleep(-behind_s)
        self._due_s += frames / self._rate_fps

    def batch(self, largest: int) -> int:
        """How many frames to put into a message: no more than 5 ms of them, so that a slow stream stays even."""
        return self._within(5e-3, largest)

    def group(self, largest: int) -> int:
        """How many frames to wait for at once: no more than half a millisecond of them: waiting takes time too."""
        return self._within(5e-4, largest)

    def _within(self, span_s: float, largest: int) -> int:
        return largest if self._rate_fps is None else max(1, min(largest, int(self._rate_fps * span_s)))
