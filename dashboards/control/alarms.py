"""The wall's alarms: one for each instrument and condition, kept until somebody has acknowledged it.

A condition that is over stays on the list until it is acknowledged; one that is acknowledged stays until it is over.
There are as many alarms as instruments have conditions, so the list cannot grow.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum


class Severity(IntEnum):
    MINOR = 1  # worth a look
    MAJOR = 2  # a scan is being lost
    INVALID = 3  # nothing that is shown of the instrument can be trusted


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that is wrong now. `hold_s`: how long it has to be, to be an alarm."""

    name: str
    severity: Severity
    text: str
    hold_s: float = 0.0


@dataclass(slots=True)
class Alarm:
    """`serial` names it to pages; it changes whenever the condition comes back."""

    serial: int
    place: int
    instrument: str
    condition: Condition
    began_unix_s: float
    over_unix_s: float | None = None
    times: int = 1
    acknowledged: bool = False


class Alarms:
    """The list; `clock` is monotonic seconds, `now` unix seconds."""

    def __init__(self, clock: Callable[[], float], now: Callable[[], float]) -> None:
        self._clock, self._now = clock, now
        self._serials = itertools.count(1)
        self._alarms: dict[tuple[int, str], Alarm] = {}
        self._since_s: dict[tuple[int, str], float] = {}  # of conditions that are not held long enough yet, too

    def look(self, place: int, instrument: str, conditions: Iterable[Condition]) -> None:
        """What is wrong now with the instrument at `place`; what is not named is over."""
        found = {condition.name: condition for condition in conditions}
        for key in [key for key in self._since_s if key[0] == place and key[1] not in found]:
            del self._since_s[key]
        for name, condition in found.items():
            since_s = self._since_s.setdefault((place, name), self._clock())
            if self._clock() - since_s >= condition.hold_s:
                self._raise(place, instrument, condition)
        for key in [key for key in self._alarms if key[0] == place and key[1] not in found]:
            self._end(key)

    def _raise(self, place: int, instrument: str, condition: Condition) -> None:
        key = place, condition.name
        known = self._alarms.get(key)
        if known is None:
            self._alarms[key] = Alarm(next(self._serials), place, instrument, condition, self._now())
        elif known.over_unix_s is None:
            known.condition, known.instrument = condition, instrument
        else:
            times = known.times + 1
            self._alarms[key] = Alarm(next(self._serials), place, instrument, condition, self._now(), times=times)

    def _end(self, key: tuple[int, str]) -> None:
        alarm = self._alarms[key]
        if alarm.over_unix_s is None:
            alarm.over_unix_s = self._now()
        if alarm.acknowledged:
            del self._alarms[key]

    def acknowledge(self, serials: Iterable[int]) -> int:
        """Somebody has seen these; says how many of them there were."""
        wanted = set(serials)
        seen = [
            (key, alarm) for key, alarm in self._alarms.items() if alarm.serial in wanted and not alarm.acknowledged
        ]
        for key, alarm in seen:
            alarm.acknowledged = True
            if alarm.over_unix_s is not None:
                del self._alarms[key]
        return len(seen)

    def shown(self) -> list[Alarm]:
        """All of them: what nobody has acknowledged first, then the worst, then the latest."""
        alarms = self._alarms.values()
        return sorted(alarms, key=lambda each: (each.acknowledged, -each.condition.severity, -each.began_unix_s))
