"""`/replay`: recordings to be looked at, played again, compared and analysed again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bokeh.document import Document

from dashboards.access.roles import Refusal, Role
from dashboards.pages.page_document import plain_document
from dashboards.pages.templates import template
from dashboards.replay.control import ReplayControlClient
from dashboards.replay.models import ReplayModels
from dashboards.replay.recordings_client import RecordingsClient
from dashboards.replay.session import ReplaySession
from dashboards.replay.view import CONTRASTS
from dashboards.replay.wish import wish_of

TICK_MS = 100


def make_replay(
    document: Document,
    recordings: RecordingsClient,
    arguments: Mapping[str, Sequence[bytes]],
    assets: str,
    refusal: Refusal = lambda: "",
    control: ReplayControlClient | None = None,
) -> ReplaySession:
    """Fill `document` with the replay page; `arguments` are those of its URL, `assets` is where its files are."""
    role = {"role": Role.VIEWER if refusal() else Role.OPERATOR, "why_viewer": refusal()}
    plain_document(document, template("replay.html"), {"assets": assets, "contrasts": list(CONTRASTS), **role})
    models = ReplayModels()
    for plot in models.figures:
        document.add_root(plot)
    document.js_on_event("document_ready", models.hook())
    session = ReplaySession(document, recordings, models, wish_of(arguments), refusal, control)
    document.on_event("document_ready", lambda _event: session.ready())
    document.add_periodic_callback(session.tick, TICK_MS)
    document.on_session_destroyed(lambda _context: session.close())
    return session


def make_no_replay(document: Document, assets: str) -> None:
    """The page of a server that was told of no recordings."""
    plain_document(document, template("no_replay.html"), {"assets": assets})
