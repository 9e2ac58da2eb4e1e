"""The server over real HTTP and websockets, in the test's own loop."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest, HTTPResponse
from tornado.ioloop import IOLoop
from tornado.websocket import websocket_connect

from dashboards.feeds.live_feed import FeedReader, LiveFeed
from dashboards.options import DashboardOptions
from dashboards.server import make_server, serve
from stream_rrvae.errors import ConfigError, SecurityError
from stream_rrvae.feed.publisher import Publisher
from stream_rrvae.messages import Snapshot
from stream_rrvae.operations.systemd import Systemd

MakeSnapshot = Callable[..., Snapshot]
FOREIGN = re.compile(r"(?:https?:)?//[a-z0-9-]+(?:\.[a-z0-9-]+)+", re.IGNORECASE)
SVG_NAMESPACE = "http://www.w3.org/2000/svg"  # a name; nothing is fetched from it
OPTIONS = DashboardOptions(feeds=("tcp://127.0.0.1:1",), port=0, max_sessions=2)


@asynccontextmanager
async def serving(options: DashboardOptions, feeds: list[LiveFeed]) -> AsyncIterator[str]:
    server, http = make_server(options.checked(), feeds)
    server.start()
    try:
        yield f"127.0.0.1:{server.port}"
    finally:
        server.stop()
        await http.close_all_connections()


def test_systemd_is_told_by_the_loop_that_serves(tmp_path: Path) -> None:
    heard: list[bytes] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(60)

        def listen() -> None:
            while len(heard) < 2:
                heard.append(listening.recv(4096))
            os.kill(os.getpid(), signal.SIGTERM)
            heard.append(listening.recv(4096))

        listener = threading.Thread(target=listen)
        listener.start()
        serve(OPTIONS, Systemd({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "2000000"}))
        listener.join()
    assert [message.split(b"\n")[0] for message in heard] == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]


async def get(url: str, **headers: str) -> HTTPResponse:
    request = HTTPRequest(url, headers=headers, follow_redirects=False)
    return await AsyncHTTPClient().fetch(request, raise_error=False)


def run(options: DashboardOptions, feed: LiveFeed, check: Callable[[str], Awaitable[None]]) -> None:
    async def all_of_it() -> None:
        async with serving(options, [feed]) as address:
            await check(address)

    asyncio.run(all_of_it())


def test_the_root_leads_to_the_live_page(feed: LiveFeed) -> None:
    async def check(address: str) -> None:
        answer = await get(f"http://{address}/em/")
        assert (answer.code, answer.headers["Location"]) == (302, "/em/live")
        page = (await get(f"http://{address}/em/live")).body.decode()
        assert "/em/assets/live.js" in page
        # Everything comes from this server: microscopes have no internet.
        assert "cdn" not in page and "https://" not in page

    run(replace(OPTIONS, prefix="/em/"), feed, check)


def test_alive_and_ready_are_told_apart(feed: LiveFeed, make_snapshot: MakeSnapshot) -> None:
    async def check(address: str) -> None:
        assert (await get(f"http://{address}/livez")).code == 200
        assert (await get(f"http://{address}/readyz")).code == 503
        feed.publish(make_snapshot())
        ready = await get(f"http://{address}/readyz")
        assert ready.code == 200 and json.loads(ready.body)["ready"] is True

    run(OPTIONS, feed, check)


def test_what_the_server_counts(feed: LiveFeed, make_snapshot: MakeSnapshot) -> None:
    async def check(address: str) -> None:
        feed.publish(make_snapshot(instrument='names are no labels"}'))
        feed.refuse()
        for _ in range(3):
            await get(f"http://{address}/control")
        answer = await get(f"http://{address}/metrics")
        told = {str(each.labels | {"": each.name}): each.value for each in samples(answer.body.decode())}
        assert told["{'page': 'control', '': 'stream_rrvae_dashboard_sessions'}"] == 2
        assert told["{'': 'stream_rrvae_dashboard_pages_refused_total'}"] == 1
        assert told["{'place': '1', '': 'stream_rrvae_dashboard_snapshots_total'}"] == 1
        assert told["{'place': '1', '': 'stream_rrvae_dashboard_malformed_total'}"] == 1
        assert told["{'place': '1', '': 'stream_rrvae_dashboard_snapshot_age_seconds'}"] == 0
        assert "names are" not in answer.body.decode()

    run(OPTIONS, feed, check)


def samples(text: str) -> list[Sample]:
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


@pytest.mark.parametrize("page", ["live", "control", "replay", "login"])
def test_no_page_names_another_host(feed: LiveFeed, page: str) -> None:
    async def check(address: str) -> None:
        answer = await get(f"http://{address}/{page}")
        assert answer.code == 200
        html = answer.body.decode()
        files = re.findall(r"""(?:src|href)\s*=\s*["']([^"']+)""", html)
        assert files and not [file for file in files if "//" in file]
        for file in {file for file in files if file.endswith((".css", ".js")) or ".css?" in file or ".js?" in file}:
            text = (await get(f"http://{address}{file}")).body.decode()
            if "/assets/" in file:
                assert not FOREIGN.search(text.replace(SVG_NAMESPACE, "")), file
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy and "http" not in policy and "*" not in policy
        assert answer.headers["X-Frame-Options"] == "DENY" and answer.headers["Cache-Control"] == "no-store"

    run(replace(OPTIONS, max_sessions=9), feed, check)


HOSTILE = '</script><img src=x onerror="hacked=1">'


@pytest.mark.parametrize("page", ["live", "control", "replay"])
def test_what_a_service_says_is_not_in_the_pages_html(feed: LiveFeed, make_snapshot: MakeSnapshot, page: str) -> None:
    async def check(address: str) -> None:
        feed.publish(make_snapshot(instrument=HOSTILE, scan_id=HOSTILE, metadata={"sample": HOSTILE}))
        html = (await get(f"http://{address}/{page}?instrument=1&{urlencode({'page': HOSTILE})}")).body.decode()
        assert "onerror" not in html

    run(replace(OPTIONS, max_sessions=9), feed, check)


def test_only_page_files_are_served(feed: LiveFeed) -> None:
    async def check(address: str) -> None:
        assert (await get(f"http://{address}/assets/live.css")).code == 200
        for path in ("live.html", "__init__.py", "../server.py", "%2e%2e/server.py", "..%2fserver.py"):
            assert (await get(f"http://{address}/assets/{path}")).code in (403, 404)

    run(OPTIONS, feed, check)


def test_a_session_token_carries_no_cookies_or_headers(feed: LiveFeed) -> None:
    async def check(address: str) -> None:
        answer = await get(f"http://{address}/live", Cookie="secret=tell-nobody", Authorization="Basic tell-nobody")
        page = answer.body.decode()
        token = page.split('"token":"')[1].split('"')[0]
        payload = base64.urlsafe_b64decode(token.split(".")[0] + "===")
        assert b"session_id" in payload
        assert b"tell-nobody" not in payload and "tell-nobody" not in page

    run(OPTIONS, feed, check)


def test_websockets_of_other_origins_are_refused(feed: LiveFeed) -> None:
    async def check(address: str) -> None:
        token = (await get(f"http://{address}/live")).body.decode().split('"token":"')[1].split('"')[0]
        for origin, welcome in (
            (f"http://{address}", True),
            ("http://evil.example", False),
            (f"http://{address}.evil.example", False),
        ):
            headers = {"Origin": origin, "Sec-WebSocket-Protocol": f"bokeh, {token}"}
            request = HTTPRequest(f"ws://{address}/live/ws", headers=headers)
            if welcome:
                connection = await websocket_connect(request)
                assert b"ACK" in str(await connection.read_message()).encode()
                connection.close()
            else:
                with pytest.raises(HTTPClientError, match="403"):
                    await websocket_connect(request)

    run(OPTIONS, feed, check)


def test_only_the_page_of_a_session_gets_its_line(feed: LiveFeed) -> None:
    async def check(address: str) -> None:
        token = (await get(f"http://{address}/live")).body.decode().split('"token":"')[1].split('"')[0]
        wall = (await get(f"http://{address}/control")).body.decode().split('"token":"')[1].split('"')[0]
        forged = token[:-2] + ("AA" if token[-2:] != "AA" else "BB")

        async def first(origin: str, shown: str) -> object:
            headers = {"Origin": origin, "Sec-WebSocket-Protocol": f"bokeh, {shown}"}
            line = await websocket_connect(HTTPRequest(f"ws://{address}/live/line", headers=headers))
            message = await line.read_message()
            if message is not None:
                for nonsense in ("nonsense", "9" * 4000, b"1", "-1", "²"):
                    await line.write_message(nonsense, binary=isinstance(nonsense, bytes))
                await line.write_message("0")
            line.close()
            return message

        assert isinstance(await first(f"http://{address}", token), bytes)
        assert await first(f"http://{address}", wall) is None, "a wall has no line"
        with pytest.raises(HTTPClientError, match="403"):
            await first("http://evil.example", token)
        logging.disable(logging.ERROR)  # Bokeh says with a stack trace what it refuses
        try:
            assert await first(f"http://{address}", forged) is None
        finally:
            logging.disable(logging.NOTSET)

    run(OPTIONS, feed, check)


def test_viewers_beyond_the_limit_get_a_page_that_says_so(feed: LiveFeed) -> None:
    async def check(address: str) -> None:
        pages = [(await get(f"http://{address}/live")).body.decode() for _ in range(3)]
        assert ["Viewer limit reached" in page for page in pages] == [False, False, True]

    run(OPTIONS, feed, check)


def test_the_reader_hands_snapshots_to_the_loop(make_snapshot: MakeSnapshot) -> None:
    publisher = Publisher("tcp://127.0.0.1:*", "test", 50.0, make_snapshot)
    publisher.start()

    async def check() -> None:
        feed, heard = LiveFeed(publisher.url), asyncio.Event()
        feed.listen(heard.set)
        reader = FeedReader(feed, IOLoop.current())
        reader.start()
        try:
            await asyncio.wait_for(heard.wait(), 30)
            assert feed.newest is not None and feed.newest.snapshot.instrument == "ARM200"
        finally:
            reader.stop()

    try:
        asyncio.run(check())
    finally:
        publisher.stop()


@pytest.mark.parametrize(
    "wrong",
    [
        replace(OPTIONS, feeds=()),
        replace(OPTIONS, port=70000),
        replace(OPTIONS, max_sessions=0),
        replace(OPTIONS, allow_origins=("*",)),
        replace(OPTIONS, allow_origins=("*.lab.example:80",)),
    ],
)
def test_options_that_make_no_sense_are_refused(wrong: DashboardOptions) -> None:
    with pytest.raises(ConfigError):
        wrong.checked()


def test_an_open_bind_must_be_asked_for() -> None:
    with pytest.raises(SecurityError):
        replace(OPTIONS, address="0.0.0.0").checked()
    assert replace(OPTIONS, address="0.0.0.0", allow_remote=True).checked().allow_remote


def test_a_taken_port_is_told(feed: LiveFeed) -> None:
    async def check(address: str) -> None:
        with pytest.raises(ConfigError, match="--port"):
            make_server(replace(OPTIONS, port=int(address.split(":")[1])), [feed])

    run(OPTIONS, feed, check)


def test_the_dashboard_loads_neither_torch_nor_numba_nor_h5py() -> None:
    code = (
        "import sys, dashboards.server\n"
        "heavy = {'torch', 'numba', 'h5py', 'scipy', 'stream_rrvae.maps'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
