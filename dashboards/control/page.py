"""`/control`: a tile for every instrument, always at the same place, once a second, and the alarms under them."""

from __future__ import annotations

import json
from typing import Any

from bokeh.document import Document
from bokeh.models import ColumnDataSource, CustomJS

from dashboards.access.roles import Refusal, Role, why_viewer
from dashboards.control.wall import Wall
from dashboards.control.wall_layout import wall_layout
from dashboards.feeds.view_frame import EMPTY
from dashboards.pages.page_document import plain_document
from dashboards.pages.templates import template
from dashboards.pictures.palettes import rgba

PERIOD_MS = 1000
PATIENCE = 10  # turns without an acknowledgement, after which it must have been lost
SERIALS_LIMIT = 1000  # of one acknowledgement


class ControlSession:
    """One browser's wall. Pictures go out only to a page that has shown the ones before; texts always."""

    def __init__(self, document: Document, wall: Wall, refusal: Refusal | None = None) -> None:
        self._wall = wall
        self._refusal = refusal or (lambda: why_viewer(document))
        count = len(wall.instruments)
        nothing: dict[str, Any] = {"direction": [EMPTY] * count, "pattern": [EMPTY] * count, "push": [0] * count}
        self.pictures = ColumnDataSource(nothing, name="pictures", syncable=False)
        self.told = ColumnDataSource({"text": [self._text()]}, name="told", syncable=False)
        # The only source that the page writes: which pictures it has shown, and the alarms somebody has seen.
        self.reply = ColumnDataSource({"push": [0], "acknowledged": [[]]}, name="reply")
        self._pushes = self._waited = 0
        self._shown: object = None
        self.reply.on_change("data", self._replied)

    def update(self) -> None:
        """Push what is new. Needs the document's lock."""
        self.told.data = {"text": [self._text()]}
        tiles = self._wall.tiles
        is_waiting = self._pushes > _number(self.reply.data.get("push")) and self._waited < PATIENCE
        self._waited = self._waited + 1 if is_waiting else 0
        if tiles is self._shown or is_waiting:
            return
        self._shown = tiles
        self._pushes += 1
        count = len(self._wall.instruments)
        self.pictures.data = {
            "direction": tiles["direction"], "pattern": tiles["pattern"], "push": [self._pushes] * count
        }  # fmt: skip

    def _text(self) -> str:
        tiles = ",".join(self._wall.tiles["text"])
        why = self._refusal()
        page = {"role": Role.VIEWER if why else Role.OPERATOR, "why_viewer": why, **self._wall.told}
        return f'{{"wall": {json.dumps(page)}, "tiles": [{tiles}]}}'

    def _replied(self, attribute: str, old: Any, new: Any) -> None:
        """The page said something; a page may be anybody, so only what makes sense and is allowed counts."""
        serials = new.get("acknowledged")
        if self._refusal() or not isinstance(serials, list) or len(serials) != 1:
            return
        if isinstance(serials[0], list) and len(serials[0]) <= SERIALS_LIMIT:
            self._wall.acknowledge(serial for serial in serials[0] if type(serial) is int)
            self.told.data = {"text": [self._text()]}


def _number(column: Any) -> int:
    value = column[0] if isinstance(column, list) and len(column) == 1 else None
    return value if type(value) is int else 0


def make_control(document: Document, wall: Wall, assets: str, refusal: Refusal | None = None) -> ControlSession:
    """Fill `document` with the control-room page of `wall`; `refusal` says why it may only look on now."""
    session = ControlSession(document, wall, refusal)
    count = len(wall.instruments)
    layout = {"layout": wall_layout(count), "places": range(1, count + 1)}
    plain_document(document, template("control.html"), {"assets": assets, **layout})
    palettes = ColumnDataSource(
        {"direction": [rgba("direction")], "pattern": [rgba("pattern")]}, name="palettes", syncable=False
    )
    sources = {source.name: source for source in (session.pictures, session.told, session.reply, palettes)}
    for source in sources.values():
        document.add_root(source)
    script = CustomJS(args={"sources": sources}, code="window.streamRrvaeControl.start(sources)")
    session.told.js_on_change("tags", script)  # a model that no root refers to would not be sent
    document.js_on_event("document_ready", script)
    document.on_event("document_ready", lambda _event: session.update())
    document.add_periodic_callback(session.update, PERIOD_MS)
    return session
