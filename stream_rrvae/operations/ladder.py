"""What a service leaves out when it cannot do everything, step by step, and when it takes that up again.

No clock, no thread, no socket: `look` is told the load and the time. Steps down are quick, and one that helps is given
time; steps up are slow, and only to where what comes can be computed (decision 025).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from stream_rrvae.messages import DegradeLevel

FALLING = 0.98  # of the pressure at the look before: less is getting better
MOST_DOUBLINGS = 4
RELAPSE_S = 10.0  # a step up that is taken back within as long was a mistake
LIGHT = 0.6  # demand below which mistakes are forgotten, and less rest will do
FITS = 0.8  # of what can be computed


@dataclass(frozen=True, slots=True)
class Load:
    """How acquisition is doing."""

    lag_s: float = 0.0  # age of the oldest frame that is not computed
    fill: float = 0.0  # 0..1 of the queue of frames to compute; full, the detector is held back
    demand: float = math.nan  # frames that come over frames that can be computed; NaN = not known
    may_leave_out: bool = False  # frames, of the maps: something else has them


@dataclass(frozen=True, slots=True)
class LadderRules:
    """`clear` of a limit is where it counts as kept again; between the two nothing changes."""

    lag_s: float = 0.5
    fill: float = 0.5
    clear: float = 0.25
    settle_s: float = 0.3  # between two steps down
    rest_s: float = 2.0  # without any pressure, before the first step up; half of it under a light load
    step_s: float = 0.3  # between further ones
    computed_share: float = 0.25  # of the frames, at COM_EVERY_KTH


class Ladder:
    """`level` is what holds since the last look; `reason` is why it is not ALL."""

    def __init__(self, rules: LadderRules) -> None:
        self._rules = rules
        self.level = DegradeLevel.ALL
        self.reason = ""
        self._looked_s = -math.inf  # when the pressure was weighed
        self._pressure = 0.0  # then
        self._clear_since_s: float | None = None
        self._went_up_s = -math.inf
        self._doublings = 0

    def look(self, load: Load, now_s: float) -> DegradeLevel:
        """The level from now on; it differs from the one before by one step, or frames may not be left out any more."""
        if not load.may_leave_out and self.level > DegradeLevel.NO_ENCODING:
            self.level = DegradeLevel.NO_ENCODING
            return self.level
        if load.demand < LIGHT:
            self._doublings = 0
        pressure = max(load.lag_s / self._rules.lag_s, load.fill / self._rules.fill)
        if pressure > 1.0:
            self._clear_since_s = None
            self._weigh(load, pressure, now_s)
        elif pressure < self._rules.clear:
            self._rest(load, now_s)
        else:
            self._clear_since_s = None
        return self.level

    def _weigh(self, load: Load, pressure: float, now_s: float) -> None:
        if now_s - self._looked_s < self._rules.settle_s:
            return
        helps = self.level > DegradeLevel.ALL and pressure < FALLING * self._pressure
        self._looked_s, self._pressure = now_s, pressure
        if not helps and self.level < self._deepest(load):
            if now_s - self._went_up_s < RELAPSE_S:
                self._doublings = min(self._doublings + 1, MOST_DOUBLINGS)
                self._went_up_s = -math.inf
            self.reason = _said(load, self._rules)
            self.level = DegradeLevel(self.level + 1)

    def _deepest(self, load: Load) -> DegradeLevel:
        """Frames are left out only before the detector would be held back."""
        holds_back = load.fill > self._rules.fill
        return DegradeLevel.RECORD_ONLY if load.may_leave_out and holds_back else DegradeLevel.NO_ENCODING

    def _rest(self, load: Load, now_s: float) -> None:
        self._pressure = 0.0
        if self._clear_since_s is None:
            self._clear_since_s = now_s
        if self.level is DegradeLevel.ALL:
            return
        rules = self._rules
        is_first = self._went_up_s < self._clear_since_s
        rest_s = rules.rest_s * (0.5 if load.demand < LIGHT else 2**self._doublings)
        wait_s = rest_s if is_first else rules.step_s
        since_s = self._clear_since_s if is_first else self._went_up_s
        above = DegradeLevel(self.level - 1)
        if now_s - since_s >= wait_s and not load.demand * self._share(above) > FITS:
            self.level, self._went_up_s = above, now_s
            if above is DegradeLevel.ALL:
                self.reason = ""

    def _share(self, level: DegradeLevel) -> float:
        return self._rules.computed_share if level >= DegradeLevel.COM_EVERY_KTH else 1.0


def _said(load: Load, rules: LadderRules) -> str:
    if load.fill > rules.fill:
        return f"the queue is {100 * load.fill:.0f} % full"
    return f"frames wait {load.lag_s:.1f} s"
