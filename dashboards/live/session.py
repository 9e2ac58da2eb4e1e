"""One browser's page: it gets the newest frame as soon as it has painted the one before.

Without the acknowledgement a slow browser would fall behind by seconds and more while the
server sees nothing of it. A watchdog sends again when an acknowledgement was lost.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol
from weakref import ReferenceType, ref

from dashboards.feeds.live_feed import LiveFeed
from dashboards.feeds.view_frame import ViewFrame
from dashboards.live.averages import Averages
from dashboards.live.models import LiveModels
from dashboards.live.orders import Orders
from dashboards.live.packed import packed
from dashboards.live.pushes import ModelKey, Push, Pushes, model_key
from dashboards.live.service_answers import ServiceAnswers
from dashboards.live.telling import Line, Telling
from dashboards.pictures.arrows import no_arrows
from dashboards.pictures.wishes import Wishes, wishes_of
from dashboards.views.columns import empty_outline
from dashboards.views.view import LiveView

WATCHDOG_S = 2.0


class Schedules(Protocol):
    """The one thing of a Bokeh document that may be called without its lock."""

    def add_next_tick_callback(self, callback: Callable[[], None]) -> Any: ...


class LiveSession:
    """Pushes to the page of `document`, at most one thing on its way; begins with `ready`."""

    def __init__(
        self,
        document: Schedules,
        feed: LiveFeed,
        models: LiveModels,
        pushes: Pushes,
        make_answers: Callable[[Callable[[], None]], ServiceAnswers] | None = None,
        orders: Orders | None = None,
    ) -> None:
        self._document, self._feed, self._models, self._pushes = document, feed, models, pushes
        self._answers = (make_answers or (lambda changed: ServiceAnswers(feed, None, "", changed)))(self._arrived)
        self._orders = orders or Orders(None, lambda: "no orders are taken here")
        self._line: Line | None = None
        self._wishes, self._wish_text = Wishes(), ""
        self._averages = Averages(feed)
        self._telling: Telling | None = None
        self._sent: ReferenceType[ViewFrame] | None = None
        self._shown: ViewFrame | None = None  # what was sent, unless the page does not answer: it must not keep frames
        self._frozen_at: ViewFrame | None = None
        self._shown_model: ModelKey | None = None
        self._has_arrows = False
        self._changed = False  # what is shown is not what is wished
        self._awaits_measured = False
        self._is_models_turn = False  # what is measured was painted; the page is idle
        self._is_placing = False
        self._awaited = 0  # the number of the push that is on its way
        self._pushed_s = -math.inf
        self._display_s = math.nan
        self._ready_s = math.inf
        models.reply.on_change("data", self._replied)

    def ready(self, line: Line) -> None:
        """The page is there, at the other end of `line`; it has nothing yet."""
        if self._line is not None:
            self._line.close()
        self._line = line
        self._ready_s = self._feed.clock()
        self._telling = Telling(line, self._feed, self._pushes)
        self._sent, self._shown, self._shown_model, self._awaited = None, None, None, 0
        self._feed.listen(self.newer)
        self.tick()

    def gone(self, line: Line) -> None:
        """`line` has ended."""
        if line is self._line:
            self._line = self._telling = None
            self._feed.forget(self.newer)

    def close(self) -> None:
        """The page has gone for good."""
        if self._line is not None:
            self._line.close()
            self.gone(self._line)
        self._feed.ring.release(id(self))
        self._answers.close()

    def tick(self) -> None:
        """Tell what changes by itself; often called. Also the page's sign that this server lives."""
        if not self._answers_in_time:
            self._shown = None
        self._want()
        self.tell_status()
        if self._telling is not None:
            self._telling.trends()
        self.newer()

    def tell_status(self) -> None:
        """Send what is not as it was told last."""
        if self._telling is None:
            return
        own = {
            "frozen": self._frozen_at is not None,
            "back": self._wishes.back,
            "steps": self._feed.ring.steps(id(self)),
            "notice": self._orders.notice or self._answers.notice or self._answers.trouble,
            "unanswerable": self._answers.unanswerable,
            "viewer": self._orders.refusal,
            "download": self._orders.download,
        }
        self._telling.status(own, self._display_s)

    def newer(self) -> None:
        """There may be something newer to show: send it unless a push is on its way."""
        if self._line is None or not self._line.is_free or self._is_placing or self._is_awaiting:
            return
        view = self.view
        if view is None:
            return
        has_model = model_key(view) != self._shown_model
        self._is_models_turn &= has_model
        is_sent = self._sent is not None and self._sent() is view.frame
        has_measured = self._changed or (self._frozen_at is None and not is_sent)
        if has_model and (self._is_models_turn or not has_measured):
            self._push_model(self._line, view)
        elif has_measured:
            self._push_measured(self._line, view)

    @property
    def view(self) -> LiveView | None:
        """What is shown now."""
        frame = self._frame()
        if frame is None:
            return None
        mean = self._averages.pattern(self._wishes)
        return LiveView(frame, self._wishes, self._answers.pattern, self._answers.detector_map, mean)

    @property
    def _is_awaiting(self) -> bool:
        return bool(self._awaited) and self._answers_in_time

    @property
    def _answers_in_time(self) -> bool:
        return not self._awaited or self._feed.clock() - self._pushed_s < WATCHDOG_S

    def _want(self) -> None:
        """Have the service asked for what this page wishes and may ask for."""
        asked = Wishes(pinned=self._wishes.pinned, ring=None if self._orders.refusal else self._wishes.ring)
        frame = self._frame()
        if frame is not None:
            self._answers.want(asked, frame.snapshot, self._frozen_at is not None)

    def _frame(self) -> ViewFrame | None:
        if self._frozen_at is None:
            return self._feed.newest
        return self._feed.ring.before(id(self), self._wishes.back) or self._frozen_at

    def _arrived(self) -> None:
        self._changed = True
        self._want()
        self.newer()

    def _push_measured(self, line: Line, view: LiveView) -> None:
        if not self._models.is_placed(view):
            self._with_lock(self._models.place)
            return
        self._changed, self._awaits_measured, self._sent = False, True, ref(view.frame)
        self._shown = view.frame if self._answers_in_time else None
        if self._has_arrows and not view.wishes.arrows:
            line.send(packed({"arrows": dict(no_arrows())}))
        self._has_arrows = view.wishes.arrows
        self._send(line, self._pushes.measured(view))
        self._freeze()

    def _push_model(self, line: Line, view: LiveView) -> None:
        """The learner's maps, which have changed, or how they are to be shown."""
        push, latents = self._pushes.modelled(view), view.latents
        if not self._models.are_latents_placed(latents, push.extent):
            self._with_lock(lambda _view: self._models.place_latents(latents, push.extent))
            return
        before, self._shown_model, self._awaits_measured = self._shown_model, model_key(view), False
        if before is not None and before.lasso and not view.wishes.lasso:
            line.send(packed({"outline": empty_outline()}))
        self._send(line, push)

    def _send(self, line: Line, push: Push) -> None:
        self._awaited, self._pushed_s, self._is_models_turn = push.number, self._feed.clock(), False
        line.send(push.message)

    def _with_lock(self, place: Callable[[LiveView], None]) -> None:
        """Have `place` change the document's models, and go on after it."""

        def placed() -> None:
            self._is_placing = False
            if self.view is not None:
                place(self.view)
            self.newer()

        self._is_placing = True
        self._document.add_next_tick_callback(placed)

    def _freeze(self) -> None:
        """Hold what is shown, if that is wished and there is something."""
        if self._wishes.frozen and self._frozen_at is None and self._shown is not None:
            self._frozen_at = self._shown
            self._feed.ring.hold(id(self), self._shown)
            self._averages.hold()

    def painted(self, number: int) -> None:
        """The page has painted the push `number`; a page may be anybody, so only the one that is awaited counts."""
        if number != self._awaited or not number:
            return
        self._awaited, self._is_models_turn = 0, self._awaits_measured
        self._shown = self._shown or (self._sent() if self._sent is not None else None)
        if self._awaits_measured and self._shown is not None and self._frozen_at is None:
            self._display_s = self._feed.clock() - max(self._shown.received_s, self._ready_s)
        self.newer()

    def _replied(self, attribute: str, old: Any, new: Any) -> None:
        """The page wishes or orders something, which may be nonsense."""
        wish, order = (_only(new.get(name)) for name in ("wish", "order"))
        if isinstance(wish, str) and wish != self._wish_text:
            self._wish_text = wish
            self._take_wishes(wishes_of(wish, self._wishes))
        view = self.view
        if view is not None:
            self._orders.take(order, view, self._answers)
        self.tell_status()
        self.newer()

    def _take_wishes(self, wishes: Wishes) -> None:
        if wishes == self._wishes:
            return
        if not wishes.frozen:
            self._frozen_at = None
            self._feed.ring.release(id(self))
            self._averages.release()
        self._averages.wish(self._wishes, wishes)
        self._changed |= replace(wishes, frozen=self._wishes.frozen) != self._wishes
        self._wishes = wishes
        self._freeze()
        self._want()


def _only(column: Any) -> Any:
    return column[0] if isinstance(column, list) and len(column) == 1 else None
