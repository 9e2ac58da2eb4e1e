"""Operators and viewers: decided by the server, and by nothing that a page can say."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import pytest
from bokeh.document import Document
from bokeh.util.token import get_token_payload
from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.web import create_signed_value

from dashboards.access.attempts import ADDRESSES_KEPT, FROM_ALL, FROM_ONE_ADDRESS, WINDOW_S, Attempts
from dashboards.access.roles import (
    COOKIE_DAYS,
    DAY_S,
    LOGINS_LIMIT,
    NO_PASSPHRASE,
    NOT_LOGGED_IN,
    Door,
    Role,
    role_of,
    why_viewer,
)
from dashboards.feeds.live_feed import LiveFeed
from dashboards.options import DashboardOptions
from dashboards.server import make_server
from stream_rrvae.errors import SecurityError

PASSPHRASE = "correct horse battery"
OPTIONS = DashboardOptions(feeds=("tcp://127.0.0.1:1",), port=0)
Check = Callable[["Browser"], Awaitable[None]]


class Browser:
    """Keeps cookies as a browser does; nothing else of one."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.cookies: dict[str, str] = {}
        self.flags: dict[str, str] = {}

    async def ask(self, path: str, form: dict[str, str] | None = None, **headers: str) -> HTTPResponse:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        request = HTTPRequest(
            f"http://{self.address}{path}", "GET" if form is None else "POST",
            headers={"Cookie": cookie, **headers}, body=None if form is None else urlencode(form),
            follow_redirects=False,
        )  # fmt: skip
        answer = await AsyncHTTPClient().fetch(request, raise_error=False)
        for line in answer.headers.get_list("Set-Cookie"):
            name, _, rest = line.partition("=")
            self.cookies[name], self.flags[name] = rest.partition(";")[0], rest.partition(";")[2].lower()
        return answer

    async def log_in(self, said: str, **headers: str) -> HTTPResponse:
        page = (await self.ask("/login?page=control")).body.decode()
        found = re.search(r'name="_xsrf" value="([^"]+)"', page)
        return await self.ask(
            "/login?page=control", {"passphrase": said, "_xsrf": found[1] if found else ""}, **headers
        )

    async def role(self) -> tuple[str, str]:
        """The role that a page gets, and why it is no better."""
        page = (await self.ask("/control")).body.decode()
        payload = get_token_payload(page.split('"token":"')[1].split('"')[0])
        return payload["role"], payload["viewer_reason"]


@asynccontextmanager
async def serving(options: DashboardOptions) -> AsyncIterator[Browser]:
    server, http = make_server(options.checked(), [LiveFeed(url) for url in options.feeds])
    server.start()
    try:
        yield Browser(f"127.0.0.1:{server.port}")
    finally:
        server.stop()
        await http.close_all_connections()


def run(options: DashboardOptions, check: Check) -> None:
    async def all_of_it() -> None:
        async with serving(options) as browser:
            await check(browser)

    asyncio.run(all_of_it())


@pytest.fixture
def locked(tmp_path: Path) -> DashboardOptions:
    key = tmp_path / "operators.key"
    key.write_text(PASSPHRASE)
    key.chmod(0o600)
    return replace(OPTIONS, operators_key=key)


@pytest.mark.parametrize(
    ("options", "role"),
    [
        (OPTIONS, Role.OPERATOR),
        (replace(OPTIONS, address="0.0.0.0", allow_remote=True), Role.VIEWER),
        (replace(OPTIONS, allow_origins=("microscopes.example.org:8080",)), Role.VIEWER),
    ],
)
def test_without_a_passphrase_this_machine_alone_operates(options: DashboardOptions, role: Role) -> None:
    async def check(browser: Browser) -> None:
        assert await browser.role() == (role, NO_PASSPHRASE)
        assert (await browser.log_in(PASSPHRASE)).code == 403

    run(options, check)


def test_who_knows_the_passphrase_is_operator_until_logged_out(locked: DashboardOptions) -> None:
    async def check(browser: Browser) -> None:
        assert await browser.role() == (Role.VIEWER, NOT_LOGGED_IN)
        assert (await browser.log_in("correct horse")).code == 403
        assert (await browser.role())[0] == Role.VIEWER
        answer = await browser.log_in(PASSPHRASE)
        assert (answer.code, answer.headers["Location"]) == (302, "/control")
        assert (await browser.role())[0] == Role.OPERATOR
        page = (await browser.ask("/login")).body.decode()
        xsrf = page.split('name="_xsrf" value="')[1].split('"')[0]
        assert (await browser.ask("/logout", {"_xsrf": xsrf})).code == 302
        assert (await browser.role())[0] == Role.VIEWER

    run(locked, check)


def test_cookies_are_for_this_server_alone(locked: DashboardOptions) -> None:
    async def check(browser: Browser) -> None:
        await browser.log_in(PASSPHRASE)
        operator = next(name for name in browser.cookies if name.startswith("operator_"))
        for name in (operator, "_xsrf"):
            assert "httponly" in browser.flags[name] and "samesite=strict" in browser.flags[name]
        assert PASSPHRASE not in browser.cookies[operator]
        # Behind a proxy with TLS it never travels in the clear.
        await browser.log_in(PASSPHRASE, **{"X-Forwarded-Proto": "https"})
        assert "secure" in browser.flags[operator]

    run(replace(locked, allow_origins=("microscopes.example.org:443",)), check)


