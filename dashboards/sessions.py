"""The documents that are alive: how many of each page, and no more than the server was told to have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from bokeh.application.application import Application
from bokeh.application.handlers.function import FunctionHandler
from bokeh.application.handlers.handler import Handler
from bokeh.document import Document

from dashboards.access.roles import Door, RoleHandler
from dashboards.pages.page_document import plain_document
from dashboards.pages.templates import template


class Sessions:
    """Makes pages whose documents are counted, so that viewers beyond the limit get one that says so."""

    def __init__(self, limit: int, assets: str, door: Door) -> None:
        self._limit, self._assets, self._door = limit, assets, door
        self.alive: Counter[str] = Counter()  # by page
        self.refused = 0

    def application(self, page: str, fill: Callable[[Document], None], *more: Handler) -> Application:
        """The page `page`, which `fill` makes; `more` are parts that live as long as the server."""
        self.alive[page] = 0

        def gone(_context: object) -> None:
            self.alive[page] -= 1

        def fill_or_refuse(document: Document) -> None:
            if self.alive.total() >= self._limit:
                self.refused += 1
                plain_document(document, template("full.html"), {"assets": self._assets, "limit": self._limit})
                return
            self.alive[page] += 1
            document.on_session_destroyed(gone)
            fill(document)

        return Application(FunctionHandler(fill_or_refuse), RoleHandler(self._door), *more)
