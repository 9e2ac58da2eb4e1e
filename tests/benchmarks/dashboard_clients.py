"""Viewers without a screen: they take what the live page is sent and acknowledge it, as a browser that is never late.

python -m tests.benchmarks.dashboard_clients URL COUNT SECONDS   (says `ready` once all have had a frame, after so many
seconds how many frames each has had in one, and looks on until it is ended)
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

PUSH = re.compile(r'\\"push\\": (\d+)')
READY = {"type": "event", "name": "document_ready", "values": {"type": "map", "entries": []}}
MESSAGE_BYTES = 1 << 28


class Viewer:
    """One page of `url`, http://host:port/live, without a browser."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.painted = 0
        self.first = asyncio.Event()
        self._messages = 0
        self._reply = ""

    async def open(self) -> None:
        """Get the page, connect its websocket, and say that the document is ready."""
        page = (await AsyncHTTPClient().fetch(self.url)).body.decode()
        token = page.split('"token":"')[1].split('"')[0]
        origin = "/".join(self.url.split("/")[:3])
        headers = {"Origin": origin, "Sec-WebSocket-Protocol": f"bokeh, {token}"}
        request = HTTPRequest(f"ws{self.url.removeprefix('http')}/ws", headers=headers)
        self.socket: WebSocketClientConnection = await websocket_connect(request, max_message_size=MESSAGE_BYTES)
        await self._message()
        await self._say("PULL-DOC-REQ", {})
        while not self._reply:  # what is told to all pages may come before the document
            self._reply = _id_of("reply", await self._message())
        await self._patch({"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": READY})

    async def look(self) -> None:
        """Take what comes and acknowledge every frame, until the connection ends."""
        while True:
            try:
                content = await self._message()
            except ConnectionError:
                return
            pushed = PUSH.findall(json.dumps(content))
            if pushed and int(pushed[-1]):
                self.painted += 1
                self.first.set()
                columns = [["push", [int(pushed[-1])]], ["wish", ["{}"]], ["order", ["{}"]]]
                change = {"kind": "ModelChanged", "model": {"id": self._reply}, "attr": "data"}
                await self._patch({**change, "new": {"type": "map", "entries": columns}})

    async def _message(self) -> Any:
        """The content of the next message; its arrays are thrown away."""
        header = json.loads(await self._part())
        await self._part()
        content = json.loads(await self._part())
        for _ in range(2 * header.get("num_buffers", 0)):
            await self._part()
        return content

    async def _part(self) -> str | bytes:
        part = await self.socket.read_message()
        if part is None:
            raise ConnectionError("the server closed the connection")
        return part

    async def _patch(self, event: dict[str, Any]) -> None:
        await self._say("PATCH-DOC", {"events": [event]})

    async def _say(self, kind: str, content: dict[str, Any]) -> None:
        self._messages += 1
        for part in ({"msgid": str(self._messages), "msgtype": kind}, {}, content):
            await self.socket.write_message(json.dumps(part))


def _id_of(name: str, tree: Any) -> str:
    """The id of the model with this name, "" where there is none."""
    if isinstance(tree, dict) and isinstance(tree.get("attributes"), dict) and tree["attributes"].get("name") == name:
        return str(tree["id"])
    values = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    return next((found for value in values if (found := _id_of(name, value))), "")


async def _look_on(url: str, count: int, seconds: float) -> None:
    viewers = [Viewer(url) for _ in range(count)]
    for viewer in viewers:
        await viewer.open()
    looking = [asyncio.create_task(viewer.look()) for viewer in viewers]
    await asyncio.gather(*(viewer.first.wait() for viewer in viewers))
    began_s, began = time.monotonic(), [viewer.painted for viewer in viewers]
    print("ready", flush=True)
    await asyncio.sleep(seconds)
    taken_s = time.monotonic() - began_s
    rates = [(viewer.painted - before) / taken_s for viewer, before in zip(viewers, began, strict=True)]
    print(f"rates {json.dumps(rates)}", flush=True)
    await asyncio.gather(*looking)


if __name__ == "__main__":
    asyncio.run(_look_on(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
