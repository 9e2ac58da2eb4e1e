"""One session: the newest frame after the one before is painted, and nothing that a page says does harm."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from bokeh.models import LinearColorMapper

from dashboards.feeds.live_feed import LiveFeed
from dashboards.live.models import LiveModels
from dashboards.live.pushes import Pushes
from dashboards.live.session import WATCHDOG_S, LiveSession
from stream_rrvae.messages import Snapshot

MakeSnapshot = Callable[..., Snapshot]
Unpacked = Callable[[bytes], tuple[int, dict[str, dict[str, Any]]]]
OpenPage = Callable[[], "Page"]


class Page:
    """A session with the document's part and the browser's part played by the test, which is the line as well."""

    is_free = True

    def __init__(self, feed: LiveFeed, pushes: Pushes, unpacked: Unpacked) -> None:
        self.models = LiveModels()
        self.scheduled: list[Callable[[], None]] = []
        self.session = LiveSession(self, feed, self.models, pushes)
        self.sources: dict[str, dict[str, Any]] = {}
        self.status: dict[str, Any] = {}
        self.kinds: list[str] = []  # of pushes
        self.latest = b""  # push
        self.number = self.seen = 0
        self._unpacked = unpacked

    def add_next_tick_callback(self, callback: Callable[[], None]) -> None:
        self.scheduled.append(callback)

    def send(self, message: bytes) -> None:
        number, sources = self._unpacked(message)
        self.sources |= sources
        if "status" in sources:
            self.status |= json.loads(sources["status"]["text"][0])
        if number:
            self.number, self.latest = number, message
            self.kinds.append("measured" if "measured" in sources else "model")

    def close(self) -> None:
        self.session.gone(self)

    def ready(self) -> None:
        self.session.ready(self)

    def turn(self) -> int:
        """Run what is scheduled; how many pushes of what is measured came since the turn before."""
        self.turn_to_place()
        before, self.seen = self.seen, self.kinds.count("measured")
        return self.seen - before

    def reply(self, **told: Any) -> None:
        self.models.reply.data = {**self.models.reply.data, **{name: [value] for name, value in told.items()}}

    def wish(self, **wished: Any) -> None:
        self.reply(wish=json.dumps(wished))

    @property
    def labels(self) -> dict[str, Any]:
        labels = json.loads(self.sources["measured"]["labels"][0])
        assert isinstance(labels, dict)
        return labels

    def paint(self) -> None:
        """Acknowledge the latest push, and the model's that may follow."""
        self.session.painted(self.number)
        self.turn_to_place()
        if self.kinds[-1] == "model":
            self.session.painted(self.number)

    def turn_to_place(self) -> None:
        while self.scheduled:
            self.scheduled.pop(0)()


@pytest.fixture
def open_page(feed: LiveFeed, unpacked: Unpacked) -> OpenPage:
    """Pages of one server."""
    pushes = Pushes()
    return lambda: Page(feed, pushes, unpacked)


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    return open_page()


def test_nothing_is_pushed_before_the_browser_is_there(page: Page, feed: LiveFeed, make_snapshot: MakeSnapshot) -> None:
    feed.publish(make_snapshot())
    assert page.turn() == 0
    page.ready()
    assert page.turn() == 1
    assert page.labels["push"] == 1


def test_a_slow_browser_gets_the_newest_and_one_at_a_time(
    page: Page, feed: LiveFeed, make_snapshot: MakeSnapshot
) -> None:
    page.ready()
    for serial in range(1, 6):
        feed.publish(make_snapshot(serial))
    assert page.turn() == 1  # five snapshots, one push
    for serial in range(6, 50):
        feed.publish(make_snapshot(serial, pattern_position=(0, serial % 6)))
    assert page.turn() == 0  # unacknowledged: nothing waits in any queue
    page.paint()
    assert page.turn() == 1
    assert page.labels["position"] == "y 0, x 1"  # of the newest, 49
    page.paint()
    assert page.turn() == 0  # nothing newer


