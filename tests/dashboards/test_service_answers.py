"""What one session fetches from its service, asked over real sockets of a real request server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from dashboards.feeds.asking import Asking
from dashboards.feeds.live_feed import LiveFeed
from dashboards.feeds.view_frame import ViewFrame
from dashboards.live.orders import Orders
from dashboards.live.service_answers import AGAIN_S, DETECTOR_AGAIN_S, ServiceAnswers
from dashboards.pictures.wishes import Ring, Wishes
from dashboards.views.view import LiveView
from stream_rrvae.arguments import Arguments
from stream_rrvae.errors import RequestError
from stream_rrvae.feed.request_server import RequestServer
from stream_rrvae.messages import ScanState, Snapshot

MakeSnapshot = Callable[..., Snapshot]
KEY = "a key that is long enough"
RING = Ring(1.0, 2.0, 3.0, 4.0)


@dataclass
class Microscope:
    """Answers as a service does, with what a test says."""

    url: str = ""
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    exact: bool = True
    scan_id: str = "run 42"
    refuses: str = ""
    note: dict[str, str] = field(default_factory=dict)

    def pattern(self, arguments: Arguments) -> Mapping[str, Any]:
        y, x = arguments.whole("y", 0, 99), arguments.whole("x", 0, 99)
        self.asked.append(("pattern", {"y": y, "x": x}))
        if self.refuses:
            raise RequestError(self.refuses)
        image = np.full((4, 4), 10 * y + x, np.float32)
        return {
            "pattern": image,
            "binning": 2,
            "y": y,
            "x": x,
            "exact": self.exact,
            "source": "kept",
            "scan_id": self.scan_id,
        }

    def detector(self, arguments: Arguments, _wanted: Callable[[], bool]) -> Mapping[str, Any]:
        self.asked.append(("virtual_detector", {"outer": arguments.number("outer")}))
        return {"map": np.ones((4, 6), np.float32), "coverage": 0.5, "scan_id": self.scan_id, **self.note}

    def set_rotation(self, arguments: Arguments) -> Mapping[str, Any]:
        told = {"degrees": arguments.number("degrees"), "flip": arguments.flag("flip")}
        self.asked.append(("set_rotation", told))
        if self.refuses:
            raise RequestError(self.refuses)
        return {**told, **self.note}


@pytest.fixture
def microscope() -> Iterator[Microscope]:
    made = Microscope()
    quick = {"pattern": made.pattern, "set_rotation": made.set_rotation}
    server = RequestServer("tcp://127.0.0.1:*", KEY, quick, {"virtual_detector": made.detector})
    server.start()
    made.url = server.url
    yield made
    server.stop()


class Session:
    """What a session does with its answers, in a loop of the test's."""

    def __init__(self, feed: LiveFeed, snapshot: Snapshot) -> None:
        feed.publish(snapshot)
        self.feed, self.snapshot, self.changed = feed, snapshot, asyncio.Event()
        self.asking = Asking((feed.url,), (KEY,))
        self.answers = ServiceAnswers(feed, self.asking, "a page", self.changed.set)

    async def want(self, wishes: Wishes, is_frozen: bool = False) -> None:
        """Wish, and wait for the next answer."""
        self.changed.clear()
        self.answers.want(wishes, self.snapshot, is_frozen)
        await asyncio.wait_for(self.changed.wait(), 20)

    def wait_s(self, seconds: float) -> None:
        self.feed.clock.now_s += seconds  # type: ignore[attr-defined]  # the test's own clock

    def close(self) -> None:
        self.answers.close()
        self.asking.close()


def run(session: Callable[[], Session], check: Callable[[Session], Any]) -> None:
    async def all_of_it() -> None:
        made = session()
        try:
            await check(made)
        finally:
            made.close()

    asyncio.run(all_of_it())


@pytest.fixture
def session(feed: LiveFeed, make_snapshot: MakeSnapshot, microscope: Microscope) -> Callable[[], Session]:
    return lambda: Session(feed, make_snapshot(requests_url=microscope.url))


def test_a_pinned_position_is_asked_for_once_and_dropped_with_the_pin(
    session: Callable[[], Session], microscope: Microscope
) -> None:
    async def check(page: Session) -> None:
        await page.want(Wishes(pinned=(1, 2)))
        pattern = page.answers.pattern
        assert pattern is not None and pattern.values is not None and pattern.values[0, 0] == 12
        assert (pattern.position, pattern.binning, pattern.frame_shape) == ((1, 2), 2, (8, 8))
        page.wait_s(10 * AGAIN_S)
        page.answers.want(Wishes(pinned=(1, 2)), page.snapshot, False)
        assert len(microscope.asked) == 1
        page.answers.want(Wishes(), page.snapshot, False)
        assert page.answers.pattern is None

    run(session, check)


def test_what_a_merged_scan_says_of_absent_shards_is_shown(
    session: Callable[[], Session], microscope: Microscope
) -> None:
    async def check(page: Session) -> None:
        microscope.note = {"note": "without shard 1"}
        await page.want(Wishes(ring=RING))
        assert page.answers.detector_map is not None and page.answers.trouble == "without shard 1"
        over = replace(page.snapshot, state=ScanState.COMPLETE)
        page.wait_s(10 * DETECTOR_AGAIN_S)
        page.answers.want(Wishes(ring=RING), over, False)
        assert len(microscope.asked) == 1, "it is no reason to ask for ever"
        page.answers.want(Wishes(), over, False)
        assert page.answers.trouble == ""
        page.changed.clear()
        page.answers.order("set_rotation", {"degrees": 1.0, "flip": False})
        await asyncio.wait_for(page.changed.wait(), 20)
        assert page.answers.notice == "without shard 1"

    run(session, check)


