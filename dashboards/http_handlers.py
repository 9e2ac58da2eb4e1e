"""Plain HTTP beside the Bokeh pages: is the server alive, is it fed, what does it count, and the pages' files.

None of them makes a document, so they may be asked as often as one likes; and none tells what a scan holds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tornado.web import RedirectHandler, RequestHandler, StaticFileHandler

from dashboards.feeds.live_feed import LiveFeed
from dashboards.metrics import CONTENT_TYPE, DashboardMetrics
from dashboards.pages.templates import PAGES

ASSETS = "/assets"


class LiveHandler(RequestHandler):
    """200 as long as the server's loop turns."""

    def get(self) -> None:
        self.set_header("Cache-Control", "no-store")
        self.write("ok")


class ReadyHandler(RequestHandler):
    """200 when every feed was heard of lately, else 503; which one is in the body."""

    def initialize(self, feeds: Sequence[LiveFeed]) -> None:
        self._feeds = feeds

    def get(self) -> None:
        ages = {feed.url: _age_s(feed) for feed in self._feeds}
        ready = all(_is_heard(feed) for feed in self._feeds)
        self.set_status(200 if ready else 503)
        self.set_header("Cache-Control", "no-store")
        self.set_header("Content-Type", "application/json")
        self.write(json.dumps({"ready": ready, "last_snapshot_age_s": ages}))


class MetricsHandler(RequestHandler):
    """Counters for Prometheus."""

    def initialize(self, metrics: DashboardMetrics) -> None:
        self._metrics = metrics

    def get(self) -> None:
        self.set_header("Content-Type", CONTENT_TYPE)
        self.write(self._metrics.text())


def _is_heard(feed: LiveFeed) -> bool:
    age_s = _age_s(feed)
    return age_s is not None and age_s <= feed.thresholds.unreachable_s


def _age_s(feed: LiveFeed) -> float | None:
    return None if feed.newest is None else round(feed.clock() - feed.newest.received_s, 3)


def handlers(feeds: Sequence[LiveFeed], metrics: DashboardMetrics, path: str) -> list[Any]:
    """URL patterns, without the prefix `path`, which Bokeh puts before them."""
    return [
        (r"/livez", LiveHandler),
        (r"/readyz", ReadyHandler, {"feeds": feeds}),
        (r"/metrics", MetricsHandler, {"metrics": metrics}),
        (ASSETS + r"/(.*\.(?:css|js))", StaticFileHandler, {"path": str(PAGES)}),
        (r"/?", RedirectHandler, {"url": f"{path}/live", "permanent": False}),
    ]