def test_a_lost_acknowledgement_is_overcome(page: Page, feed: LiveFeed, make_snapshot: MakeSnapshot) -> None:
    page.ready()
    feed.publish(make_snapshot(1))
    page.turn()
    feed.clock.now_s += WATCHDOG_S / 2  # type: ignore[attr-defined]  # the test's own clock
    feed.publish(make_snapshot(2))
    assert page.turn() == 0
    feed.clock.now_s += WATCHDOG_S / 2  # type: ignore[attr-defined]  # the test's own clock
    page.session.tick()
    assert page.turn() == 1


def test_an_old_acknowledgement_opens_nothing(page: Page, feed: LiveFeed, make_snapshot: MakeSnapshot) -> None:
    page.ready()
    feed.publish(make_snapshot(1))
    page.turn()
    feed.publish(make_snapshot(2))
    page.session.painted(0)
    page.session.painted(99)
    assert page.turn() == 0


def test_freeze_holds_the_images_while_the_status_goes_on(
    page: Page, feed: LiveFeed, make_snapshot: MakeSnapshot
) -> None:
    page.ready()
    feed.publish(make_snapshot(1))
    page.turn()
    page.paint()
    page.wish(frozen=True)
    feed.publish(make_snapshot(2, pattern_position=(0, 0), instrument="later"))
    page.session.tick()
    assert page.turn() == 0
    assert page.status["frozen"] and page.status["instrument"] == "later"
    page.wish(map="bright_field", frozen=True)  # another map of the same moment
    assert page.turn() == 1
    assert page.labels["position"] == "y 2, x 5"
    page.paint()
    page.wish(frozen=False)
    assert page.turn() == 1
    assert page.labels["position"] == "y 0, x 0"


def test_the_chosen_map_comes_with_its_colours(page: Page, feed: LiveFeed, make_snapshot: MakeSnapshot) -> None:
    page.ready()
    feed.publish(make_snapshot(1))
    page.turn()
    before = page.labels["chosen"]["bar"]
    page.paint()
    page.wish(map="sum")
    page.turn()
    assert page.labels["chosen"]["name"] == "sum"
    assert page.labels["chosen"]["bar"] != before


@pytest.mark.parametrize(
    "told",
    [
        {"wish": 3},
        {"wish": "["},
        {"wish": "[]"},
        {"wish": "[" * 5000},
        {"wish": '{"map": "no_such_map"}'},
        {"wish": '{"map": 3, "frozen": "yes", "back": -1, "pinned": [1], "contrast": 7, "lasso": [[1, null]]}'},
        {"order": '{"number": "x"}'},
        {"order": '{"number": 1, "do": "set_rotation", "degrees": 1e999, "flip": false}'},
    ],
)
def test_nonsense_from_a_page_changes_nothing(
    page: Page, feed: LiveFeed, make_snapshot: MakeSnapshot, told: dict[str, Any]
) -> None:
    page.ready()
    feed.publish(make_snapshot(1))
    page.turn()
    feed.publish(make_snapshot(2))
    page.reply(**told)
    page.models.reply.data = {"other": [1]}
    assert page.turn() == 0
    assert page.labels["chosen"]["name"] == "latent_1"
    page.paint()
    assert page.turn() == 1
    assert page.labels["chosen"]["name"] == "latent_1"


def test_the_models_maps_are_sent_only_when_they_change(
    page: Page, feed: LiveFeed, make_snapshot: MakeSnapshot
) -> None:
    page.ready()
    first = make_snapshot(1)
    for serial in (1, 2, 3):
        feed.publish(make_snapshot(serial, maps=first.maps))
        page.turn()
        page.paint()
    feed.publish(make_snapshot(4, maps={**first.maps, "latent_2": first.maps["sum"] + 1}))
    page.turn()
    page.paint()
    assert page.kinds == ["measured", "model", "measured", "measured", "measured", "model"]


