"""Viewers come, go and stop reading: nothing of them stays, and nobody else notices."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import psutil
import pytest
from bokeh.document import Document
from bokeh.server.server import BaseServer
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from dashboards import server as dashboard_server
from dashboards.feeds.live_feed import LiveFeed
from dashboards.options import DashboardOptions
from stream_rrvae.messages import Snapshot

MakeSnapshot = Callable[..., Snapshot]
VIEWERS, AT_A_TIME = 50, 10  # twice; a live page, which takes longest to make, and four walls in turn
READY = {"type": "event", "name": "document_ready", "values": {"type": "map", "entries": []}}
ROUNDS = 40  # some 10 MB: more than sockets take for somebody who does not read
GROWTH_LIMIT_BYTES = 12 << 20


@pytest.fixture(autouse=True)
def soon_forgotten(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(dashboard_server, "UNUSED_CHECK_MS", 50)
    monkeypatch.setattr(dashboard_server, "UNUSED_LIFETIME_MS", 500)
    gc.collect()
    gc.freeze()  # as the server does: Bokeh collects garbage for every viewer that leaves
    yield
    gc.unfreeze()


@asynccontextmanager
async def serving(feed: LiveFeed) -> AsyncIterator[BaseServer]:
    options = DashboardOptions(feeds=(feed.url,), port=0, max_sessions=200)
    server, http = dashboard_server.make_server(options, [feed])
    server.start()
    try:
        yield server
    finally:
        server.stop()
        await http.close_all_connections()


def run(feed: LiveFeed, check: Callable[[BaseServer], Awaitable[None]]) -> None:
    async def all_of_it() -> None:
        async with serving(feed) as server:
            await check(server)

    asyncio.run(all_of_it())


async def opened(server: BaseServer, page: str) -> list[WebSocketClientConnection]:
    """A page whose websocket is connected and whose document said that it is ready; a live page's line comes last."""
    address = f"127.0.0.1:{server.port}/{page}"
    html = (await AsyncHTTPClient().fetch(f"http://{address}")).body.decode()
    token = html.split('"token":"')[1].split('"')[0]
    headers = {"Origin": f"http://127.0.0.1:{server.port}", "Sec-WebSocket-Protocol": f"bokeh, {token}"}
    connection = await websocket_connect(HTTPRequest(f"ws://{address}/ws", headers=headers))
    await connection.read_message()
    event = {"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": READY}
    for part in ({"msgid": "1", "msgtype": "PATCH-DOC"}, {}, {"events": [event]}):
        await connection.write_message(json.dumps(part))
    if page != "live":
        return [connection]
    return [connection, await websocket_connect(HTTPRequest(f"ws://{address}/line", headers=headers))]


def sessions(server: BaseServer) -> list[Any]:
    return [session for page in ("/live", "/control") for session in server.get_sessions(page)]


async def until(condition: Callable[[], bool]) -> None:
    """Waits for as long as pytest lets it."""
    while not condition():
        await asyncio.sleep(0.02)


async def come_and_go(server: BaseServer) -> int:
    """VIEWERS viewers, some at a time; gives the memory of this process once they have gone."""
    for _ in range(VIEWERS // AT_A_TIME):
        pages = ["control" if i % 5 else "live" for i in range(AT_A_TIME)]
        connections = [each for page in pages for each in await opened(server, page)]
        assert len(sessions(server)) >= AT_A_TIME
        for connection in connections:
            connection.close()
        await until(lambda: not sessions(server))
    gc.collect()
    return int(psutil.Process().memory_info().rss)


@pytest.mark.timeout(180)
def test_a_hundred_viewers_leave_nothing_behind(feed: LiveFeed, make_snapshot: MakeSnapshot) -> None:
    async def check(server: BaseServer) -> None:
        feed.publish(make_snapshot())
        used = await come_and_go(server)
        documents = sum(isinstance(each, Document) for each in gc.get_objects())
        assert await come_and_go(server) - used < GROWTH_LIMIT_BYTES
        assert sum(isinstance(each, Document) for each in gc.get_objects()) <= documents
        assert not feed._listeners

    run(feed, check)


def test_who_does_not_read_holds_nobody_up(
    feed: LiveFeed, clock: Any, make_snapshot: MakeSnapshot, unpacked: Any
) -> None:
    side = 256
    maps = {"com_magnitude": np.ones((side, side), np.float32), "com_direction": np.ones((side, side), np.float32)}
    large = make_snapshot(scan_shape=(side, side), maps=maps, pattern=np.ones((side, side), np.float32))

    async def check(server: BaseServer) -> None:
        stopped, reading = await opened(server, "live"), await opened(server, "live")
        await until(lambda: len(feed._listeners) == 2)
        for turn in range(ROUNDS):
            clock.now_s += 3.0  # the watchdog sends again without an acknowledgement
            published_unix_s = 1.7e9 + turn
            feed.publish(replace(large, serial=turn, published_unix_s=published_unix_s))
            wanted, message = f'"published\\": {published_unix_s}'.encode(), b""
            while wanted not in message:
                message = bytes(await reading[-1].read_message() or b"")  # type: ignore[arg-type]  # all are binary
                await reading[-1].write_message(str(unpacked(message)[0]))
        for connection in (*stopped, *reading):
            connection.close()

    run(feed, check)
