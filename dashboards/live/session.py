"""One browser's page: it gets the newest frame as soon as it has painted the one before.

Without the acknowledgement a slow browser would fall behind by seconds and more while the
server sees nothing of it. A watchdog sends again when an acknowledgement was lost.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from dashboards.feeds.live_feed import LiveFeed
from dashboards.feeds.readings import status
from dashboards.feeds.view_frame import ViewFrame
from dashboards.live.models import LiveModels
from dashboards.live.orders import Orders
from dashboards.live.service_answers import ServiceAnswers
from dashboards.pictures.arrows import no_arrows
from dashboards.pictures.wishes import Wishes, wishes_of
from dashboards.views.columns import density_columns, measured_columns, model_columns, outline_columns, point_columns
from dashboards.views.view import LiveView

WATCHDOG_S = 2.0


class Schedules(Protocol):
    """The one thing of a Bokeh document that may be called without its lock."""

    def add_next_tick_callback(self, callback: Callable[[], None]) -> Any: ...


class LiveSession:
    """Pushes to `models` of `document`, at most one frame on its way; begins with `ready`."""

    def __init__(
        self,
        document: Schedules,
        feed: LiveFeed,
        models: LiveModels,
        make_answers: Callable[[Callable[[], None]], ServiceAnswers] | None = None,
        orders: Orders | None = None,
    ) -> None:
        self._document, self._feed, self._models = document, feed, models
        self._answers = (make_answers or (lambda changed: ServiceAnswers(feed, None, "", changed)))(self._arrived)
        self._orders = orders or Orders(None, "no orders are taken here")
        self._wishes, self._wish_text = Wishes(), ""
        self._shown: ViewFrame | None = None
        self._frozen_at: ViewFrame | None = None
        self._shown_model: tuple[object, ...] = ()
        self._has_arrows = False
        self._changed = False  # what is shown is not what is wished
        self._scheduled = False
        self._pushes = 0
        self._unacknowledged_since_s: float | None = None
        self._display_s = math.nan
        self._ready_s = math.inf
        models.reply.on_change("data", self._replied)

    def ready(self) -> None:
        """The browser is there; what was pushed before would have gone to nobody."""
        self._ready_s = self._feed.clock()
        self._feed.listen(self.newer)
        self.tell_status()
        self.tell_trends()
        self.newer()

    def close(self) -> None:
        self._feed.forget(self.newer)
        self._feed.ring.release(id(self))
        self._answers.close()

    def newer(self) -> None:
        """There may be something newer to show: push it unless a push is on its way."""
        newest = self._feed.newest
        if newest is None or (not self._changed and (self._frozen_at is not None or newest is self._shown)):
            return
        self._schedule()

    def tell_status(self) -> None:
        """Push the status; also the page's sign that this server lives. Needs the document's lock."""
        self._want()
        told = status(self._feed, self._display_s) | {
            "frozen": self._frozen_at is not None,
            "back": self._wishes.back,
            "steps": self._feed.ring.steps(id(self)),
            "notice": self._orders.notice or self._answers.notice or self._answers.trouble,
            "unanswerable": self._answers.unanswerable,
            "viewer": self._orders.refusal,
            "download": self._orders.download,
        }
        self._models.status.data = {"text": [json.dumps(told)]}
        self.newer()

    def tell_trends(self) -> None:
        """Push the last five minutes. Needs the document's lock."""
        self._models.trends.data = {"text": [json.dumps(self._feed.trends.told(self._feed.clock()))]}

    @property
    def view(self) -> LiveView | None:
        """What is shown now."""
        frame = self._frame()
        if frame is None:
            return None
        return LiveView(frame, self._wishes, self._answers.pattern, self._answers.detector_map)

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

    def _schedule(self) -> None:
        since_s = self._unacknowledged_since_s
        if self._scheduled or (since_s is not None and self._feed.clock() - since_s < WATCHDOG_S):
            return
        self._scheduled = True
        self._document.add_next_tick_callback(self._push)

    def _push(self) -> None:
        self._scheduled, self._changed = False, False
        view = self.view
        if view is None:
            return
        self._shown = view.frame
        self._pushes += 1
        self._unacknowledged_since_s = self._feed.clock()
        self._models.place(view)
        self._models.colour_choice(view.choice)
        self._push_arrows(view)
        self._push_model(view)
        self._models.measured.data = measured_columns(view, self._pushes)
        self._freeze()

    def _freeze(self) -> None:
        """Hold what is shown, if that is wished and there is something."""
        if self._wishes.frozen and self._frozen_at is None and self._shown is not None:
            self._frozen_at = self._shown
            self._feed.ring.hold(id(self), self._shown)

    def _push_model(self, view: LiveView) -> None:
        """The learner's maps, if they or how they are to be shown have changed."""
        enlarged, lasso = view.wishes.enlarged == "rotation", view.wishes.lasso
        model = (view.frame.snapshot.scan_id, view.frame.model_generation, view.latents, enlarged, lasso)
        if model == self._shown_model:
            return
        only_lasso, self._shown_model = model[:-1] == self._shown_model[:-1], model
        selection = view.selection()
        self._models.outline.data = outline_columns(view, selection)
        self._models.modelled.data = model_columns(view, selection)
        if not only_lasso:
            points = view.frame.latents(*view.latents)
            self._models.place_latents(view)
            self._models.density.data = density_columns(points)
            self._models.scatter.data = point_columns(points)

    def _push_arrows(self, view: LiveView) -> None:
        if view.wishes.arrows or self._has_arrows:
            self._models.arrows.data = dict(view.frame.arrows if view.wishes.arrows else no_arrows())
        self._has_arrows = view.wishes.arrows

    def _replied(self, attribute: str, old: Any, new: Any) -> None:
        """The page said something; a page may be anybody, so only what makes sense counts."""
        push, wish, order = (_only(new.get(name)) for name in ("push", "wish", "order"))
        if push == self._pushes and self._unacknowledged_since_s is not None:
            self._unacknowledged_since_s = None
            if self._shown is not None and self._frozen_at is None:
                self._display_s = self._feed.clock() - max(self._shown.received_s, self._ready_s)
        if isinstance(wish, str) and wish != self._wish_text:
            self._wish_text = wish
            self._take_wishes(wishes_of(wish, self._wishes))
        view = self.view
        if view is not None:
            self._orders.take(order, view, self._answers)
        self.newer()

    def _take_wishes(self, wishes: Wishes) -> None:
        if wishes == self._wishes:
            return
        if not wishes.frozen:
            self._frozen_at = None
            self._feed.ring.release(id(self))
        self._changed |= replace(wishes, frozen=self._wishes.frozen) != self._wishes
        self._wishes = wishes
        self._freeze()
        self._want()


def _only(column: Any) -> Any:
    return column[0] if isinstance(column, list) and len(column) == 1 else None
