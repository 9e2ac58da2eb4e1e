"""`/live`: one instrument's operator page."""

from __future__ import annotations

from collections.abc import Sequence

from bokeh.document import Document

from dashboards.access.roles import why_viewer
from dashboards.feeds.asking import Asking
from dashboards.feeds.live_feed import LiveFeed
from dashboards.live.models import LiveModels
from dashboards.live.orders import Orders
from dashboards.live.service_answers import ServiceAnswers
from dashboards.live.session import LiveSession
from dashboards.live.snapshot_downloads import SnapshotDownloads
from dashboards.pages.page_document import plain_document
from dashboards.pages.templates import template

STATUS_MS = 250
TRENDS_MS = 1000


def make_live(
    document: Document,
    feed: LiveFeed,
    assets: str,
    asking: Asking | None = None,
    downloads: SnapshotDownloads | None = None,
) -> LiveSession:
    """Fill `document` with the live page of `feed`; `assets` is where its files are served."""
    refusal = why_viewer(document)
    plain_document(document, template("live.html"), {"assets": assets, "why_viewer": refusal})
    models = LiveModels()
    for plot in models.figures:
        document.add_root(plot)
    document.js_on_event("document_ready", models.hook())
    orders = Orders(None if downloads is None else downloads.make, refusal)
    who = "" if document.session_context is None else document.session_context.id[:64]
    session = LiveSession(document, feed, models, lambda changed: ServiceAnswers(feed, asking, who, changed), orders)
    document.on_event("document_ready", lambda _event: session.ready())
    document.add_periodic_callback(session.tell_status, STATUS_MS)
    document.add_periodic_callback(session.tell_trends, TRENDS_MS)
    document.on_session_destroyed(lambda _context: session.close())
    return session


def chosen_feed(feeds: Sequence[LiveFeed], argument: Sequence[bytes]) -> LiveFeed:
    """The feed that the URL names by number from 1 (`?instrument=2`), else the first."""
    text = argument[0].decode(errors="replace") if argument else "1"
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 1
    return feeds[number - 1] if 1 <= number <= len(feeds) else feeds[0]
