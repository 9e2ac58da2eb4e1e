"""The dashboard server: one process, one reader for each feed, any number of viewers up to a limit."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import secrets
import signal
from collections.abc import Mapping, Sequence
from typing import Any

import click
from bokeh.document import Document
from bokeh.server.server import BaseServer
from bokeh.settings import settings
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop, PeriodicCallback

from dashboards.access.roles import Door
from dashboards.access.security_headers import SecurityHeaders
from dashboards.control.page import make_control
from dashboards.control.wall import Wall, WallHandler
from dashboards.feeds.asking import Asking
from dashboards.feeds.live_feed import FeedReader, LiveFeed
from dashboards.http_handlers import ASSETS, handlers
from dashboards.listening import bound, origins
from dashboards.live.page import LivePages, chosen_feed
from dashboards.live.snapshot_downloads import SnapshotDownloads, snapshot_handlers
from dashboards.metrics import DashboardMetrics
from dashboards.options import DashboardOptions, host_text
from dashboards.pages.lean_bokeh import LeanBokehTornado
from dashboards.pages.login import login_handlers
from dashboards.replay.part import ReplayPart
from dashboards.sessions import Sessions
from stream_rrvae.curve import client_keys_each
from stream_rrvae.operations.systemd import Systemd
from stream_rrvae.security import is_local, make_key, read_key

TURN_MS = 1000
NICENESS = 5  # whoever measures on the same cores goes first
UNUSED_CHECK_MS = 3000
UNUSED_LIFETIME_MS = 5000
PING_S = 20.0  # a browser that does not answer within as long is gone, whatever its socket says
MESSAGE_BYTES_LIMIT = 1 << 20  # from a browser; pages say little


def serve(options: DashboardOptions, systemd: Systemd | None = None) -> None:
    """Serve until SIGINT or SIGTERM. Raises ConfigError or SecurityError before it begins."""
    checked = options.checked()
    os.nice(NICENESS)
    asyncio.run(_serve(checked, systemd or Systemd()))


async def _serve(options: DashboardOptions, systemd: Systemd) -> None:
    # A viewer that closes its page while a frame is on its way is no news.
    logging.getLogger("bokeh.server.views.ws").setLevel(logging.ERROR)
    loop = IOLoop.current()
    feeds = [LiveFeed(url, thresholds=options.thresholds) for url in options.feeds]
    keys = client_keys_each(options.curve_key, options.curve_servers, len(feeds))
    asking = Asking(options.feeds, [read_key(path) for path in options.requests_keys], keys)
    readers = [FeedReader(feed, loop, own) for feed, own in zip(feeds, keys, strict=True)]
    replay = ReplayPart(options)
    server, http = make_server(options, feeds, asking, replay)
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    server.start()
    for reader in readers:
        reader.start()
    # Bokeh collects garbage whenever a viewer leaves; what is here for good need not be looked through each time.
    gc.collect()
    gc.freeze()
    click.echo(f"http://{host_text(options.address)}:{server.port}{options.path}/live")
    # In the loop that serves the pages: when that stands still, nobody says otherwise.
    turns = PeriodicCallback(lambda: systemd.turned(0.0), TURN_MS)
    turns.start()
    systemd.ready(f"serving {len(feeds)} feed{'s' if len(feeds) > 1 else ''}")
    await stopped.wait()
    systemd.stopping()
    turns.stop()
    server.stop()
    asking.close()
    replay.close()
    await http.close_all_connections()
    for reader in readers:
        reader.stop()


def make_server(
    options: DashboardOptions,
    feeds: Sequence[LiveFeed],
    asking: Asking | None = None,
    replay: ReplayPart | None = None,
) -> tuple[BaseServer, HTTPServer]:
    """The server on its port, not started yet, and its HTTP part; needs a running loop. Raises ConfigError."""
    settings.resources = "server"  # microscopes have no internet
    settings.allowed_ws_origin = []  # or the environment could open the websockets to any origin
    asking = asking or Asking(options.feeds, ())
    replay_part = replay or ReplayPart(options)
    assets = options.path + ASSETS
    door = make_door(options)
    sessions = Sessions(options.max_sessions, assets, door)
    downloads = SnapshotDownloads()
    pages = LivePages(options.path, assets, asking, downloads, replay_part.has_recordings)
    wall = Wall(feeds)
    metrics = DashboardMetrics(feeds, sessions, wall, lambda: pages.unsent_bytes)

    def live(document: Document) -> None:
        feed = chosen_feed(feeds, _argument(document, "instrument"))
        pages.page(document, feed, door.refusal(document))

    def control(document: Document) -> None:
        make_control(document, wall, assets, door.refusal(document))

    def replayed(document: Document) -> None:
        replay_part.page(document, _arguments(document), assets, door.refusal(document))

    listening = bound(options)
    names = origins(options, listening.getsockname()[1])
    tornado = LeanBokehTornado(
        {
            "/live": sessions.application("live", live),
            "/replay": sessions.application("replay", replayed),
            "/control": sessions.application("control", control, WallHandler(wall)),
        },
        prefix=options.path,
        extra_websocket_origins=names,
        extra_patterns=[
            *handlers(feeds, metrics, options.path),
            *snapshot_handlers(downloads),
            *pages.handlers(),
            *replay_part.handlers(),
            *login_handlers(door, names, options.path),
        ],
        use_index=False,
        cookie_secret=door.cookie_secret,
        **_security(),
    )
    tornado.add_transform(SecurityHeaders)
    http = HTTPServer(tornado, xheaders=bool(options.allow_origins))
    http.add_sockets([listening])
    return BaseServer(IOLoop.current(), tornado, http), http


def make_door(options: DashboardOptions) -> Door:
    """Raises ConfigError or SecurityError when there is something about the file with the passphrase."""
    is_private = is_local(f"tcp://{host_text(options.address)}") and not options.allow_origins
    return Door(is_private, None if options.operators_key is None else make_key(options.operators_key))


def _argument(document: Document, name: str) -> Sequence[bytes]:
    """The values of `name` in the page's URL."""
    return _arguments(document).get(name, ())


def _arguments(document: Document) -> Mapping[str, Sequence[bytes]]:
    request = getattr(document.session_context, "request", None)
    arguments: Mapping[str, Sequence[bytes]] = getattr(request, "arguments", {})
    return arguments


def _security() -> dict[str, Any]:
    return {
        "xsrf_cookies": True,
        "xsrf_cookie_kwargs": {"httponly": True, "samesite": "Strict"},
        "sign_sessions": True,
        "secret_key": secrets.token_bytes(32),
        "generate_session_ids": True,
        # A session's token is written into the page: other people's cookies are not to be in it.
        "include_headers": [],
        "include_cookies": [],
        "websocket_max_message_size_bytes": MESSAGE_BYTES_LIMIT,
        "websocket_ping_interval": PING_S,
        "check_unused_sessions_milliseconds": UNUSED_CHECK_MS,
        "unused_session_lifetime_milliseconds": UNUSED_LIFETIME_MS,
    }
