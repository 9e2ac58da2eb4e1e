"""What one session fetches from its service: the pattern of a pinned position, the map of a virtual detector.

Nothing here waits: questions go out, answers arrive later and the session is told. Old answers stay until new
ones are there; answers to questions that are no longer asked are thrown away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from dashboards.feeds.asking import Asking
from dashboards.feeds.live_feed import LiveFeed
from dashboards.pictures.wishes import Ring, Wishes
from dashboards.views.pattern import LivePattern
from dashboards.views.view import DetectorMap
from stream_rrvae.errors import RequestError
from stream_rrvae.feed.requests import ERROR_CHARS
from stream_rrvae.messages import Plain, ScanState, Snapshot

AGAIN_S = 1.0  # for a position that was not there yet
DETECTOR_AGAIN_S = 2.0  # for a map of a scan that goes on


@dataclass(slots=True)
class _Question:
    """The latest thing that was asked of one kind."""

    wish: object = None
    asked_s: float = 0.0
    waits: bool = False
    is_final: bool = False
    trouble: str = ""
    note: str = ""  # what to know of the answer

    def forget(self) -> None:
        """Nothing is wished any more; an answer that is under way still has to arrive."""
        self.wish, self.trouble, self.note, self.is_final = None, "", "", False


class ServiceAnswers:
    """`changed` is called in the loop's thread whenever something arrived; `who` names the session to the service."""

    def __init__(self, feed: LiveFeed, asking: Asking | None, who: str, changed: Callable[[], None]) -> None:
        self._feed, self._asking, self._who, self._changed = feed, asking, who, changed
        self._tasks: set[asyncio.Task[None]] = set()
        self._pattern, self._detector = _Question(), _Question()
        self.pattern: LivePattern | None = None
        self.detector_map: DetectorMap | None = None
        self._scan_id = ""
        self._orders_waiting = False
        self.notice = ""  # what became of the latest order

    @property
    def trouble(self) -> str:
        """Why the page does not see what it wishes, or all of it; "" = it does."""
        return self._pattern.trouble or self._detector.trouble or self._detector.note

    @property
    def unanswerable(self) -> str:
        """Why nothing can be asked; "" = it can."""
        return "this page has no way to its service" if self._asking is None else self._asking.can_ask(self._feed)

    def want(self, wishes: Wishes, shown: Snapshot, is_frozen: bool) -> None:
        """Ask for what `wishes` need of the scan `shown` and is not there; often called."""
        scan_id, running = shown.scan_id, shown.state is ScanState.RUNNING and not is_frozen
        if scan_id != self._scan_id:
            self._scan_id, self.pattern, self.detector_map = scan_id, None, None
        if wishes.pinned is None:
            self.pattern = None
            self._pattern.forget()
        elif self._is_due(self._pattern, (scan_id, wishes.pinned), AGAIN_S, running):
            y, x = wishes.pinned
            self._ask(self._pattern, (scan_id, wishes.pinned), "pattern", {"y": y, "x": x}, self._take_pattern)
        if wishes.ring is None:
            self.detector_map = None
            self._detector.forget()
        elif self._is_due(self._detector, (scan_id, wishes.ring), DETECTOR_AGAIN_S, running):
            asked, take = asdict(wishes.ring), partial(self._take_detector, wishes.ring)
            self._ask(self._detector, (scan_id, wishes.ring), "virtual_detector", asked, take)

    def order(self, name: str, arguments: Mapping[str, Plain]) -> None:
        """Have the service do something; what came of it is in `notice`."""

        async def do() -> None:
            assert self._asking is not None
            try:
                answer = await self._asking.ask(self._feed, name, arguments, who=self._who)
                self.notice = _note(answer)
            except RequestError as error:
                self.notice = str(error)
            self._orders_waiting = False
            self._changed()

        if self._orders_waiting:
            self.notice = "the service has not answered the order before yet"
        elif self.unanswerable:
            self.notice = self.unanswerable
        else:
            self._orders_waiting = True
            self._begin(do())

    def close(self) -> None:
        """Wait for nothing any more."""
        for task in self._tasks:
            task.cancel()

    def _is_due(self, question: _Question, wish: object, again_s: float, running: bool) -> bool:
        if question.waits:
            return False  # one question of a kind at a time, however often a page changes its mind
        if question.wish != wish:
            return True
        is_over = question.is_final or not (running or question.trouble)
        return not is_over and self._feed.clock() - question.asked_s >= again_s

    def _ask(
        self,
        question: _Question,
        wish: object,
        name: str,
        arguments: Mapping[str, Plain],
        take: Callable[[Mapping[str, Any]], bool],
    ) -> None:
        question.wish, question.asked_s, question.is_final = wish, self._feed.clock(), False
        question.trouble = self.unanswerable
        if question.trouble:
            return
        question.waits = True

        async def ask() -> None:
            assert self._asking is not None
            trouble, note, final = "", "", False
            try:
                answer = await self._asking.ask(self._feed, name, arguments, who=self._who)
                if question.wish == wish:
                    if answer.get("scan_id") != self._scan_id:
                        raise RequestError("frames of the scan shown are not kept any more")
                    final, note = take(answer), _note(answer)
            except RequestError as error:
                trouble = str(error)
            question.waits = False
            if question.wish == wish:
                question.trouble, question.note, question.is_final = trouble, note, final
            self._changed()

        self._begin(ask())

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _take_pattern(self, answer: Mapping[str, Any]) -> bool:
        values, y, x, binning = (answer.get(name) for name in ("pattern", "y", "x", "binning"))
        if not isinstance(values, np.ndarray) or not all(isinstance(n, int) for n in (y, x, binning)):
            raise RequestError("the service's answer is not understood")
        self.pattern = LivePattern(
            values, (int(y or 0), int(x or 0)), max(1, int(binning or 1)), str(answer.get("source"))
        )
        return bool(answer.get("exact"))

    def _take_detector(self, ring: Ring, answer: Mapping[str, Any]) -> bool:
        values, coverage = answer.get("map"), answer.get("coverage")
        if not isinstance(values, np.ndarray) or not isinstance(coverage, int | float):
            raise RequestError("the service's answer is not understood")
        self.detector_map = DetectorMap(values, float(coverage), ring)
        return False


def _note(answer: Mapping[str, Any]) -> str:
    """What a merged scan says of shards that are not there."""
    return str(answer.get("note", ""))[:ERROR_CHARS]
