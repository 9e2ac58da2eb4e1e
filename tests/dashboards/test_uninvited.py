"""What a stranger may try at the pages' websocket: nothing of it is accepted."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from bokeh.util.token import generate_jwt_token, generate_session_id
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClientConnection, WebSocketClosedError, websocket_connect

from dashboards.feeds.live_feed import LiveFeed
from dashboards.options import DashboardOptions
from dashboards.server import MESSAGE_BYTES_LIMIT, make_server

OPTIONS = DashboardOptions(feeds=("tcp://127.0.0.1:1",), port=0, max_sessions=9)
ATTACK_BYTES = 30 << 20
Attempt = Callable[[str, str], Awaitable[bool]]


@asynccontextmanager
async def serving() -> AsyncIterator[str]:
    server, http = make_server(OPTIONS.checked(), [LiveFeed(url) for url in OPTIONS.feeds])
    server.start()
    try:
        yield f"127.0.0.1:{server.port}"
    finally:
        server.stop()
        await http.close_all_connections()


async def token_of(address: str) -> str:
    page = await AsyncHTTPClient().fetch(f"http://{address}/live")
    return page.body.decode().split('"token":"')[1].split('"')[0]


async def connected(address: str, token: str, origin: str | None = None) -> WebSocketClientConnection:
    headers = {"Origin": origin or f"http://{address}", "Sec-WebSocket-Protocol": f"bokeh, {token}".rstrip(", ")}
    request = HTTPRequest(f"ws://{address}/live/ws", headers=headers)
    return await websocket_connect(request, max_message_size=ATTACK_BYTES)


async def is_welcomed(address: str, token: str, origin: str | None = None) -> bool:
    """Whether the server takes the page for one of its own and says so."""
    try:
        connection = await connected(address, token, origin)
    except HTTPClientError as error:
        assert error.code == 403
        return False
    said = await connection.read_message()
    connection.close()
    return said is not None and "ACK" in str(said)


def _forged(token: str) -> str:
    """The page's own token with another role in it, under its old signature."""
    payload, *signature = token.split(".")
    content = json.loads(base64.urlsafe_b64decode(payload + "==="))
    content["session_id"] = generate_session_id(secret_key=b"not the server's", signed=True)
    changed = base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")
    return ".".join([changed, *signature])


def _own_making() -> str:
    session = generate_session_id(secret_key=b"not the server's", signed=True)
    return generate_jwt_token(session, secret_key=b"not the server's", signed=True, expiration=600)


async def _foreign_origin(address: str, token: str) -> bool:
    port = address.rpartition(":")[2]
    foreign = ("http://evil.example", f"http://{address}.evil.example", f"http://evil.example:{port}", "null")
    return any([await is_welcomed(address, token, origin) for origin in foreign])


async def _no_session(address: str, token: str) -> bool:
    return any([await is_welcomed(address, none) for none in ("", "nothing", "a.b")])


async def _forged_session(address: str, token: str) -> bool:
    return any([await is_welcomed(address, forged) for forged in (_forged(token), _own_making(), token[:-2] + "AA")])


async def _is_answered(address: str, token: str, padding: str) -> bool:
    """Whether a question of Bokeh's protocol, with something large in its header, is taken."""
    connection = await connected(address, token)
    header = json.dumps({"msgid": "1", "msgtype": "SERVER-INFO-REQ", "padding": padding})
    with suppress(WebSocketClosedError):  # it is cut off while it still sends
        for fragment in (header, "{}", "{}"):
            await connection.write_message(fragment)
    while (said := await connection.read_message()) is not None and "SERVER-INFO-REPLY" not in str(said):
        pass  # what a page is told when it comes
    connection.close()
    return said is not None


async def _large_message(address: str, token: str) -> bool:
    assert await _is_answered(address, token, "x" * (MESSAGE_BYTES_LIMIT // 2))
    return await _is_answered(address, token, "x" * ATTACK_BYTES)


ATTEMPTS: dict[str, Attempt] = {
    "foreign origin": _foreign_origin,
    "no session": _no_session,
    "forged session": _forged_session,
    "30 MB message": _large_message,
}


def test_who_was_given_a_page_is_welcome_and_nobody_else() -> None:
    async def check() -> dict[str, bool]:
        async with serving() as address:
            token = await token_of(address)
            assert await is_welcomed(address, token)
            return {name: await attempt(address, token) for name, attempt in ATTEMPTS.items()}

    assert MESSAGE_BYTES_LIMIT < ATTACK_BYTES
    assert asyncio.run(check()) == dict.fromkeys(ATTEMPTS, False)


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Bokeh and Tornado log each refusal; what they say is not the point here."""
    caplog.set_level("CRITICAL")