def test_a_nearest_one_is_asked_for_again_once_a_second_while_the_scan_runs(
    session: Callable[[], Session], microscope: Microscope
) -> None:
    async def check(page: Session) -> None:
        microscope.exact = False
        await page.want(Wishes(pinned=(1, 2)))
        page.answers.want(Wishes(pinned=(1, 2)), page.snapshot, False)  # too early
        page.wait_s(AGAIN_S)
        page.answers.want(Wishes(pinned=(1, 2)), page.snapshot, True)  # frozen
        assert len(microscope.asked) == 1
        microscope.exact = True
        await page.want(Wishes(pinned=(1, 2)))
        assert len(microscope.asked) == 2

    run(session, check)


def test_what_the_service_refuses_is_told_and_tried_again(
    session: Callable[[], Session], microscope: Microscope
) -> None:
    async def check(page: Session) -> None:
        microscope.refuses = "no frame of this position is kept"
        await page.want(Wishes(pinned=(0, 0)))
        assert page.answers.trouble == "no frame of this position is kept" and page.answers.pattern is None
        microscope.refuses = ""
        page.wait_s(AGAIN_S)
        await page.want(Wishes(pinned=(0, 0)))
        assert page.answers.trouble == "" and page.answers.pattern is not None

    run(session, check)


def test_frames_of_another_scan_are_never_shown(session: Callable[[], Session], microscope: Microscope) -> None:
    async def check(page: Session) -> None:
        microscope.scan_id = "run 43"
        await page.want(Wishes(pinned=(0, 0)), is_frozen=True)
        assert page.answers.pattern is None and "not kept any more" in page.answers.trouble

    run(session, check)


def test_the_map_of_a_virtual_detector_grows_with_the_scan(
    session: Callable[[], Session], microscope: Microscope
) -> None:
    async def check(page: Session) -> None:
        await page.want(Wishes(ring=RING))
        assert page.answers.detector_map is not None and page.answers.detector_map.coverage == 0.5
        page.wait_s(DETECTOR_AGAIN_S)
        await page.want(Wishes(ring=RING))
        assert microscope.asked == [("virtual_detector", {"outer": 2.0})] * 2
        page.answers.want(Wishes(), page.snapshot, False)
        assert page.answers.detector_map is None

    run(session, check)


def test_a_service_without_a_back_channel_is_told(feed: LiveFeed, make_snapshot: MakeSnapshot) -> None:
    async def check(page: Session) -> None:
        page.answers.want(Wishes(pinned=(0, 0)), page.snapshot, False)
        assert "takes no requests" in page.answers.trouble

    run(lambda: Session(feed, make_snapshot()), check)


def test_operators_order_and_viewers_are_refused(session: Callable[[], Session], microscope: Microscope) -> None:
    text = '{"number": %d, "do": "set_rotation", "degrees": 30, "flip": true}'

    async def check(page: Session) -> None:
        view = LiveView(ViewFrame(page.snapshot, 0.0, 0), Wishes())
        viewer = Orders(None, lambda: "only for operators")
        viewer.take(text % 1, view, page.answers)
        assert viewer.notice == "only for operators"
        operator = Orders(None)
        operator.take(text % 1, view, page.answers)
        operator.take(text % 1, view, page.answers)  # the same order again
        await asyncio.wait_for(page.changed.wait(), 20)
        assert microscope.asked == [("set_rotation", {"degrees": 30.0, "flip": True})]
        microscope.refuses = "the rotation is locked"
        page.changed.clear()
        operator.take(text % 2, view, page.answers)
        await asyncio.wait_for(page.changed.wait(), 20)
        assert page.answers.notice == "the rotation is locked"

    run(session, check)


@pytest.mark.parametrize(
    "text",
    [
        '{"number": 1, "do": "stop"}',
        '{"number": 1, "do": "set_rotation", "degrees": 999, "flip": true}',
        "[",
        "7",
        None,
        "x" * 5000,
    ],
)
def test_orders_that_make_no_sense_do_nothing(
    session: Callable[[], Session], microscope: Microscope, text: str | None
) -> None:
    async def check(page: Session) -> None:
        Orders(None).take(text, LiveView(ViewFrame(page.snapshot, 0.0, 0), Wishes()), page.answers)
        assert microscope.asked == []

    run(session, check)


def test_a_page_that_changes_its_mind_has_one_question_under_way(
    session: Callable[[], Session], microscope: Microscope
) -> None:
    async def check(page: Session) -> None:
        for x in range(100):
            page.answers.want(Wishes(pinned=(0, x)), page.snapshot, False)
            page.answers.want(Wishes(), page.snapshot, False)
        await page.want(Wishes(pinned=(3, 4)))
        positions = [page.answers.pattern and page.answers.pattern.position]  # of a pin that was dropped: none
        await page.want(Wishes(pinned=(3, 4)))
        positions.append(page.answers.pattern and page.answers.pattern.position)
        assert positions == [None, (3, 4)]
        assert [told for _, told in microscope.asked] == [{"y": 0, "x": 0}, {"y": 3, "x": 4}]

    run(session, check)
