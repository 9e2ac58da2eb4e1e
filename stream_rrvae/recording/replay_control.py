"""Who holds the key may pause a replay, set it going, change its speed, and have it go on from elsewhere.

The requests, on the wire of `stream_rrvae/feed/requests.py`: `status`, `play`, `pause`, `speed` and `seek`, the
last two with {"value": number}: a speed of 0 means as fast as it goes, a place to seek is a frame in the order of
arrival. The answer to each is {"speed", "paused", "frame", "frames"} (speed null = as fast as it goes).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from stream_rrvae.arguments import Arguments
from stream_rrvae.recording.replay_clock import ReplayClock

FASTEST = 1e6  # times as fast as recorded


def replay_answers(clock: ReplayClock) -> dict[str, Callable[[Arguments], Mapping[str, Any]]]:
    """What a request server answers for the replay that `clock` drives."""
    last = clock.state.n_frames - 1

    def answer(do: Callable[[Arguments], object]) -> Callable[[Arguments], Mapping[str, Any]]:
        def done(arguments: Arguments) -> Mapping[str, Any]:
            do(arguments)
            return _status(clock)

        return done

    return {
        "status": answer(lambda _arguments: None),
        "play": answer(lambda _arguments: clock.play()),
        "pause": answer(lambda _arguments: clock.pause()),
        "speed": answer(lambda arguments: clock.set_speed(arguments.number("value", 0, FASTEST) or math.inf)),
        "seek": answer(lambda arguments: clock.seek(arguments.whole("value", 0, last))),
    }


def _status(clock: ReplayClock) -> dict[str, Any]:
    state = clock.state
    speed = None if state.speed == math.inf else state.speed
    return {"speed": speed, "paused": state.paused, "frame": state.frame, "frames": state.n_frames}