def test_the_mappers_of_live_images_are_never_touched(page: Page, feed: LiveFeed, make_snapshot: MakeSnapshot) -> None:
    page.ready()
    touched: list[str] = []
    found = [m for plot in page.models.figures for m in plot.select({"type": LinearColorMapper})]
    mappers = [mapper for mapper in found if isinstance(mapper, LinearColorMapper)]
    assert len(mappers) == 5  # four of outlines; the page paints the pictures
    for mapper in mappers:
        for name in ("low", "high", "palette"):
            mapper.on_change(name, lambda attribute, _old, _new: touched.append(attribute))
    maps = make_snapshot().maps
    for serial in range(1, 4):
        feed.publish(make_snapshot(serial, maps={name: image * 10.0**serial for name, image in maps.items()}))
        page.turn()
        page.paint()
    assert touched == []
    assert {(mapper.low, mapper.high) for mapper in mappers} == {(0, 255), (0, 2)}


def test_a_closed_session_is_forgotten(page: Page, feed: LiveFeed, make_snapshot: MakeSnapshot) -> None:
    page.ready()
    page.session.close()
    page.session.close()
    feed.publish(make_snapshot(1))
    assert page.turn() == 0


def test_images_leave_as_small_arrays(page: Page, feed: LiveFeed, make_snapshot: MakeSnapshot) -> None:
    page.ready()
    feed.publish(make_snapshot(1))
    page.turn()
    for name in ("magnitude", "direction", "chosen", "pattern"):
        assert page.sources["measured"][name][0].dtype == np.uint8
    page.paint()
    assert page.sources["modelled"]["rotation"][0].dtype == np.uint32


def test_a_page_frozen_before_there_is_anything_holds_the_first_frame(
    page: Page, feed: LiveFeed, make_snapshot: MakeSnapshot
) -> None:
    page.ready()
    page.wish(frozen=True)
    feed.publish(make_snapshot(1))
    assert page.turn() == 1
    page.paint()
    feed.publish(make_snapshot(2))
    assert page.turn() == 0


def test_a_frozen_page_steps_back_through_what_was_shown(
    page: Page, feed: LiveFeed, make_snapshot: MakeSnapshot
) -> None:
    page.ready()
    for serial in range(5):
        feed.publish(make_snapshot(serial, pattern_position=(0, serial)))
        page.turn()
        page.paint()
        feed.clock.now_s += 1.0  # type: ignore[attr-defined]  # the test's own clock
    page.wish(frozen=True, back=0)
    for back, position in ((1, 3), (2, 2), (9, 0), (0, 4)):
        page.wish(frozen=True, back=back)
        page.turn()
        assert page.labels["position"] == f"y 0, x {position}"
        page.paint()
    page.wish(frozen=False)
    feed.publish(make_snapshot(9, pattern_position=(1, 1)))
    page.turn()
    assert page.labels["position"] == "y 1, x 1"


def test_only_a_page_with_limits_of_its_own_gets_pictures_of_its_own(
    open_page: OpenPage, feed: LiveFeed, make_snapshot: MakeSnapshot
) -> None:
    first, second, third = open_page(), open_page(), open_page()
    for each in (first, second, third):
        each.ready()
    third.wish(contrast={"magnitude": {"mode": "locked", "low": 0, "high": 1}})
    feed.publish(make_snapshot(1))
    for each in (first, second, third):
        each.turn()
    assert first.latest is second.latest, "encoded once"
    assert third.labels["magnitude"]["high"] == 1 != first.labels["magnitude"]["high"]
    for name in ("chosen", "pattern"):
        np.testing.assert_array_equal(third.sources["measured"][name][0], first.sources["measured"][name][0])
    for each in (first, second, third):
        each.paint()
    assert first.kinds == ["measured", "model"] and first.latest is second.latest is third.latest


def test_arrows_come_with_the_frames_they_are_of_and_go_when_they_are_switched_off(
    page: Page, feed: LiveFeed, make_snapshot: MakeSnapshot
) -> None:
    page.ready()
    feed.publish(make_snapshot(1))
    page.turn()
    page.paint()
    assert "arrows" not in page.sources
    page.wish(arrows=True)
    assert len(page.sources["arrows"]["x0"]) > 10
    page.paint()
    page.wish(arrows=False)
    assert len(page.sources["arrows"]["x0"]) == 0


