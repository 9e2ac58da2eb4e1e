"""The rules of a scan's beginning and end, one by one."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from stream_rrvae.ingest.events import Accepted, Closed, Ended, Event, Opened, Refused, Rejected
from stream_rrvae.ingest.scan import ScanMachine
from stream_rrvae.ingest.scan_rules import ScanRules
from stream_rrvae.messages import Encoding, Frame, Refusal, ScanEnd, ScanStart, ScanState

START = ScanStart("scan-a", 7, (4, 6), "uint16", 4, scan_shape=(2, 2))
NEXT = replace(START, scan_id="scan-b", series=8)
COMPLETE, ABORTED = Closed(ScanState.COMPLETE), Closed(ScanState.ABORTED)


def frame(number: int, series: int = 7) -> Frame:
    return Frame(series, number, (4, 6), "uint16", Encoding.NONE, memoryview(b""))


@pytest.fixture
def machine() -> ScanMachine:
    return ScanMachine(ScanRules(end_grace_s=0.5, stall_timeout_s=5.0))


@pytest.fixture
def running(machine: ScanMachine) -> ScanMachine:
    machine.on_start(START)
    return machine


def test_a_start_opens_a_scan(machine: ScanMachine) -> None:
    assert machine.on_start(START) == (Opened(START, (2, 2)),)


def test_frames_before_any_start_are_rejected(machine: ScanMachine) -> None:
    assert machine.on_frame(frame(0), 0.0) == (Rejected(Refusal.NO_SCAN),)
    assert machine.on_end(ScanEnd(7), 0.0) == (Rejected(Refusal.NO_SCAN),)
    assert machine.on_refused(Refusal.HEADER, None, 0.0) == (Rejected(Refusal.HEADER),)


def test_frames_of_another_series_are_stale(running: ScanMachine) -> None:
    assert running.on_frame(frame(0, series=6), 0.0) == (Rejected(Refusal.STALE),)
    assert running.on_end(ScanEnd(6), 0.0) == (Rejected(Refusal.STALE),)
    assert running.on_end(ScanEnd(7, "another-id"), 0.0) == (Rejected(Refusal.STALE),)
    assert running.running


def test_a_fitting_frame_is_accepted(running: ScanMachine) -> None:
    assert running.on_frame(frame(3), 1.5) == (Accepted(frame(3), 1.5),)


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        (lambda f: replace(f, number=4), Refused(Refusal.NUMBER, 4, detail="the scan has 4 frames")),
        (lambda f: replace(f, number=-1), Refused(Refusal.NUMBER, -1, detail="the scan has 4 frames")),
        (
            lambda f: replace(f, pixel_type="uint8"),
            Refused(Refusal.PIXEL_TYPE, 2, detail="its pixels are uint8, uint16 was announced"),
        ),
        (
            lambda f: replace(f, shape=(6, 4)),
            Refused(Refusal.SHAPE, 2, detail="it is 6x4 pixels, 4x6 were announced"),
        ),
    ],
)
def test_a_frame_that_does_not_fit_is_refused(
    running: ScanMachine, change: Callable[[Frame], Frame], refused: Refused
) -> None:
    (event,) = running.on_frame(change(frame(2)), 0.0)
    assert isinstance(event, Refused)
    overflow = Accepted(change(frame(2)), 0.0) if refused.reason is Refusal.NUMBER else None  # kept for who records
    assert event == replace(refused, overflow=overflow)


def test_why_frames_do_not_fit_is_told_with_the_first_of_each_reason_in_a_scan(running: ScanMachine) -> None:
    def details(*frames: Frame) -> list[bool]:
        return [bool(event.detail) for f in frames for event in running.on_frame(f, 0.0) if isinstance(event, Refused)]

    odd, high = replace(frame(2), pixel_type="uint8"), replace(frame(2), number=4)
    assert details(odd, odd, high, odd, high) == [True, False, True, False, False]
    running.on_start(NEXT)
    assert details(replace(odd, series=8), replace(odd, series=8)) == [True, False]


def take_all(machine: ScanMachine, numbers: Sequence[int], now_s: float = 1.0) -> list[Event]:
    return [event for number in numbers for event in machine.on_frame(frame(number), now_s)]


def test_all_frames_and_the_end_make_it_complete_at_once(running: ScanMachine) -> None:
    take_all(running, [0, 1, 2, 3])
    assert running.on_end(ScanEnd(7), 1.0) == (Ended(), COMPLETE)
    assert not running.running


def test_the_last_late_frame_after_the_end_completes_it(running: ScanMachine) -> None:
    take_all(running, [0, 1, 2])
    assert running.on_end(ScanEnd(7, "scan-a"), 1.0) == (Ended(),)
    assert running.on_frame(frame(3), 1.2) == (Accepted(frame(3), 1.2), COMPLETE)


def test_an_end_with_holes_waits_for_the_grace(running: ScanMachine) -> None:
    take_all(running, [0, 3])
    running.on_end(ScanEnd(7), 1.0)
    assert running.deadline_s == 1.5
    assert running.on_tick(1.4) == ()
    assert running.on_tick(1.5) == (COMPLETE,)


def test_without_an_end_the_last_frame_waits_for_the_grace(running: ScanMachine) -> None:
    take_all(running, [0, 1, 2, 3], 2.0)
    assert running.on_tick(2.4) == ()
    assert running.on_tick(2.5) == (COMPLETE,)


def test_the_end_that_comes_after_the_grace_is_expected(running: ScanMachine) -> None:
    take_all(running, [0, 1, 2, 3], 2.0)
    running.on_tick(2.5)
    assert running.on_end(ScanEnd(7), 9.0) == ()
    assert running.on_frame(frame(0), 9.0) == (Rejected(Refusal.STALE),)


def test_a_second_end_changes_nothing(running: ScanMachine) -> None:
    running.on_end(ScanEnd(7), 1.0)
    assert running.on_end(ScanEnd(7), 1.4) == ()
    assert running.deadline_s == 1.5


def test_a_new_start_aborts_an_unfinished_scan(running: ScanMachine) -> None:
    take_all(running, [0, 1])
    assert running.on_start(NEXT) == (ABORTED, Opened(NEXT, (2, 2)))


def test_a_new_start_completes_a_scan_that_has_everything(running: ScanMachine) -> None:
    take_all(running, [0, 1, 2, 3])
    assert running.on_start(NEXT) == (COMPLETE, Opened(NEXT, (2, 2)))


def test_a_new_start_within_the_grace_completes_an_ended_scan(running: ScanMachine) -> None:
    running.on_end(ScanEnd(7), 1.0)
    assert running.on_start(NEXT) == (COMPLETE, Opened(NEXT, (2, 2)))


def test_an_announcement_made_twice_is_one(running: ScanMachine) -> None:
    assert running.on_start(START) == ()


def test_the_same_announcement_after_frames_is_a_new_scan(running: ScanMachine) -> None:
    take_all(running, [0])
    assert running.on_start(START) == (ABORTED, Opened(START, (2, 2)))


def test_frames_that_stop_coming_abort_it(running: ScanMachine) -> None:
    take_all(running, [0], 1.0)
    assert running.on_tick(5.9) == ()
    assert running.on_tick(6.0) == (ABORTED,)
    assert running.deadline_s is None


def test_an_armed_detector_may_wait_for_its_first_frame(running: ScanMachine) -> None:
    assert running.deadline_s is None
    assert running.on_tick(1e6) == ()
    assert running.on_frame(frame(0), 1e6) == (Accepted(frame(0), 1e6),)


def test_garbage_does_not_keep_a_stalled_scan_alive(running: ScanMachine) -> None:
    take_all(running, [0], 1.0)
    assert running.on_refused(Refusal.HEADER, None, 5.0) == (Refused(Refusal.HEADER),)
    assert running.on_tick(6.0) == (ABORTED,)


def test_refused_frames_of_the_scan_keep_it_alive(running: ScanMachine) -> None:
    take_all(running, [0], 1.0)
    running.on_refused(Refusal.CHANNEL, 1, 5.0)
    assert running.on_tick(6.0) == ()


def test_a_second_copy_does_not_count_as_another_position(running: ScanMachine) -> None:
    take_all(running, [0, 1, 2, 2])
    assert running.on_end(ScanEnd(7), 1.0) == (Ended(),)


def test_close_ends_what_runs_and_nothing_else(running: ScanMachine) -> None:
    assert running.close() == (ABORTED,)
    assert running.close() == ()
