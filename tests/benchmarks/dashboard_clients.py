"""Viewers without a screen: they take what the live page is sent and acknowledge it, as a browser that is never late.

python -m tests.benchmarks.dashboard_clients URL COUNT SECONDS [NICENESS]
(says `open` once all are there, `ready` once all have had a frame, after so many seconds how many frames each has had
in one until its last, and looks on until it is ended)
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from contextlib import suppress

from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import WebSocketClientConnection, WebSocketClosedError, websocket_connect

READY = {"type": "event", "name": "document_ready", "values": {"type": "map", "entries": []}}
EVENT = {"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": READY}
MESSAGE_BYTES = 1 << 28


class Viewer:
    """One page of `url`, http://host:port/live, without a browser."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.painted = 0
        self.latest_s = 0.0
        self.first = asyncio.Event()

    async def open(self) -> None:
        """Get the page, connect its websocket, say that the document is ready, and open its line."""
        page = (await AsyncHTTPClient().fetch(self.url)).body.decode()
        self._token = page.split('"token":"')[1].split('"')[0]
        self._bokeh = await self._connected("ws")
        await self._bokeh.read_message()  # before Bokeh greets it does not listen
        for number, (kind, content) in enumerate((("PULL-DOC-REQ", {}), ("PATCH-DOC", {"events": [EVENT]})), 1):
            for part in ({"msgid": str(number), "msgtype": kind}, {}, content):
                await self._bokeh.write_message(json.dumps(part))
        self._line = await self._connected("line")

    async def _connected(self, name: str) -> WebSocketClientConnection:
        origin = "/".join(self.url.split("/")[:3])
        headers = {"Origin": origin, "Sec-WebSocket-Protocol": f"bokeh, {self._token}"}
        request = HTTPRequest(f"ws{self.url.removeprefix('http')}/{name}", headers=headers)
        return await websocket_connect(request, max_message_size=MESSAGE_BYTES)

    async def look(self) -> None:
        """Take what comes and acknowledge every push, until the connection ends."""
        with suppress(WebSocketClosedError):
            await asyncio.gather(self._listen(), self._paint())

    async def _listen(self) -> None:
        while await self._bokeh.read_message() is not None:
            continue

    async def _paint(self) -> None:
        while (message := await self._line.read_message()) is not None:
            assert isinstance(message, bytes)
            told = json.loads(message[4 : 4 + int.from_bytes(message[:4], "little")])
            if told["number"]:
                await self._line.write_message(str(told["number"]))
            if "measured" in told["sources"]:
                self.painted, self.latest_s = self.painted + 1, time.monotonic()
                self.first.set()


async def _look_on(url: str, count: int, seconds: float) -> None:
    viewers = [Viewer(url) for _ in range(count)]
    for viewer in viewers:
        await viewer.open()
    print("open", flush=True)
    looking = [asyncio.create_task(viewer.look()) for viewer in viewers]
    await asyncio.gather(*(viewer.first.wait() for viewer in viewers))
    began = [(viewer.painted, viewer.latest_s) for viewer in viewers]
    print("ready", flush=True)
    await asyncio.sleep(seconds)
    rates = [
        (viewer.painted - before) / max(viewer.latest_s - since_s, 1e-9)
        for viewer, (before, since_s) in zip(viewers, began, strict=True)
    ]
    print(f"rates {json.dumps(rates)}", flush=True)
    await asyncio.gather(*looking)


if __name__ == "__main__":
    os.nice(int(sys.argv[4]) if len(sys.argv) > 4 else 0)
    asyncio.run(_look_on(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
