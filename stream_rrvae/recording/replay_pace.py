"""When each stored frame is sent again: as it came, N times as fast, or as fast as it goes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.errors import ConfigError
from stream_rrvae.recording.frame_file import FrameFile

USUAL_FPS = 1000.0  # of files without times
MESSAGE_S = 0.01  # frames that were longer apart than this are not sent in one message


def due_times_s(frames: FrameFile, speed: str, frame_rate_fps: float | None) -> NDArray[np.float64] | None:
    """Seconds from the first frame to each stored one, ascending; None = as fast as it goes. Raises ConfigError.

    The times of the file, if it has any and no rate is given.
    """
    if speed == "max":
        return None
    factor = _factor(speed)
    times_s = None if frame_rate_fps is not None else _recorded_s(frames)
    if times_s is None:
        times_s = np.arange(frames.n_arrivals) / (frame_rate_fps or USUAL_FPS)
    return times_s / factor


def message_ends(due_s: NDArray[np.float64]) -> NDArray[np.intp]:
    """Where messages have to end, so that none holds frames further apart than `MESSAGE_S`."""
    return np.flatnonzero(np.diff(np.floor((due_s - due_s[0]) / MESSAGE_S))) + 1


def _factor(speed: str) -> float:
    try:
        factor = float(speed)
    except ValueError:
        factor = 0.0
    if not 0 < factor < np.inf:
        raise ConfigError(f"--speed is a number above 0 or max, not {speed!r}")
    return factor


def _recorded_s(frames: FrameFile) -> NDArray[np.float64] | None:
    """Relative to the first; a clock that was set back while recording does not turn the order round."""
    recorded_s = frames.received_s
    if recorded_s is None or not len(recorded_s) or not np.isfinite(recorded_s).all():
        return None
    steady: NDArray[np.float64] = np.maximum.accumulate(recorded_s[: frames.n_arrivals])
    from_first: NDArray[np.float64] = steady - steady[0]
    return from_first