def test_nothing_waits_for_a_page_that_does_not_read(page: Page, feed: LiveFeed, make_snapshot: MakeSnapshot) -> None:
    page.ready()
    feed.publish(make_snapshot(1))
    page.turn()
    page.is_free = False
    told = dict(page.status)
    for serial in range(2, 6):
        feed.clock.now_s += WATCHDOG_S  # type: ignore[attr-defined]  # the test's own clock
        feed.publish(make_snapshot(serial, instrument="later"))
        page.session.tick()
    assert page.turn() == 0 and page.status == told
    page.is_free = True
    page.session.tick()
    assert page.turn() == 1 and page.status["instrument"] == "later"


def test_a_page_that_does_not_answer_keeps_no_frames(page: Page, feed: LiveFeed, make_snapshot: MakeSnapshot) -> None:
    page.ready()
    kept = []
    for serial in range(1, 8):
        feed.publish(make_snapshot(serial))
        kept.append(weakref.ref(feed.newest))
        page.turn()
        feed.clock.now_s += WATCHDOG_S / 8  # type: ignore[attr-defined]  # the test's own clock
        page.session.tick()
    feed.clock.now_s += WATCHDOG_S  # type: ignore[attr-defined]  # the test's own clock
    page.session.tick()
    feed.publish(make_snapshot(9))
    feed.ring._frames.clear()
    gc.collect()
    assert [each() for each in kept[:-1]] == [None] * 6  # the last one is what pages share
    page.paint()
    page.wish(frozen=True)
    page.session.tick()
    assert page.status["frozen"]


def test_a_page_that_opens_its_line_again_gets_everything_again(
    page: Page, feed: LiveFeed, make_snapshot: MakeSnapshot
) -> None:
    page.ready()
    feed.publish(make_snapshot(1))
    page.turn()
    page.paint()
    page.sources, page.status = {}, {}
    page.ready()
    page.paint()
    assert {"measured", "modelled", "status", "trends"} <= set(page.sources) and page.status["instrument"] == "ARM200"


def test_only_an_enlarged_panel_is_sent_at_full_resolution(
    page: Page, feed: LiveFeed, make_snapshot: MakeSnapshot
) -> None:
    page.ready()
    large = np.random.default_rng(1).normal(size=(1200, 700)).astype(np.float32)
    maps = dict.fromkeys(("com_magnitude", "com_direction", "latent_1", "rotation"), large)
    feed.publish(make_snapshot(1, maps=maps, scan_shape=large.shape, pattern_position=None))
    page.turn()
    page.paint()
    page.wish(enlarged="magnitude")
    page.turn()
    assert page.sources["measured"]["magnitude"][0].shape == large.shape
    assert max(page.sources["measured"]["direction"][0].shape) <= 512
    page.paint()
    page.wish(enlarged="rotation")
    page.turn()
    page.paint()
    assert page.sources["modelled"]["rotation"][0].shape == (600, 350)  # colours take four times the bytes
    assert max(page.sources["measured"]["magnitude"][0].shape) <= 512


def test_a_lasso_outlines_positions_over_the_maps(page: Page, feed: LiveFeed, make_snapshot: MakeSnapshot) -> None:
    page.ready()
    feed.publish(make_snapshot(1))
    page.turn()
    page.paint()
    page.wish(lasso=[[-1, -1], [8.5, -1], [8.5, 8.5], [-1, 8.5]])  # the ramp's first nine positions
    page.turn()
    page.paint()
    assert len(np.unique(page.sources["outline"]["outline"][0])) == 3
    assert json.loads(page.sources["modelled"]["labels"][0])["selected"] == "50.0\u202f%"
    page.paint()
    page.wish(lasso=[])
    page.turn()
    page.paint()
    assert not page.sources["outline"]["outline"][0].any()


def test_every_page_gives_back_the_ring_it_held(page: Page, feed: LiveFeed, make_snapshot: MakeSnapshot) -> None:
    page.ready()
    feed.publish(make_snapshot(1))
    page.turn()
    feed.clock.now_s += 1.0  # type: ignore[attr-defined]  # the test's own clock
    feed.publish(make_snapshot(2))
    page.paint()
    page.turn()
    page.wish(frozen=True)
    assert feed.ring.steps(id(page.session)) == 1
    page.session.close()
    assert feed.ring.steps(id(page.session)) == 0
