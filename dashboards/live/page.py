"""`/live`: one instrument's operator page."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from bokeh.document import Document

from dashboards.access.roles import Refusal, why_viewer
from dashboards.feeds.asking import Asking
from dashboards.feeds.live_feed import LiveFeed
from dashboards.live.line import PATH, LineHandler, Lines
from dashboards.live.models import LiveModels
from dashboards.live.orders import Orders
from dashboards.live.pushes import Pushes
from dashboards.live.service_answers import ServiceAnswers
from dashboards.live.session import LiveSession
from dashboards.live.snapshot_downloads import SnapshotDownloads
from dashboards.pages.page_document import plain_document
from dashboards.pages.templates import template

SPARE_S = 3.0  # after a page was asked for, when it has all it needs


class LivePages:
    """Makes live pages; those of one feed share what they are sent. `path` is the server's prefix."""

    def __init__(
        self,
        path: str,
        assets: str,
        asking: Asking | None = None,
        downloads: SnapshotDownloads | None = None,
        has_recordings: bool = False,
    ) -> None:
        self._path, self._assets, self._asking, self._downloads = path, assets, asking, downloads
        self._lines = Lines()
        self._has_recordings = has_recordings
        self._pushes: dict[str, Pushes] = {}
        self._spare: LiveModels | None = None
        self._is_preparing = False

    @property
    def unsent_bytes(self) -> int:
        """What was encoded for pages that have not taken it yet, and waits in this process."""
        return self._lines.unsent_bytes

    def handlers(self) -> list[Any]:
        """URL patterns, without the prefix, which Bokeh puts before them."""
        return [(PATH, LineHandler, {"application_context": None, "lines": self._lines})]

    def page(self, document: Document, feed: LiveFeed, refusal: Refusal | None = None) -> LiveSession:
        """Fill `document` with the live page of `feed`.

        `refusal` says why this page may only look on now; None = as it was when the page was loaded.
        """
        variables = {"assets": self._assets, "line": self._path + PATH, "has_recordings": self._has_recordings}
        plain_document(document, template("live.html"), variables)
        models, self._spare = self._spare or LiveModels(), None
        _fill(document, models)
        with suppress(RuntimeError):  # no loop runs: no server that would have a next page
            self._prepare_soon(asyncio.get_running_loop())
        orders = Orders(
            None if self._downloads is None else self._downloads.make, refusal or (lambda: why_viewer(document))
        )
        who = "" if document.session_context is None else document.session_context.id
        pushes = self._pushes.setdefault(feed.url, Pushes())

        def answers(changed: Any) -> ServiceAnswers:
            return ServiceAnswers(feed, self._asking, who[:64], changed)

        session = self._lines.sessions[who] = LiveSession(document, feed, models, pushes, answers, orders)
        document.on_session_destroyed(lambda _context: self._ended(who))
        return session

    def _prepare_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have the next page's models ready: of all that a page waits for, making them takes longest."""
        if not self._is_preparing:
            self._is_preparing = True
            loop.call_later(SPARE_S, self._prepare)

    def _prepare(self) -> None:
        self._is_preparing = False
        self._spare = self._spare or LiveModels()

    def _ended(self, who: str) -> None:
        session = self._lines.sessions.pop(who, None)
        if session is not None:
            session.close()


def _fill(document: Document, models: LiveModels) -> None:
    ready = models.hook()
    with document.models.freeze():  # or all models would be looked through for each figure
        for plot in models.figures:
            document.add_root(plot)
        document.js_on_event("document_ready", ready)


def chosen_feed(feeds: Sequence[LiveFeed], argument: Sequence[bytes]) -> LiveFeed:
    """The feed that the URL names by number from 1 (`?instrument=2`), else the first."""
    text = argument[0].decode(errors="replace") if argument else "1"
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 1
    return feeds[number - 1] if 1 <= number <= len(feeds) else feeds[0]
