"""The wall of the control room: what it tells of its instruments, and what pages may do to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from bokeh.document import Document

from dashboards.control.page import PATIENCE, ControlSession
from dashboards.control.wall import Wall
from dashboards.control.wall_instrument import TREND_POINTS, TREND_STEP_S
from dashboards.control.wall_layout import wall_layout
from dashboards.feeds.live_feed import LiveFeed
from dashboards.pictures.palettes import rgba
from stream_rrvae.messages import Counters, Health, ScanState, Snapshot

MakeSnapshot = Callable[..., Snapshot]
Clock = Any


@pytest.fixture
def feeds(clock: Clock) -> list[LiveFeed]:
    return [LiveFeed(f"tcp://127.0.0.1:{port}", clock) for port in (1, 2, 3)]


@pytest.fixture
def wall(feeds: list[LiveFeed], clock: Clock) -> Wall:
    return Wall(feeds, lambda: 1.7e9 + clock.now_s)


def tiles(wall: Wall) -> list[dict[str, Any]]:
    return [json.loads(text) for text in wall.tiles["text"]]


def operate(session: ControlSession, **said: Any) -> None:
    session.reply.data = {"push": [0], "acknowledged": [[]]} | said


def test_every_instrument_keeps_its_place(wall: Wall, feeds: list[LiveFeed], make_snapshot: MakeSnapshot) -> None:
    feeds[2].publish(make_snapshot(instrument="third"))
    feeds[0].publish(make_snapshot(instrument="first", state=ScanState.IDLE))
    wall.look()
    assert [(tile["place"], tile["instrument"], tile["word"]) for tile in tiles(wall)] == [
        (1, "first", "IDLE"),
        (2, "tcp://127.0.0.1:2", "WAITING"),
        (3, "third", "LIVE"),
    ]


def test_states_are_counted_worst_first(
    wall: Wall, feeds: list[LiveFeed], clock: Clock, make_snapshot: MakeSnapshot
) -> None:
    feeds[0].publish(make_snapshot())
    clock.now_s += 2.5
    feeds[1].publish(make_snapshot())
    wall.look()
    assert [(state["word"], state["count"]) for state in wall.told["states"]] == [
        ("STALE", 1),
        ("LIVE", 1),
        ("WAITING", 1),
    ]


def test_who_never_comes_is_unreachable_in_the_end(wall: Wall, clock: Clock) -> None:
    clock.now_s += 9.0
    wall.look()
    assert wall.told["alarms"] == []
    clock.now_s += 2.0
    wall.look()
    assert {tile["word"] for tile in tiles(wall)} == {"UNREACHABLE"}
    assert [alarm["severity"] for alarm in wall.told["alarms"]] == ["INVALID"] * 3


def test_an_alarm_is_kept_when_nobody_looks(
    wall: Wall, feeds: list[LiveFeed], clock: Clock, make_snapshot: MakeSnapshot
) -> None:
    for feed in feeds:
        feed.publish(make_snapshot(state=ScanState.IDLE))
    feeds[0].publish(make_snapshot())
    clock.now_s += 2.5
    wall.look()
    feeds[0].publish(make_snapshot())
    wall.look()
    (alarm,) = wall.told["alarms"]
    assert (alarm["severity"], alarm["instrument"], bool(alarm["over"])) == ("MAJOR", "ARM200", True)
    assert wall.told["unacknowledged"] == 1


def test_a_stale_tile_says_when_it_was_good_and_no_rate(
    wall: Wall, feeds: list[LiveFeed], make_snapshot: MakeSnapshot
) -> None:
    feeds[0].publish(make_snapshot(health=Health(7980.0, 0.03, 0.08, last_frame_age_s=14.0)))
    wall.look()
    tile = tiles(wall)[0]
    assert tile["stale"] and tile["last"] and tile["numbers"]["rate"] is None
    assert tile["numbers"]["missing"] == "0"


def test_the_trend_is_bounded(wall: Wall, feeds: list[LiveFeed], clock: Clock, make_snapshot: MakeSnapshot) -> None:
    for turn in range(3 * TREND_POINTS):
        feeds[0].publish(make_snapshot(turn, health=Health(rate_fps=float(turn))))
        wall.look()
        clock.now_s += TREND_STEP_S
    trend = tiles(wall)[0]["trend"]
    assert len(trend) == TREND_POINTS and trend[-1] == 3 * TREND_POINTS - 1


def test_who_looks_on_cannot_acknowledge(wall: Wall, clock: Clock) -> None:
    clock.now_s += 11.0
    wall.look()
    serials = [alarm["serial"] for alarm in wall.told["alarms"]]
    refusal = "only for operators"
    session = ControlSession(Document(), wall, lambda: refusal)
    operate(session, acknowledged=[serials])
    assert wall.told["unacknowledged"] == 3
    refusal = ""  # the same page, and somebody has logged in
    operate(session, acknowledged=[serials[:1]])
    assert wall.told["unacknowledged"] == 2


@pytest.mark.parametrize("nonsense", [[None], ["all"], [[None, "1", 1.0, True, {}]], [[[1]]], [list(range(2000))]])
def test_a_page_may_say_anything(wall: Wall, clock: Clock, nonsense: Any) -> None:
    clock.now_s += 11.0
    wall.look()
    operate(ControlSession(Document(), wall, lambda: ""), acknowledged=nonsense)
    assert wall.told["unacknowledged"] == 3


def test_pictures_wait_for_the_page_and_texts_do_not(
    wall: Wall, feeds: list[LiveFeed], make_snapshot: MakeSnapshot
) -> None:
    session = ControlSession(Document(), wall)
    session.update()
    for _ in range(PATIENCE - 1):
        wall.look()
        session.update()
    assert session.pictures.data["push"] == [1, 1, 1]
    feeds[0].publish(make_snapshot(instrument="heard at once", counters=Counters(received=3)))
    wall.look()
    operate(session, push=[1])
    session.update()
    assert session.pictures.data["push"] == [2, 2, 2]
    assert "heard at once" in session.told.data["text"][0]
    for _ in range(PATIENCE + 1):
        wall.look()
        session.update()
    assert session.pictures.data["push"] == [3, 3, 3]  # an acknowledgement that does not come was lost


@pytest.mark.parametrize("count", range(1, 13))
def test_every_count_of_tiles_has_a_layout(count: int) -> None:
    layout = wall_layout(count)
    assert layout.columns * (layout.rows - 1) < count <= layout.columns * layout.rows
    assert layout.rows <= 3


def test_colours_are_the_palettes_own() -> None:
    colours = rgba("direction")
    assert colours.shape == (256, 4) and not colours[0].any() and (colours[1:, 3] == 255).all()
