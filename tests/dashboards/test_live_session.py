"""One session: the newest frame after the one before is painted, and nothing that a page says does harm."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from bokeh.models import LinearColorMapper

from dashboards.feeds.live_feed import LiveFeed
from dashboards.live.models import LiveModels
from dashboards.live.session import WATCHDOG_S, LiveSession
from stream_rrvae.messages import Snapshot

MakeSnapshot = Callable[..., Snapshot]


class Page:
    """A session with the document's part and the browser's part played by the test."""

    def __init__(self, feed: LiveFeed) -> None:
        self.feed = feed
        self.models = LiveModels()
        self.scheduled: list[Callable[[], None]] = []
        self.session = LiveSession(self, feed, self.models)

    def add_next_tick_callback(self, callback: Callable[[], None]) -> None:
        self.scheduled.append(callback)

    def turn(self) -> int:
        """Run what is scheduled; how many that was."""
        waiting, self.scheduled = self.scheduled, []
        for callback in waiting:
            callback()
        return len(waiting)

    def reply(self, **told: Any) -> None:
        self.models.reply.data = {**self.models.reply.data, **{name: [value] for name, value in told.items()}}

    def wish(self, **wished: Any) -> None:
        self.reply(wish=json.dumps(wished))

    @property
    def labels(self) -> dict[str, Any]:
        labels = json.loads(self.models.measured.data["labels"][0])
        assert isinstance(labels, dict)
        return labels

    def paint(self) -> None:
        self.reply(push=self.labels["push"])


@pytest.fixture
def page(feed: LiveFeed) -> Page:
    return Page(feed)


def test_nothing_is_pushed_before_the_browser_is_there(page: Page, feed: LiveFeed, make_snapshot: MakeSnapshot) -> None:
    feed.publish(make_snapshot())
    assert page.turn() == 0
    page.session.ready()
    assert page.turn() == 1
    assert page.labels["push"] == 1


def test_a_slow_browser_gets_the_newest_and_one_at_a_time(
    page: Page, feed: LiveFeed, make_snapshot: MakeSnapshot
) -> None:
    page.session.ready()
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
    page.session.ready()
    feed.publish(make_snapshot(1))
    page.turn()
    feed.clock.now_s += WATCHDOG_S / 2  # type: ignore[attr-defined]  # the test's own clock
    feed.publish(make_snapshot(2))
    assert page.turn() == 0
    feed.clock.now_s += WATCHDOG_S / 2  # type: ignore[attr-defined]  # the test's own clock
    page.session.tell_status()
    assert page.turn() == 1


def test_an_old_acknowledgement_opens_nothing(page: Page, feed: LiveFeed, make_snapshot: MakeSnapshot) -> None:
    page.session.ready()
    feed.publish(make_snapshot(1))
    page.turn()
    feed.publish(make_snapshot(2))
    page.reply(push=0)
    page.reply(push=99)
    assert page.turn() == 0


def test_freeze_holds_the_images_while_the_status_goes_on(
    page: Page, feed: LiveFeed, make_snapshot: MakeSnapshot
) -> None:
    page.session.ready()
    feed.publish(make_snapshot(1))
    page.turn()
    page.paint()
    page.wish(frozen=True)
    feed.publish(make_snapshot(2, pattern_position=(0, 0), instrument="later"))
    page.session.tell_status()
    assert page.turn() == 0
    told = json.loads(page.models.status.data["text"][0])
    assert told["frozen"] and told["instrument"] == "later"
    page.wish(map="bright_field", frozen=True)  # another map of the same moment
    assert page.turn() == 1
    assert page.labels["position"] == "y 2, x 5"
    page.paint()
    page.wish(frozen=False)
    assert page.turn() == 1
    assert page.labels["position"] == "y 0, x 0"


def test_the_chosen_map_comes_with_its_colours(page: Page, feed: LiveFeed, make_snapshot: MakeSnapshot) -> None:
    page.session.ready()
    feed.publish(make_snapshot(1))
    page.turn()
    before = page.models.chosen_mapper.palette if page.models.chosen_mapper else []
    page.paint()
    page.wish(map="sum")
    page.turn()
    assert page.labels["chosen"]["name"] == "sum"
    assert page.models.chosen_mapper is not None and page.models.chosen_mapper.palette != before


@pytest.mark.parametrize(
    "told",
    [
        {"push": "1"},
        {"push": None},
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
    page.session.ready()
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
    page.session.ready()
    changes: list[str] = []
    page.models.modelled.on_change("data", lambda attr, old, new: changes.append("model"))
    page.models.measured.on_change("data", lambda attr, old, new: changes.append("measured"))
    first = make_snapshot(1)
    for serial in (1, 2, 3):
        feed.publish(make_snapshot(serial, maps=first.maps))
        page.turn()
        page.paint()
    feed.publish(make_snapshot(4, maps={**first.maps, "latent_2": first.maps["sum"] + 1}))
    page.turn()
    assert changes == ["model", "measured", "measured", "measured", "model", "measured"]


def test_the_mappers_of_live_images_are_never_touched(page: Page, feed: LiveFeed, make_snapshot: MakeSnapshot) -> None:
    page.session.ready()
    touched: list[str] = []
    found = [m for plot in page.models.figures for m in plot.select({"type": LinearColorMapper})]
    mappers = [mapper for mapper in found if isinstance(mapper, LinearColorMapper)]
    assert len(mappers) == 10  # five of them of images, four of outlines
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
    page.session.ready()
    page.session.close()
    page.session.close()
    feed.publish(make_snapshot(1))
    assert page.turn() == 0


def test_images_leave_as_small_arrays(page: Page, feed: LiveFeed, make_snapshot: MakeSnapshot) -> None:
    page.session.ready()
    feed.publish(make_snapshot(1))
    page.turn()
    for name in ("magnitude", "direction", "chosen", "pattern"):
        assert page.models.measured.data[name][0].dtype == np.uint8
    assert page.models.modelled.data["rotation"][0].dtype == np.uint32


def test_a_page_frozen_before_there_is_anything_holds_the_first_frame(
    page: Page, feed: LiveFeed, make_snapshot: MakeSnapshot
) -> None:
    page.session.ready()
    page.wish(frozen=True)
    feed.publish(make_snapshot(1))
    assert page.turn() == 1
    page.paint()
    feed.publish(make_snapshot(2))
    assert page.turn() == 0


def test_a_frozen_page_steps_back_through_what_was_shown(
    page: Page, feed: LiveFeed, make_snapshot: MakeSnapshot
) -> None:
    page.session.ready()
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


def test_only_a_page_with_limits_of_its_own_gets_images_of_its_own(feed: LiveFeed, make_snapshot: MakeSnapshot) -> None:
    first, second, third = Page(feed), Page(feed), Page(feed)
    for each in (first, second, third):
        each.session.ready()
    third.wish(contrast={"magnitude": {"mode": "locked", "low": 0, "high": 1}})
    feed.publish(make_snapshot(1))
    images = []
    for each in (first, second, third):
        each.turn()
        images.append({name: each.models.measured.data[name][0] for name in ("magnitude", "chosen", "pattern")})
    assert all(images[0][name] is images[1][name] for name in images[0])
    assert images[2]["magnitude"] is not images[0]["magnitude"] and third.labels["magnitude"]["high"] == 1
    assert images[2]["chosen"] is images[0]["chosen"] and images[2]["pattern"] is images[0]["pattern"]


def test_only_an_enlarged_panel_is_sent_at_full_resolution(feed: LiveFeed, make_snapshot: MakeSnapshot) -> None:
    page = Page(feed)
    page.session.ready()
    large = np.random.default_rng(1).normal(size=(1200, 700)).astype(np.float32)
    maps = dict.fromkeys(("com_magnitude", "com_direction", "latent_1", "rotation"), large)
    feed.publish(make_snapshot(1, maps=maps, scan_shape=large.shape, pattern_position=None))
    page.turn()
    page.paint()
    page.wish(enlarged="magnitude")
    page.turn()
    assert page.models.measured.data["magnitude"][0].shape == large.shape
    assert max(page.models.measured.data["direction"][0].shape) <= 512
    page.paint()
    page.wish(enlarged="rotation")
    page.turn()
    assert page.models.modelled.data["rotation"][0].shape == large.shape
    assert max(page.models.measured.data["magnitude"][0].shape) <= 512


def test_a_lasso_outlines_positions_over_the_maps(page: Page, feed: LiveFeed, make_snapshot: MakeSnapshot) -> None:
    page.session.ready()
    feed.publish(make_snapshot(1))
    page.turn()
    page.paint()
    page.wish(lasso=[[-1, -1], [8.5, -1], [8.5, 8.5], [-1, 8.5]])  # the ramp's first nine positions
    page.turn()
    assert len(np.unique(page.models.outline.data["outline"][0])) == 3
    assert json.loads(page.models.modelled.data["labels"][0])["selected"] == "50.0\u202f%"
    page.paint()
    page.wish(lasso=[])
    page.turn()
    assert not page.models.outline.data["outline"][0].any()


def test_every_page_gives_back_the_ring_it_held(page: Page, feed: LiveFeed, make_snapshot: MakeSnapshot) -> None:
    page.session.ready()
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
