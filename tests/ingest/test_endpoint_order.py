"""Several endpoints' messages in any interleaving come to what one endpoint would have sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_rrvae.ingest.endpoint_order import HELD_WITHOUT_START_S, EndpointOrder
from stream_rrvae.ingest.events import Accepted, Closed, Event, Opened, Rejected
from stream_rrvae.ingest.scan import ScanMachine
from stream_rrvae.ingest.scan_rules import ScanRules
from stream_rrvae.messages import Encoding, Frame, Message, Refusal, ScanEnd, ScanStart, ScanState
from stream_rrvae.scan_path import ScanPath

N_FRAMES, N_SCANS = 6, 3
START = ScanStart("scan-1", 1, (4, 6), "uint16", N_FRAMES, scan_shape=(2, 3))


def start(series: int) -> ScanStart:
    return replace(START, scan_id=f"scan-{series}", series=series)


def frame(series: int, number: int) -> Frame:
    return Frame(series, number, (4, 6), "uint16", Encoding.NONE, memoryview(b""))


def streams(n_endpoints: int, announcing: Sequence[int], lost: frozenset[int] = frozenset()) -> list[list[Message]]:
    """What each endpoint sends of all scans: frames dealt in turn, start and end on the `announcing` ones."""
    sent: list[list[Message]] = [[] for _ in range(n_endpoints)]
    for series in range(1, N_SCANS + 1):
        for endpoint in announcing:
            sent[endpoint].append(start(series))
        for number in set(range(N_FRAMES)) - lost:
            sent[number % n_endpoints].append(frame(series, number))
        for endpoint in announcing:
            sent[endpoint].append(ScanEnd(series, f"scan-{series}"))
    return sent


class Harness:
    """Endpoints that are read in some order, as far as they may be."""

    def __init__(self, sent: Sequence[Sequence[Message]]) -> None:
        self.machine = ScanMachine(ScanRules(end_grace_s=0.5, stall_timeout_s=5.0))
        self.order = EndpointOrder(self.machine, len(sent))
        self.waiting: list[list[Message]] = [list(stream) for stream in sent]
        self.events: list[Event] = []
        self.now_s = 0.0

    def read(self, wish: int) -> bool:
        """One message of the endpoint wished for, or of the next that may be read and has one; False = none has."""
        ready = [e for e in self.order.open if self.waiting[e]]
        if not ready:
            return False
        endpoint = min(ready, key=lambda e: (e - wish) % len(self.waiting))
        self.events += self.order.on_messages(endpoint, [self.waiting[endpoint].pop(0)], self.now_s)
        return True

    def let_pass(self) -> bool:
        """Until the next deadline; False = there is none."""
        if self.order.deadline_s is None:
            return False
        self.now_s = max(self.now_s, self.order.deadline_s)
        self.events += self.order.on_tick(self.now_s)
        return True

    def read_all(self, wishes: Sequence[int]) -> None:
        for wish in wishes:
            self.read(wish)
        while self.read(0) or self.let_pass():
            pass

    @property
    def accepted(self) -> list[tuple[int, int]]:
        return [(e.frame.series, e.frame.number) for e in self.events if isinstance(e, Accepted)]

    @property
    def states(self) -> list[ScanState]:
        return [e.state for e in self.events if isinstance(e, Closed)]


WISHES = st.lists(st.integers(0, 2), max_size=60)
ALL_FRAMES = [(series, number) for series in range(1, N_SCANS + 1) for number in range(N_FRAMES)]


@given(st.integers(1, 3), WISHES)
def test_announced_by_all_every_scan_is_complete(n_endpoints: int, wishes: list[int]) -> None:
    harness = Harness(streams(n_endpoints, range(n_endpoints)))
    harness.read_all(wishes)
    assert [e.start.series for e in harness.events if isinstance(e, Opened)] == [1, 2, 3]
    assert [series for series, _ in harness.accepted] == sorted(series for series, _ in harness.accepted)
    assert sorted(harness.accepted) == ALL_FRAMES
    assert harness.states == [ScanState.COMPLETE] * N_SCANS
    assert not any(isinstance(e, Rejected) for e in harness.events)
    assert harness.waiting == [[]] * n_endpoints
    assert harness.now_s == 0.0, "nothing had to wait for a time to pass"


@given(WISHES, st.integers(0, 1))
def test_lost_frames_of_any_endpoint_cost_only_themselves(wishes: list[int], lost: int) -> None:
    harness = Harness(streams(2, range(2), frozenset([lost, lost + 2])))
    harness.read_all(wishes)
    assert sorted(harness.accepted) == [(s, n) for s, n in ALL_FRAMES if n not in (lost, lost + 2)]
    assert harness.states == [ScanState.COMPLETE] * N_SCANS


def test_announced_by_one_frames_of_others_wait_for_the_start() -> None:
    harness = Harness(streams(2, [0]))
    harness.read_all([1])  # the other endpoint's first frame comes before the start
    assert sorted(harness.accepted) == ALL_FRAMES
    assert harness.states == [ScanState.COMPLETE] * N_SCANS


def test_frames_whose_start_never_comes_are_rejected_and_hold_nobody_for_long() -> None:
    harness = Harness([[frame(9, 0), frame(9, 1), start(1)], []])
    assert harness.read(0)
    assert harness.order.open == [1]
    assert harness.let_pass() and harness.now_s == HELD_WITHOUT_START_S
    while harness.read(0):
        pass
    assert harness.events == [Rejected(Refusal.NO_SCAN)] * 2 + [Opened(start(1), (2, 3))]


def test_an_endpoint_that_died_leaves_the_others_their_frames() -> None:
    sent = streams(2, range(2))
    sent[1] = sent[1][:3]  # the start and two of three frames
    harness = Harness(sent)
    harness.read_all([])
    assert [n for s, n in sorted(harness.accepted) if s == 1] == [0, 1, 2, 3, 4]
    assert [n for s, n in sorted(harness.accepted) if s == 2] == [0, 2, 4]
    assert harness.states == [ScanState.COMPLETE] * N_SCANS
    assert harness.now_s < 12.0, "only the scan in which it died waits for it as for a stalled one"


def test_without_any_end_the_scan_is_aborted_when_all_went_on() -> None:
    sent = streams(2, range(2), frozenset([0]))
    harness = Harness([[m for m in stream if not isinstance(m, ScanEnd)] for stream in sent])
    harness.read_all([0, 0, 0])
    assert harness.states == [ScanState.ABORTED] * N_SCANS
    assert len(harness.accepted) == N_SCANS * (N_FRAMES - 1)


def test_an_endpoint_that_is_behind_by_a_scan_stops_nobody() -> None:
    harness = Harness([[start(1), ScanEnd(1), start(2)], [start(1), frame(1, 1), start(2), frame(2, 1)]])
    for _ in range(3):
        harness.read(0)
    assert harness.let_pass(), "the first scan ends without the other endpoint"
    while harness.read(1):
        pass
    assert harness.accepted == [(2, 1)]
    assert Rejected(Refusal.STALE) in harness.events


@pytest.mark.parametrize("messages", [[start(1), start(1)], [start(1), frame(1, 0), start(1)]])
def test_one_endpoint_alone_is_passed_on_as_it_is(messages: list[Message]) -> None:
    plain, ordered = ScanMachine(ScanRules()), EndpointOrder(ScanMachine(ScanRules()), 1)
    for message in messages:
        events = plain.on_frame(message, 0.0) if isinstance(message, Frame) else plain.on_start(message)  # type: ignore[arg-type]
        assert list(ordered.on_messages(0, [message], 0.0)) == list(events)


def test_held_frames_are_counted_when_all_ends() -> None:
    order = EndpointOrder(ScanMachine(ScanRules()), 2)
    order.on_messages(1, [start(1)], 0.0)
    assert order.on_messages(0, [frame(2, 0), frame(2, 1)], 0.0) == []
    assert order.close() == [Closed(ScanState.ABORTED), *[Rejected(Refusal.NO_SCAN)] * 2]


def test_one_end_is_enough_when_the_last_frame_comes() -> None:
    harness = Harness(streams(2, range(2)))
    while harness.read(0) and not harness.states:
        pass
    closed = harness.events.index(Closed(ScanState.COMPLETE))
    assert isinstance(harness.events[closed - 1], Accepted)


def endless_streams(n_endpoints: int, lost: frozenset[int] = frozenset()) -> list[list[Message]]:
    """All scans as one series, announced and ended by every endpoint; `lost` are of each scan."""
    whole = replace(START, frames_expected=N_SCANS * N_FRAMES, path=ScanPath(endless=True))
    sent: list[list[Message]] = [[whole] for _ in range(n_endpoints)]
    for number in range(N_SCANS * N_FRAMES):
        if number % N_FRAMES not in lost:
            sent[number % n_endpoints].append(frame(1, number))
    return [[*stream, ScanEnd(1, "scan-1")] for stream in sent]


@given(st.integers(1, 3), WISHES, st.sampled_from([frozenset(), frozenset({2}), frozenset({0, 5})]))
def test_scans_of_an_endless_series_are_kept_apart(n: int, wishes: list[int], lost: frozenset[int]) -> None:
    harness = Harness(endless_streams(n, lost))
    harness.read_all(wishes)
    kept = [number for number in range(N_FRAMES) if number not in lost]
    assert [e.start.scan_id for e in harness.events if isinstance(e, Opened)] == ["scan-1", "scan-1.2", "scan-1.3"]
    assert sorted(number for _, number in harness.accepted) == sorted(kept * N_SCANS)
    assert harness.states == [ScanState.COMPLETE] * N_SCANS
    assert not any(isinstance(e, Rejected) for e in harness.events), "nothing came too late for its scan"


def test_an_endpoint_that_died_is_waited_for_once_in_an_endless_series() -> None:
    sent = endless_streams(2)
    sent[1] = sent[1][:2]  # the start and a frame
    harness = Harness(sent)
    harness.read_all([])
    assert [number for _, number in harness.accepted] == [0, 2, 4, 1, 0, 2, 4, 0, 2, 4]
    assert len(harness.states) == N_SCANS and harness.now_s <= 10.0
