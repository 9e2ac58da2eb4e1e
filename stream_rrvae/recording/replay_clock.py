"""The clock of a replay: it can be stopped, set going again, made faster, and told to go on from elsewhere."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from time import monotonic

LOOK_AHEAD_S = 0.002  # waits shorter than this are not worth it


@dataclass(frozen=True, slots=True)
class ReplayState:
    """How a replay stands."""

    speed: float  # of the recorded times; infinite = as fast as it goes
    paused: bool
    frame: int  # the next to be sent, in the order of arrival
    n_frames: int


class ReplayClock:
    """Used by one sender; everything else may be called from any thread."""

    def __init__(self, speed: float, n_frames: int) -> None:
        self._changed = threading.Condition()
        self._speed = speed
        self._n_frames = n_frames
        self._paused = self._stopped = False
        self._frame = 0
        self._sought: int | None = None
        self._since_s, self._stream_s = monotonic(), 0.0  # then, this was the time in the stream

    @property
    def speed(self) -> float:
        return self._speed

    @property
    def state(self) -> ReplayState:
        with self._changed:
            return ReplayState(self._speed, self._paused, self._frame, self._n_frames)

    def begin(self, stream_s: float) -> None:
        """A scan begins whose first frame is due at `stream_s`."""
        with self._changed:
            self._since_s, self._stream_s = monotonic(), stream_s

    def wait(self, stream_s: float) -> bool:
        """Until the frame that is due at `stream_s` may go; False when this scan is to end before it."""
        with self._changed:
            while not self._stopped and self._sought is None:
                wait_s = self._wait_s(stream_s)
                if wait_s <= LOOK_AHEAD_S:
                    if self._speed == math.inf:
                        self._since_s, self._stream_s = monotonic(), stream_s  # where a finite speed would go on
                    return True
                self._changed.wait(None if wait_s == math.inf else wait_s)
            return False

    def passed(self, frame: int) -> None:
        """Everything before `frame` was sent."""
        with self._changed:
            self._frame = frame

    def take_sought(self) -> int | None:
        """The frame that was asked for, once; None = nobody asked."""
        with self._changed:
            sought, self._sought = self._sought, None
            return sought

    def pause(self) -> None:
        """No frame goes out until `play`."""
        self._change(paused=True)

    def play(self) -> None:
        """Go on."""
        self._change(paused=False)

    def set_speed(self, speed: float) -> None:
        """From now on so many times as fast as recorded; infinite = as fast as it goes. Raises ValueError."""
        if not speed > 0:
            raise ValueError("a speed is above 0")
        self._change(speed=speed)

    def seek(self, frame: int) -> None:
        """End this scan and go on from `frame` as a new one. Raises ValueError."""
        if not 0 <= frame < self._n_frames:
            raise ValueError(f"there are frames 0 to {self._n_frames - 1}")
        with self._changed:
            self._sought = frame
            self._changed.notify_all()

    def stop(self) -> None:
        """Nothing is waited for any more."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _wait_s(self, stream_s: float) -> float:
        if self._paused:
            return math.inf
        if self._speed == math.inf:
            return 0.0
        return self._since_s + (stream_s - self._stream_s) / self._speed - monotonic()

    def _change(self, paused: bool | None = None, speed: float | None = None) -> None:
        with self._changed:
            now_s = monotonic()
            if not self._paused and self._speed != math.inf:
                self._stream_s += (now_s - self._since_s) * self._speed
            self._since_s = now_s
            self._paused = self._paused if paused is None else paused
            self._speed = self._speed if speed is None else speed
            self._changed.notify_all()
