"""Alarms stay until somebody has seen them, and there are never more than there are things that can be wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dashboards.control.alarms import Alarms, Condition, Severity
from dashboards.control.conditions import HOLD_S, conditions
from dashboards.feeds.feed_state import FeedState
from stream_rrvae.messages import Counters, Health, ModelStatus, Snapshot

MakeSnapshot = Callable[..., Snapshot]
STALE = Condition("STALE", Severity.MAJOR, "no frame")
LIVE = FeedState("LIVE", "●", "live")


@pytest.fixture
def alarms(clock: Any) -> Alarms:
    return Alarms(clock, lambda: 1.7e9 + clock.now_s)


def shown(alarms: Alarms) -> list[tuple[str, bool, bool]]:
    """Of each alarm: its name, whether it is over, whether somebody has seen it."""
    return [(each.condition.name, each.over_unix_s is not None, each.acknowledged) for each in alarms.shown()]


def test_an_alarm_outlives_its_condition_until_it_is_acknowledged(alarms: Alarms) -> None:
    alarms.look(1, "ARM200", [STALE])
    alarms.look(1, "ARM200", [])
    assert shown(alarms) == [("STALE", True, False)]
    alarms.acknowledge([alarms.shown()[0].serial])
    assert shown(alarms) == []


def test_an_acknowledged_alarm_stays_until_it_is_over(alarms: Alarms) -> None:
    alarms.look(1, "ARM200", [STALE])
    alarms.acknowledge([alarms.shown()[0].serial])
    alarms.look(1, "ARM200", [STALE])
    assert shown(alarms) == [("STALE", False, True)]
    alarms.look(1, "ARM200", [])
    assert shown(alarms) == []


def test_what_comes_back_is_one_alarm_that_says_how_often(alarms: Alarms, clock: Any) -> None:
    for _ in range(1000):
        clock.now_s += 1.0
        alarms.look(1, "ARM200", [STALE])
        alarms.look(1, "ARM200", [])
    (only,) = alarms.shown()
    assert only.times == 1000 and only.began_unix_s == 1.7e9 + clock.now_s


def test_an_acknowledgement_is_of_what_was_shown(alarms: Alarms) -> None:
    alarms.look(1, "ARM200", [STALE])
    before = alarms.shown()[0].serial
    alarms.look(1, "ARM200", [])
    alarms.look(1, "ARM200", [STALE])
    # It has come again since: nobody has seen this one.
    assert alarms.acknowledge([before, 10**30, -1]) == 0
    assert shown(alarms) == [("STALE", False, False)]


def test_the_worst_come_first_and_the_acknowledged_last(alarms: Alarms) -> None:
    others = [Condition("LAG", Severity.MINOR, ""), Condition("UNREACHABLE", Severity.INVALID, "")]
    alarms.look(1, "ARM200", [STALE, *others])
    assert [name for name, _, _ in shown(alarms)] == ["UNREACHABLE", "STALE", "LAG"]
    alarms.acknowledge([alarms.shown()[0].serial])
    assert [name for name, _, _ in shown(alarms)] == ["STALE", "LAG", "UNREACHABLE"]


def test_instruments_do_not_end_each_others_alarms(alarms: Alarms) -> None:
    alarms.look(1, "ARM200", [STALE])
    alarms.look(2, "Titan", [])
    assert [each.instrument for each in alarms.shown()] == ["ARM200"]


def test_a_moments_lag_is_no_alarm(alarms: Alarms, clock: Any) -> None:
    lag = Condition("LAG", Severity.MINOR, "", hold_s=3.0)
    for _ in range(3):
        alarms.look(1, "ARM200", [lag])
        clock.now_s += 2.0
        alarms.look(1, "ARM200", [])
    assert shown(alarms) == []
    alarms.look(1, "ARM200", [lag])
    clock.now_s += 3.0
    alarms.look(1, "ARM200", [lag])
    assert shown(alarms) == [("LAG", False, False)]


@pytest.mark.parametrize(
    ("fields", "name", "severity", "hold_s"),
    [
        ({"counters": Counters(missing=18)}, "missing", Severity.MINOR, HOLD_S),
        ({"counters": Counters(refused=2)}, "refused", Severity.MINOR, HOLD_S),
        ({"health": Health(recording_fault="disk full")}, "recording", Severity.MAJOR, 0.0),
        ({"health": Health(other_consumers=1)}, "shared", Severity.MAJOR, 0.0),
        ({"model": ModelStatus(1, "failed", "finetune", "out of memory")}, "model", Severity.MINOR, 0.0),
    ],
)
def test_what_a_scan_suffers_is_an_alarm(
    make_snapshot: MakeSnapshot, fields: dict[str, Any], name: str, severity: Severity, hold_s: float
) -> None:
    (found,) = conditions(LIVE, make_snapshot(**fields))
    assert (found.name, found.severity, found.hold_s) == (name, severity, hold_s)


def test_a_shared_stream_is_one_alarm(make_snapshot: MakeSnapshot) -> None:
    shared = make_snapshot(health=Health(other_consumers=1))
    (found,) = conditions(FeedState("SHARED", "■", "major", "..."), shared)
    assert (found.name, found.severity) == ("shared", Severity.MAJOR)
    assert {each.name for each in conditions(FeedState("STALE", "■", "major", "no frame", stale=True), shared)} == {
        "STALE",
        "shared",
    }


def test_rest_and_success_are_no_alarms(make_snapshot: MakeSnapshot) -> None:
    for state in (LIVE, FeedState("IDLE", "○", "idle"), FeedState("COMPLETE", "✓", "done")):
        assert conditions(state, make_snapshot()) == [] == conditions(state, None)
    (found,) = conditions(FeedState("UNREACHABLE", "◆", "invalid", "gone"), None)
    assert found == Condition("UNREACHABLE", Severity.INVALID, "gone")
