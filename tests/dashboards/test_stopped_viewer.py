"""A viewer that stops reading without a word, counted in bytes: one push waits for it, and it is given up."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tornado.httpclient import AsyncHTTPClient

from dashboards import listening
from dashboards.feeds.live_feed import LiveFeed
from dashboards.feeds.view_frame import ViewFrame
from dashboards.live.pushes import Pushes
from dashboards.options import DashboardOptions
from dashboards.pictures.wishes import Wishes
from dashboards.server import make_server
from dashboards.views.view import LiveView
from stream_rrvae.messages import Snapshot

MakeSnapshot = Callable[..., Snapshot]
LIMIT_BYTES = 5_000_000
LEAST_BYTES = 100_000  # of a push; what is told beside it is shorter
UNTAKEN_MS = 700
UNSENT = re.compile(r"^stream_rrvae_dashboard_unsent_bytes (\S+)", re.MULTILINE)


def square(make_snapshot: MakeSnapshot, side: int) -> Snapshot:
    """A scan of side x side with all maps that a page shows."""
    image = np.arange(side * side, dtype=np.float32).reshape(side, side) / side**2
    names = (
        "com_magnitude",
        "com_direction",
        "com_y",
        "com_x",
        "rotation",
        "rotation_confidence",
        "latent_1",
        "latent_2",
    )
    maps = {name: image for name in names}  # noqa: C420  # keeps the type
    return make_snapshot(scan_shape=(side, side), maps=maps, pattern=image[:256, :256])


@pytest.mark.parametrize("enlarged", ["", "magnitude", "rotation"])
def test_no_push_is_longer_than_a_viewer_may_cost(make_snapshot: MakeSnapshot, enlarged: str) -> None:
    frame = ViewFrame(square(make_snapshot, 2048), 0.0, 0)
    view = LiveView(frame, Wishes(enlarged=enlarged, arrows=True))
    pushes = Pushes()
    lengths = [len(push.message) for push in (pushes.measured(view), pushes.modelled(view))]
    assert LEAST_BYTES < max(lengths) < LIMIT_BYTES


class Reader:
    """A live page whose line is a plain socket that takes little, and that nobody reads."""

    def __init__(self, port: int) -> None:
        self._url, self._port = f"http://127.0.0.1:{port}", port
        self._line = socket.socket()
        self._line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

    async def open(self) -> None:
        """Get the page, whose session lives for a while without a websocket, and open its line."""
        html = (await AsyncHTTPClient().fetch(f"{self._url}/live")).body.decode()
        token = html.split('"token":"')[1].split('"')[0]
        self._line.connect(("127.0.0.1", self._port))
        told = (
            "GET /live/line HTTP/1.1", f"Host: 127.0.0.1:{self._port}", f"Origin: {self._url}", "Upgrade: websocket",
            "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: c3RyZWFtLXJydmFlLTAwMQ==",
            f"Sec-WebSocket-Protocol: bokeh, {token}", "", "",
        )  # fmt: skip
        self._line.sendall("\r\n".join(told).encode())

    async def unsent_bytes(self) -> int:
        text = (await AsyncHTTPClient().fetch(f"{self._url}/metrics")).body.decode()
        found = UNSENT.search(text)
        assert found is not None
        return round(float(found[1]))

    def close(self) -> None:
        self._line.close()


async def until(condition: Callable[[], bool]) -> None:
    """Waits for as long as pytest lets it."""
    while not condition():
        await asyncio.sleep(0.02)


def test_one_push_waits_for_who_stops_and_then_he_is_given_up(
    feed: LiveFeed, clock: Any, make_snapshot: MakeSnapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "UNTAKEN_MS", UNTAKEN_MS)
    large = square(make_snapshot, 512)

    async def watched(reader: Reader) -> list[int]:
        await reader.open()
        await until(lambda: bool(feed._listeners))
        held: list[int] = []
        while feed._listeners:
            clock.now_s += 3.0  # the watchdog would send again without an acknowledgement
            feed.publish(replace(large, serial=len(held), published_unix_s=1.7e9 + len(held)))
            held.append(await reader.unsent_bytes())
        return [*held, await reader.unsent_bytes()]

    async def all_of_it() -> list[int]:
        server, http = make_server(DashboardOptions(feeds=(feed.url,), port=0), [feed])
        server.start()
        reader = Reader(int(server.port or 0))
        try:
            return await watched(reader)
        finally:
            reader.close()
            server.stop()
            await http.close_all_connections()

    *held, at_last = asyncio.run(all_of_it())
    (waiting,) = {each for each in held if each > LEAST_BYTES}  # it does not grow, however much is published
    assert waiting < LIMIT_BYTES and at_last == 0
