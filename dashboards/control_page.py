"""`/control`: a tile for every instrument, always at the same place, once a second."""

from __future__ import annotations

import json
from collections.abc import Sequence

from bokeh.document import Document
from bokeh.models import ColumnDataSource, CustomJS
from bokeh.plotting import figure as Figure  # noqa: N812  # it is a class

from dashboards.figures import add_image, image_figure, ranges, set_square
from dashboards.live_columns import Columns, empty_thumbnail, thumbnail_columns
from dashboards.live_feed import LiveFeed
from dashboards.page_document import plain_document
from dashboards.readings import status
from dashboards.templates import template

PERIOD_MS = 1000


class Tile:
    """One instrument's thumbnail, COM direction, as a root of the document."""

    def __init__(self, number: int, feed: LiveFeed) -> None:
        self.feed = feed
        self.source = ColumnDataSource(empty_thumbnail(), name=f"thumbnail-{number}", syncable=False)
        self._ranges = ranges()
        self.plot: Figure = image_figure(f"tile-{number}", self._ranges, ())
        add_image(self.plot, self.source, "direction", "map", "direction")

    def update(self) -> None:
        if self.feed.newest is not None:
            set_square(self._ranges, self.feed.newest.map_placement.square())
            self.source.data = thumbnail_columns(self.feed.newest)


def make_control(document: Document, feeds: Sequence[LiveFeed], assets: str) -> None:
    """Fill `document` with the control-room page of `feeds`."""
    tiles = [Tile(number, feed) for number, feed in enumerate(feeds, start=1)]
    told = ColumnDataSource(_told(feeds), name="status", syncable=False)
    plain_document(document, template("control.html"), {"assets": assets, "numbers": range(1, len(tiles) + 1)})
    for tile in tiles:
        document.add_root(tile.plot)
    script = CustomJS(args={"status": told}, code="window.streamRrvaeControl.start(status)")
    tiles[0].plot.js_on_change("tags", script)  # a model that no root refers to would not be sent
    document.js_on_event("document_ready", script)

    def update() -> None:
        for tile in tiles:
            tile.update()
        told.data = _told(feeds)

    document.on_event("document_ready", lambda _event: update())
    document.add_periodic_callback(update, PERIOD_MS)


def _told(feeds: Sequence[LiveFeed]) -> Columns:
    return {"text": [json.dumps(status(feed)) for feed in feeds]}
