"""When each stored frame is sent again: as it came, N times as fast, or as fast as it goes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.errors import ConfigError
from stream_rrvae.recording.frame_file import FrameFile

USUAL_FPS = 1000.0  # of files without times
MESSAGE_S = 0.01  # frames that were longer apart than this are not sent in one message


def speed_of(text: str) -> float:
    """How many times as fast as recorded; infinite for max. Raises ConfigError."""
    try:
        speed = np.inf if text == "max" else float(text)
    except ValueError:
        speed = 0.0
    if not speed > 0 or (speed == np.inf and text != "max"):
        raise ConfigError(f"--speed is a number above 0 or max, not {text!r}")
    return speed


def due_times_s(frames: FrameFile, frame_rate_fps: float | None) -> NDArray[np.float64]:
    """Seconds from the first frame to each stored one at speed 1, ascending.

    The times of the file, if it has any and no rate is given.
    """
    times_s = None if frame_rate_fps is not None else _recorded_s(frames)
    return np.arange(frames.n_arrivals) / (frame_rate_fps or USUAL_FPS) if times_s is None else times_s


def message_ends(due_s: NDArray[np.float64], speed: float) -> NDArray[np.intp]:
    """Where messages have to end, so that none holds frames that are sent further apart than `MESSAGE_S`."""
    if speed == np.inf:
        return np.empty(0, np.intp)
    return np.flatnonzero(np.diff(np.floor((due_s - due_s[0]) / (MESSAGE_S * speed)))) + 1


def _recorded_s(frames: FrameFile) -> NDArray[np.float64] | None:
    """Relative to the first; a clock that was set back while recording does not turn the order round."""
    recorded_s = frames.received_s
    if recorded_s is None or not len(recorded_s) or not np.isfinite(recorded_s).all():
        return None
    steady: NDArray[np.float64] = np.maximum.accumulate(recorded_s[: frames.n_arrivals])
    from_first: NDArray[np.float64] = steady - steady[0]
    return from_first
