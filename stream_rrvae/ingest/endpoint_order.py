"""Several endpoints of one detector, taken as if one had sent everything: scans do not get mixed up.

Each endpoint sends in order, but one may be ahead of another by all that is queued between. Whoever is ahead
is held: what it sent first of the next scan is kept, and its socket is not read until the others have caught
up. Start and end may come from every endpoint or from one. The scans of an endless series are kept apart in the same
way; whoever was waited for in vain there is not waited for until something comes from it. Without sockets, threads
or a clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from stream_rrvae.ingest.events import Event, Rejected
from stream_rrvae.ingest.scan import ScanMachine, is_same_scan
from stream_rrvae.messages import Frame, Message, Refusal, ScanEnd, ScanStart

HELD_WITHOUT_START_S = 1.0  # frames whose start comes from another endpoint, if it comes
SCANS_REMEMBERED = 8  # an endpoint may be behind by so many


@dataclass(slots=True)
class _Told:
    """One scan, and which endpoints announced it, and which have nothing more of it."""

    start: ScanStart
    announced: set[int] = field(default_factory=set)
    done: set[int] = field(default_factory=set)


class EndpointOrder:
    """Passes messages of `count` endpoints on to `machine`, each when it is its turn."""

    def __init__(self, machine: ScanMachine, count: int) -> None:
        self._machine = machine
        self._count = count
        self._scans: deque[_Told] = deque(maxlen=SCANS_REMEMBERED)  # the latest first
        self._held: dict[int, deque[Message]] = {}
        self._give_up_s: dict[int, float] = {}  # when frames without a start are let go
        self._lost: dict[int, int] = {}  # series whose frames are not held again, by endpoint
        self._given_up: set[int] = set()  # endpoints that were waited for in vain at the end of a scan

    @property
    def open(self) -> list[int]:
        """The endpoints that may be read."""
        return [endpoint for endpoint in range(self._count) if endpoint not in self._held]

    @property
    def deadline_s(self) -> float | None:
        """When `on_tick` has something to decide at the latest."""
        deadlines = [s for s in (self._machine.deadline_s, *self._give_up_s.values()) if s is not None]
        return min(deadlines, default=None)

    def on_messages(self, endpoint: int, messages: Iterable[Message], now_s: float) -> Sequence[Event]:
        """What came from an endpoint at once; what has to wait is kept."""
        events: list[Event] = []
        for message in messages:
            if endpoint in self._held:
                self._held[endpoint].append(message)
            else:
                events += self._take(endpoint, message, now_s)
        return [*events, *self._released(now_s)]

    def on_tick(self, now_s: float) -> Sequence[Event]:
        """Let the time pass, for the machine too."""
        waited_for = self._unheard if self._held else set()
        events = self._machine.on_tick(now_s)
        if events:
            self._given_up |= waited_for
        for endpoint, limit_s in self._give_up_s.items():
            if now_s >= limit_s:
                self._lost[endpoint] = self._held[endpoint][0].series
        return [*events, *self._released(now_s)]

    def close(self) -> Sequence[Event]:
        """End what is running; held frames belong to no scan."""
        frames = sum(isinstance(message, Frame) for waiting in self._held.values() for message in waiting)
        self._held.clear()
        return [*self._machine.close(), *[Rejected(Refusal.NO_SCAN)] * frames]

    def _take(self, endpoint: int, message: Message, now_s: float) -> Sequence[Event]:
        if isinstance(message, ScanStart):
            return self._take_start(endpoint, message, now_s)
        if isinstance(message, ScanEnd):
            return self._take_end(endpoint, message, now_s)
        self._given_up.discard(endpoint)
        if self._has_to_wait(endpoint, message):
            return self._hold(endpoint, message, now_s)
        return self._machine.on_frame(message, now_s)

    def _take_start(self, endpoint: int, start: ScanStart, now_s: float) -> Sequence[Event]:
        if self._joins(endpoint, start):
            self._machine.expect_more(bool(self._awaited))
            return ()
        if self._is_ahead(endpoint):
            return self._hold(endpoint, start, now_s)
        if not self._machine.running or self._machine.touched or not self._is_latest(start):
            self._scans.appendleft(_Told(start, {endpoint}))
            self._lost.clear()
            self._given_up.clear()
        return self._machine.on_start(start)

    def _joins(self, endpoint: int, start: ScanStart) -> bool:
        """Whether another endpoint has announced this scan before, which then is noted."""
        for told in self._scans:
            if is_same_scan(told.start, start) and endpoint not in told.announced:
                told.announced.add(endpoint)
                return True
        return False

    def _take_end(self, endpoint: int, end: ScanEnd, now_s: float) -> Sequence[Event]:
        if self._machine.running and end.series == self._scans[0].start.series:
            self._scans[0].done.add(endpoint)
            if self._unheard:
                return self._part_over(now_s, announced=True)
        return self._machine.on_end(end, now_s)

    def _part_over(self, now_s: float, announced: bool) -> Sequence[Event]:
        self._machine.expect_more(bool(self._awaited))
        return self._machine.on_part_over(now_s, announced)

    @property
    def _unheard(self) -> set[int]:
        """Endpoints that have not gone beyond the running scan."""
        return set(self.open) - self._scans[0].done if self._machine.running else set()

    @property
    def _awaited(self) -> set[int]:
        """Those of them that announced it, so that they will end it too."""
        return self._unheard & self._scans[0].announced if self._scans else set()

    def _is_ahead(self, endpoint: int) -> bool:
        return bool(self._unheard - {endpoint}) and (self._machine.touched or endpoint not in self._awaited)

    def _is_latest(self, start: ScanStart) -> bool:
        return bool(self._scans) and is_same_scan(self._scans[0].start, start)

    def _has_to_wait(self, endpoint: int, frame: Frame) -> bool:
        """Whether another endpoint may be about to announce its scan, or has more of the one before."""
        if self._count == 1:
            return False
        if any(told.start.series == frame.series for told in self._scans):
            return self._machine.would_cut_short(frame) and bool(self._unheard - self._given_up - {endpoint})
        return endpoint not in self._awaited and self._lost.get(endpoint) != frame.series

    def _hold(self, endpoint: int, message: Message, now_s: float) -> Sequence[Event]:
        self._held[endpoint] = deque([message])
        return self._part_over(now_s, announced=False)

    def _released(self, now_s: float) -> Sequence[Event]:
        """What can go on now, as long as something can."""
        events: list[Event] = []
        while self._held and (endpoint := self._next_released()) is not None:
            waiting = self._held.pop(endpoint)
            while waiting and endpoint not in self._held:
                events += self._take(endpoint, waiting.popleft(), now_s)
            self._held.get(endpoint, waiting).extend(waiting)
        self._set_times(now_s)
        return events

    def _next_released(self) -> int | None:
        for endpoint, waiting in self._held.items():
            first = waiting[0]
            stays = self._has_to_wait(endpoint, first) if isinstance(first, Frame) else self._waits_to_start(endpoint)
            if not stays:
                return endpoint
        return None

    def _waits_to_start(self, endpoint: int) -> bool:
        start = self._held[endpoint][0]
        assert isinstance(start, ScanStart)
        announced_by_others = any(
            is_same_scan(told.start, start) and endpoint not in told.announced for told in self._scans
        )
        return not announced_by_others and self._is_ahead(endpoint)

    def _set_times(self, now_s: float) -> None:
        """Frames without a start wait for a time while no scan runs."""
        waiting = {e for e, held in self._held.items() if isinstance(held[0], Frame) and not self._machine.running}
        self._give_up_s = {e: self._give_up_s.get(e, now_s + HELD_WITHOUT_START_S) for e in waiting}
