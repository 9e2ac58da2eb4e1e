"""The line of a live page: a websocket beside Bokeh's, for all that comes again and again.

Bokeh wraps, serialises and sends what changes for every page by itself, and takes locks for it. Over the line goes what
was encoded once for all pages (`pushes.py`), and back come acknowledgements. Who may open one is Bokeh's own check.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bokeh.server.views.ws import WSHandler
from bokeh.util.token import get_session_id
from tornado.ioloop import PeriodicCallback
from tornado.websocket import WebSocketClosedError, WebSocketHandler

if TYPE_CHECKING:
    from dashboards.live.session import LiveSession

PATH = "/live/line"
STATUS_MS = 500
DIGITS = 15  # of an acknowledgement


class Lines:
    """The sessions of live pages by their id, and one clock for those whose line is open."""

    def __init__(self) -> None:
        self.sessions: dict[str, LiveSession] = {}
        self._open: dict[LineHandler, LiveSession] = {}
        self._ticks: PeriodicCallback | None = None

    @property
    def unsent_bytes(self) -> int:
        """What waits in this process for pages to read it."""
        return sum(line.unsent_bytes for line in self._open)

    def opened(self, line: LineHandler, session: LiveSession) -> None:
        self._open[line] = session
        if self._ticks is None:
            self._ticks = PeriodicCallback(self._tick, STATUS_MS)
            self._ticks.start()

    def closed(self, line: LineHandler) -> None:
        self._open.pop(line, None)
        if not self._open and self._ticks is not None:
            self._ticks.stop()
            self._ticks = None

    def _tick(self) -> None:
        for session in set(self._open.values()):
            session.tick()


class LineHandler(WSHandler):
    """Origin, signature and expiry of the session's token have been looked at when `_async_open` is called."""

    def initialize(self, application_context: None, lines: Lines) -> None:
        self._lines = lines
        self._session: LiveSession | None = None
        self._was_full = False  # when somebody wanted to send
        self.unsent_bytes = 0  # that wait in this process

    @property
    def is_free(self) -> bool:
        """Whether all that was sent has left this process."""
        stream = None if self.ws_connection is None else self.ws_connection.stream
        self._was_full = stream is None or stream.writing()
        return not self._was_full

    def send(self, message: bytes) -> None:
        """Send `message` without waiting; a line that is gone takes it as well."""
        try:
            # Bokeh's own waits for a lock, because its messages have several parts.
            writing = WebSocketHandler.write_message(self, message, binary=True)
        except WebSocketClosedError:
            return
        self.unsent_bytes += len(message)
        writing.add_done_callback(lambda written: self._written(written, len(message)))

    def _written(self, writing: asyncio.Future[None], length: int) -> None:
        self.unsent_bytes -= length
        # Somebody has to look at why a write failed; `on_close` is called all the same.
        failed = writing.cancelled() or writing.exception() is not None
        if self._was_full and self._session is not None and not failed:
            self._session.newer()

    async def _async_open(self, token: str) -> None:
        self._session = self._lines.sessions.get(get_session_id(token))
        if self._session is None:
            self.close()
            return
        self._session.ready(self)
        self._lines.opened(self, self._session)

    async def on_message(self, fragment: str | bytes) -> None:
        """An acknowledgement."""
        text = fragment if isinstance(fragment, str) else ""
        if self._session is not None and len(text) <= DIGITS and text.isascii() and text.isdigit():
            self._session.painted(int(text))

    def on_close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.gone(self)
            self._lines.closed(self)
