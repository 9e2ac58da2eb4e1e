"""Any sequence of messages and verdicts keeps the account whole and equal to a plain recount."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from stream_rrvae.ingest.account import ScanAccount
from stream_rrvae.ingest.events import Accepted, Closed, Ended, Event, Opened, Refused, Rejected
from stream_rrvae.ingest.scan import ScanMachine
from stream_rrvae.ingest.scan_rules import ScanRules
from stream_rrvae.messages import Counters, Encoding, Frame, Refusal, ScanEnd, ScanStart, ScanState

FRAME_SHAPE = (2, 2)


@dataclass(frozen=True)
class Garbage:
    reason: Refusal
    number: int | None


@dataclass(frozen=True)
class Pause:
    duration_s: float


def starts() -> st.SearchStrategy[ScanStart]:
    return st.builds(
        ScanStart,
        scan_id=st.sampled_from(["a", "b", ""]),
        series=st.integers(0, 2),
        frame_shape=st.just(FRAME_SHAPE),
        pixel_type=st.just("uint8"),
        frames_expected=st.integers(1, 7),
    )


def frames() -> st.SearchStrategy[Frame]:
    return st.builds(
        Frame,
        series=st.integers(0, 2),
        number=st.integers(0, 8),
        shape=st.sampled_from([FRAME_SHAPE, FRAME_SHAPE, FRAME_SHAPE, (3, 2)]),
        pixel_type=st.sampled_from(["uint8", "uint8", "uint8", "uint16"]),
        encoding=st.just(Encoding.NONE),
        payload=st.sampled_from([memoryview(b"good"), memoryview(b"good"), memoryview(b"bad")]),
    )


STEPS = st.lists(
    st.one_of(
        starts(),
        frames(),
        frames(),
        frames(),
        st.builds(ScanEnd, st.integers(0, 2)),
        st.builds(Garbage, st.sampled_from(Refusal), st.none() | st.integers(0, 8)),
        st.builds(Pause, st.sampled_from([0.1, 0.6, 6.0])),
    ),
    max_size=60,
)
Step = ScanStart | Frame | ScanEnd | Garbage | Pause


class Recount:
    """The same account kept the slow way: a list of what happened to each message."""

    def __init__(self, n_positions: int) -> None:
        self.n_positions = n_positions
        self.log: list[tuple[str, int | None]] = []
        self.ended = False

    def check(self, counters: Counters) -> None:
        count = Counter(kind for kind, _ in self.log)
        seen = [n for _, n in self.log if n is not None and 0 <= n < self.n_positions]
        due = set(range(self.n_positions if self.ended else max(seen, default=-1) + 1))
        placed = {n for kind, n in self.log if kind == "processed"}
        told = {n for kind, n in self.log if kind == "refused" and n is not None}
        unnumbered = sum(1 for kind, n in self.log if kind == "refused" and n is None)
        assert len(placed) == count["processed"], "a position was processed twice"
        assert counters.processed == count["processed"]
        assert counters.refused == count["refused"] == sum(counters.refusals.values())
        assert counters.duplicate == count["duplicate"]
        assert counters.received == len(self.log)
        assert counters.missing == max(0, len(due - placed - told) - unnumbered)
        assert counters.expected == counters.received + counters.missing
        assert counters.received == counters.processed + counters.refused + counters.duplicate


class Harness:
    """The state machine and the account joined as the threads join them, with the recount beside."""

    def __init__(self) -> None:
        self.machine = ScanMachine(ScanRules(end_grace_s=0.5, stall_timeout_s=5.0))
        self.now_s = 0.0
        self.account: ScanAccount | None = None
        self.recount: Recount | None = None
        self.frame_messages = 0
        self.answers = 0

    def give(self, step: Step) -> None:
        machine = self.machine
        if isinstance(step, ScanStart):
            self.take(machine.on_start(step))
        elif isinstance(step, Frame):
            self.frame_messages += 1
            self.take(machine.on_frame(step, self.now_s))
        elif isinstance(step, ScanEnd):
            rejected = [event for event in machine.on_end(step, self.now_s) if not self.apply(event)]
            assert len(rejected) <= 1
        elif isinstance(step, Garbage):
            self.frame_messages += 1
            self.take(machine.on_refused(step.reason, step.number, self.now_s))
        else:
            self.now_s += step.duration_s
            self.take(machine.on_tick(self.now_s))

    def take(self, events: Sequence[Event]) -> None:
        for event in events:
            self.answers += isinstance(event, Accepted | Refused | Rejected)
            self.apply(event)

    def apply(self, event: Event) -> bool:
        """Carry one event out; False if it belongs to no scan."""
        if isinstance(event, Rejected):
            return False
        if isinstance(event, Opened):
            assert self.account is None, "opened while another scan was open"
            n_positions = event.scan_shape[0] * event.scan_shape[1]
            self.account, self.recount = ScanAccount(n_positions), Recount(n_positions)
            return True
        assert self.account is not None and self.recount is not None, "an event outside a scan"
        self._within(event, self.account, self.recount)
        return True

    def _within(self, event: Event, account: ScanAccount, recount: Recount) -> None:
        if isinstance(event, Accepted):
            self._decode(event.frame, account, recount)
        elif isinstance(event, Refused):
            account.refused(event.reason, event.number)
            recount.log.append(("refused", event.number))
        elif isinstance(event, Ended | Closed):
            account.end()
            recount.ended = True
        recount.check(account.counters())
        if isinstance(event, Closed):
            assert event.state in (ScanState.COMPLETE, ScanState.ABORTED)
            self.account = self.recount = None

    def _decode(self, frame: Frame, account: ScanAccount, recount: Recount) -> None:
        if account.is_placed(frame.number):
            account.duplicate()
            recount.log.append(("duplicate", frame.number))
        elif bytes(frame.payload) == b"bad":
            account.refused(Refusal.DECODE, frame.number)
            recount.log.append(("refused", frame.number))
        else:
            account.processed(frame.number)
            recount.log.append(("processed", frame.number))


@given(STEPS)
def test_every_message_is_counted_once_and_the_account_holds(steps: list[Step]) -> None:
    harness = Harness()
    for step in steps:
        harness.give(step)
    assert harness.answers == harness.frame_messages


@given(STEPS)
def test_the_next_scan_is_received_whole_whatever_came_before(steps: list[Step]) -> None:
    harness = Harness()
    for step in steps:
        harness.give(step)
    harness.give(ScanStart("fresh", 99, FRAME_SHAPE, "uint8", 5))
    account = harness.account
    assert account is not None
    for number in range(5):
        harness.give(Frame(99, number, FRAME_SHAPE, "uint8", Encoding.NONE, memoryview(b"good")))
    assert account.counters() == Counters(5, 5, 0, 5, 0, 0, 0, {})


@given(STEPS)
def test_a_closed_scan_leaves_no_deadline(steps: list[Step]) -> None:
    harness = Harness()
    for step in steps:
        harness.give(step)
        assert harness.machine.running == (harness.account is not None)
        if not harness.machine.running:
            assert harness.machine.deadline_s is None
