"""The ladder's promises, for any course of the load: one step at a time, down quickly, up slowly, all the way."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_rrvae.messages import DegradeLevel
from stream_rrvae.operations.demand import Demand, Work
from stream_rrvae.operations.ladder import Ladder, LadderRules, Load

LOOK_S = 0.1
RULES = LadderRules()
QUIET = Load(demand=0.5)
LOADS = st.builds(
    Load,
    lag_s=st.floats(0, 5),
    fill=st.floats(0, 1),
    demand=st.one_of(st.just(float("nan")), st.floats(0, 5)),
    may_leave_out=st.booleans(),
)


def course(ladder: Ladder, loads: Iterable[Load], from_s: float = 0.0) -> list[DegradeLevel]:
    return [ladder.look(load, from_s + i * LOOK_S) for i, load in enumerate(loads)]


def worse_and_worse(count: int, **fields: float) -> list[Load]:
    return [Load(lag_s=1.0 + i, **{"fill": 0.9, "demand": 3.0, **fields}, may_leave_out=True) for i in range(count)]


@given(st.lists(LOADS, max_size=300))
def test_one_step_at_a_time_and_frames_only_where_they_are_kept(loads: list[Load]) -> None:
    ladder, before = Ladder(RULES), DegradeLevel.ALL
    for i, load in enumerate(loads):
        level = ladder.look(load, i * LOOK_S)
        fell_back = before > level == DegradeLevel.NO_ENCODING and not load.may_leave_out
        assert abs(level - before) <= 1 or fell_back
        assert load.may_leave_out or level <= DegradeLevel.NO_ENCODING
        assert bool(ladder.reason) == (level is not DegradeLevel.ALL)
        before = level


@given(st.lists(LOADS, max_size=100), st.floats(0, 0.5))
def test_whatever_was_before_a_light_load_brings_everything_back_in_five_seconds(
    loads: list[Load], demand: float
) -> None:
    ladder = Ladder(RULES)
    course(ladder, loads)
    levels = course(ladder, [Load(demand=demand, may_leave_out=True)] * 50, len(loads) * LOOK_S)
    assert levels[-1] is DegradeLevel.ALL
    assert levels == sorted(levels, reverse=True)


@given(st.lists(st.floats(0, RULES.lag_s), max_size=200), st.floats(0, 1))
def test_nothing_is_left_out_while_frames_do_not_wait(lags_s: list[float], demand: float) -> None:
    assert set(course(Ladder(RULES), (Load(lag_s=lag_s, demand=demand) for lag_s in lags_s))) <= {DegradeLevel.ALL}


def test_more_and_more_load_goes_down_in_order() -> None:
    levels = course(Ladder(RULES), worse_and_worse(50))
    assert sorted(set(levels)) == list(DegradeLevel)[1:]
    assert levels == sorted(levels)


def test_what_only_waits_is_never_left_out_of_the_maps() -> None:
    assert max(course(Ladder(RULES), worse_and_worse(50, fill=0.2))) is DegradeLevel.NO_ENCODING


def test_a_step_that_helps_is_given_time() -> None:
    ladder = Ladder(RULES)
    course(ladder, worse_and_worse(1))
    falling = [Load(lag_s=0.95**i * 1.0, demand=3.0) for i in range(10)]
    assert set(course(ladder, falling, LOOK_S)) == {DegradeLevel.NO_TRAINING}


def test_between_the_limits_nothing_changes() -> None:
    ladder = Ladder(RULES)
    course(ladder, worse_and_worse(10))
    before = ladder.level
    assert set(course(ladder, [Load(lag_s=0.3, demand=0.5, may_leave_out=True)] * 500, 1.0)) == {before}


@pytest.mark.parametrize(("demand", "stays"), [(3.0, DegradeLevel.COM_EVERY_KTH), (9.0, DegradeLevel.RECORD_ONLY)])
def test_nothing_is_taken_up_again_that_cannot_be_done(demand: float, stays: DegradeLevel) -> None:
    ladder = Ladder(RULES)
    course(ladder, worse_and_worse(50))
    levels = course(ladder, [Load(demand=demand, may_leave_out=True)] * 1000, 5.0)
    assert levels[-1] is stays


def test_a_step_up_that_had_to_be_taken_back_is_tried_more_and_more_seldom() -> None:
    ladder, now_s, waits_s = Ladder(RULES), 0.0, []
    for _ in range(4):
        while ladder.look(Load(lag_s=2.0, demand=0.7), now_s) is DegradeLevel.ALL:
            now_s += LOOK_S
        began_s = now_s
        while ladder.look(Load(demand=0.7), now_s) is not DegradeLevel.ALL:
            now_s += LOOK_S
        waits_s.append(now_s - began_s)
    assert all(later > 1.5 * earlier for earlier, later in itertools.pairwise(waits_s))
    course(ladder, [Load(lag_s=2.0, demand=0.7)] * 5, now_s)
    assert course(ladder, [QUIET] * 30, now_s + 1.0)[-1] is DegradeLevel.ALL, "a light load forgives"


def test_demand_is_known_while_nothing_is_computed() -> None:
    demand = Demand(threads=2)
    for tenth in range(30):
        told = demand.look(Work(taken=100 * tenth, computed=100 * tenth, busy_s=0.1 * tenth), 0.1 * tenth)
    assert told == pytest.approx(0.5)
    for tenth in range(30, 60):
        told = demand.look(Work(taken=2900 + 600 * (tenth - 29), computed=2900, busy_s=2.9), 0.1 * tenth)
    assert told == pytest.approx(3.0)
