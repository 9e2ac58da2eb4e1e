"""The dashboard server: one process, one reader for each feed, any number of viewers up to a limit."""

from __future__ import annotations

import asyncio
import logging
import secrets
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click
from bokeh.document import Document
from bokeh.server.server import BaseServer
from bokeh.server.tornado import BokehTornado
from bokeh.settings import settings
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop

from dashboards.control_page import make_control
from dashboards.http_handlers import ASSETS, handlers
from dashboards.live_feed import FeedReader, LiveFeed
from dashboards.live_page import chosen_feed, make_live
from dashboards.options import DashboardOptions
from dashboards.page_document import plain_document
from dashboards.templates import template
from stream_rrvae.errors import ConfigError

UNUSED_CHECK_MS = 3000
UNUSED_LIFETIME_MS = 5000
MESSAGE_BYTES_LIMIT = 1 << 20  # from a browser; pages say little


def serve(options: DashboardOptions) -> None:
    """Serve until SIGINT or SIGTERM. Raises ConfigError or SecurityError before it begins."""
    asyncio.run(_serve(options.checked()))


async def _serve(options: DashboardOptions) -> None:
    # A viewer that closes its page while a frame is on its way is no news.
    logging.getLogger("bokeh.server.views.ws").setLevel(logging.ERROR)
    loop = IOLoop.current()
    feeds = [LiveFeed(url) for url in options.feeds]
    readers = [FeedReader(feed, loop) for feed in feeds]
    server, http = make_server(options, feeds)
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    server.start()
    for reader in readers:
        reader.start()
    click.echo(f"http://{_host(options.address)}:{server.port}{options.path}/live")
    await stopped.wait()
    server.stop()
    await http.close_all_connections()
    for reader in readers:
        reader.stop()


def make_server(options: DashboardOptions, feeds: Sequence[LiveFeed]) -> tuple[BaseServer, HTTPServer]:
    """The server on its port, not started yet, and its HTTP part; needs a running loop. Raises ConfigError."""
    settings.resources = "server"  # microscopes have no internet
    sessions = _Sessions(options.max_sessions)
    assets = options.path + ASSETS

    def live(document: Document) -> None:
        make_live(document, chosen_feed(feeds, _argument(document, "instrument")), assets)

    def control(document: Document) -> None:
        make_control(document, feeds, assets)

    applications = {"/live": sessions.limited(live, assets), "/control": sessions.limited(control, assets)}
    listening = _bound(options)
    tornado = BokehTornado(
        applications,
        prefix=options.path,
        extra_websocket_origins=_origins(options, listening.getsockname()[1]),
        extra_patterns=handlers(feeds, options.path),
        use_index=False,
        **_security(),
    )
    http = HTTPServer(tornado, xheaders=bool(options.allow_origins))
    http.add_sockets([listening])
    return BaseServer(IOLoop.current(), tornado, http), http


def _argument(document: Document, name: str) -> Sequence[bytes]:
    """The values of `name` in the page's URL."""
    request = getattr(document.session_context, "request", None)
    arguments: Mapping[str, Sequence[bytes]] = getattr(request, "arguments", {})
    return arguments.get(name, ())


def _bound(options: DashboardOptions) -> socket.socket:
    family = socket.AF_INET6 if ":" in options.address else socket.AF_INET
    try:
        listening = socket.create_server((options.address, options.port), family=family)
    except OSError as error:
        raise ConfigError(
            f"cannot serve on {options.address}:{options.port}: {error.strerror}; choose another --port"
        ) from error
    listening.setblocking(False)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # small updates must not wait
    return listening


def _security() -> dict[str, Any]:
    return {
        "xsrf_cookies": True,
        "cookie_secret": secrets.token_hex(32),
        "sign_sessions": True,
        "secret_key": secrets.token_bytes(32),
        "generate_session_ids": True,
        # A session's token is written into the page: other people's cookies are not to be in it.
        "include_headers": [],
        "include_cookies": [],
        "websocket_max_message_size_bytes": MESSAGE_BYTES_LIMIT,
        "check_unused_sessions_milliseconds": UNUSED_CHECK_MS,
        "unused_session_lifetime_milliseconds": UNUSED_LIFETIME_MS,
    }


def _origins(options: DashboardOptions, port: int) -> list[str]:
    """Exactly the names under which this server is reached."""
    own = {options.address, "localhost"} if options.address == "127.0.0.1" else {options.address}
    return [*(f"{_host(name)}:{port}" for name in sorted(own)), *options.allow_origins]


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


class _Sessions:
    """Counts the documents that are alive, so that viewers beyond the limit get a page that says so."""

    def __init__(self, limit: int) -> None:
        self._limit, self._alive = limit, 0

    def limited(self, fill: Callable[[Document], None], assets: str) -> Callable[[Document], None]:
        def fill_or_refuse(document: Document) -> None:
            if self._alive >= self._limit:
                plain_document(document, template("full.html"), {"assets": assets, "limit": self._limit})
                return
            self._alive += 1
            document.on_session_destroyed(self._gone)
            fill(document)

        return fill_or_refuse

    def _gone(self, _context: object) -> None:
        self._alive -= 1