def test_a_cookie_of_ones_own_making_is_worth_nothing(locked: DashboardOptions) -> None:
    async def check(browser: Browser) -> None:
        await browser.log_in(PASSPHRASE)
        name = next(name for name in browser.cookies if name.startswith("operator_"))
        signed = browser.cookies[name]
        for forged in ("operator", signed[:-1] + ("0" if signed[-1] != "0" else "1"), ""):
            browser.cookies[name] = forged
            assert (await browser.role())[0] == Role.VIEWER

    run(locked, check)


def test_a_login_needs_the_forms_token_and_this_servers_name(locked: DashboardOptions) -> None:
    async def check(browser: Browser) -> None:
        await browser.ask("/login")
        assert (await browser.ask("/login", {"passphrase": PASSPHRASE})).code == 403
        assert (await browser.ask("/login", {"passphrase": PASSPHRASE, "_xsrf": "2|0|0|0"})).code == 403
        assert (await browser.log_in(PASSPHRASE, Origin="http://evil.example")).code == 403
        assert (await browser.role())[0] == Role.VIEWER
        assert (await browser.log_in(PASSPHRASE, Origin=f"http://{browser.address}")).code == 302

    run(locked, check)


def test_a_login_leads_to_our_pages_alone(locked: DashboardOptions) -> None:
    async def check(browser: Browser) -> None:
        await browser.log_in(PASSPHRASE)
        page = (await browser.ask("/login?page=//evil.example/")).body.decode()
        assert "evil" not in page
        xsrf = page.split('name="_xsrf" value="')[1].split('"')[0]
        answer = await browser.ask("/logout?page=https://evil.example", {"_xsrf": xsrf})
        assert answer.headers["Location"] == "/live"

    run(locked, check)


def test_guessing_is_slow(locked: DashboardOptions) -> None:
    async def check(browser: Browser) -> None:
        for _ in range(FROM_ONE_ADDRESS):
            assert (await browser.log_in("a wrong passphrase")).code == 403
        answer = await browser.log_in(PASSPHRASE)
        assert answer.code == 429 and 0 < int(answer.headers["Retry-After"]) <= WINDOW_S
        assert (await browser.role())[0] == Role.VIEWER

    run(locked, check)


def test_attempts_are_counted_for_each_address_and_forgotten_in_time() -> None:
    now_s = 0.0
    attempts = Attempts(lambda: now_s)
    for _ in range(FROM_ONE_ADDRESS):
        assert attempts.wait_s("a") == 0
        attempts.failed("a")
    assert attempts.wait_s("a") == WINDOW_S and attempts.wait_s("b") == 0
    now_s = WINDOW_S
    assert attempts.wait_s("a") == 0
    for number in range(FROM_ALL):
        attempts.failed(str(number))
    assert attempts.wait_s("never seen") == WINDOW_S
    for number in range(3 * ADDRESSES_KEPT):
        attempts.failed(f"many {number}")
    assert len(attempts._by_address) == ADDRESSES_KEPT


def test_a_document_without_a_session_may_only_look_on() -> None:
    assert role_of(Document()) is Role.VIEWER
    assert why_viewer(Document()) == NOT_LOGGED_IN


def asking(door: Door, login: str) -> HTTPServerRequest:
    """A request as a browser with this login's cookie sends it."""
    signed = create_signed_value(door.cookie_secret, door.cookie_name, login).decode()
    headers = HTTPHeaders({"Host": "localhost", "Cookie": f"{door.cookie_name}={signed}"})
    return HTTPServerRequest(headers=headers, start_line=RequestStartLine("GET", "/live", "HTTP/1.1"))


def test_a_login_ends_by_logging_out_in_time_and_when_there_are_too_many() -> None:
    now_s = 0.0
    door = Door(True, PASSPHRASE, lambda: now_s)
    first, second = asking(door, door.admit()), asking(door, door.admit())
    assert door.role(first) is door.role(second) is Role.OPERATOR
    door.end(first)
    assert (door.role(first), door.role(second)) == (Role.VIEWER, Role.OPERATOR)
    assert door.role(asking(door, "of my own making")) is Role.VIEWER
    now_s = COOKIE_DAYS * DAY_S + 1
    assert door.role(second) is Role.VIEWER
    third = asking(door, door.admit())
    for _ in range(LOGINS_LIMIT):
        door.admit()
    assert door.role(third) is Role.VIEWER


def test_a_passphrase_that_others_may_read_is_refused(locked: DashboardOptions) -> None:
    assert locked.operators_key is not None
    locked.operators_key.chmod(0o644)

    async def check() -> None:
        with pytest.raises(SecurityError, match="chmod 600"):
            make_server(locked, [])

    asyncio.run(check())
