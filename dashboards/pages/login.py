"""`/login`: the operators' passphrase for a signed cookie; `/logout`: gives it back."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from bokeh.server.util import check_allowlist
from tornado.web import HTTPError, RequestHandler

from dashboards.access.attempts import Attempts
from dashboards.access.roles import COOKIE_DAYS, Door, Role
from dashboards.pages.templates import template
from stream_rrvae.log import event

PASSPHRASE_LIMIT = 4096
# Where a login leads to: pages of ours by name, never an address that somebody else wrote into a link.
PAGES = ("live", "replay", "control")


class _DoorHandler(RequestHandler):
    """What both have in common; `path` is the prefix before all pages, `origins` the names of this server."""

    def initialize(self, door: Door, attempts: Attempts, origins: Sequence[str], path: str) -> None:
        self._door, self._attempts, self._origins, self._path = door, attempts, origins, path

    def prepare(self) -> None:
        origin = self.request.headers.get("Origin")
        # Beside the XSRF token: a page under another name that leads to this address knows that token.
        if origin is not None and not check_allowlist(urlsplit(origin).netloc.lower(), self._origins):
            raise HTTPError(403)

    def _to_page(self) -> None:
        page = self.get_argument("page", "live")
        self.redirect(f"{self._path}/{page if page in PAGES else 'live'}")


class LoginHandler(_DoorHandler):
    """The form, and what comes back of it."""

    def get(self) -> None:
        self._show("")

    def post(self) -> None:
        address = self.request.remote_ip or "unknown"
        wait_s = self._attempts.wait_s(address)
        if wait_s > 0:
            self.set_status(429)
            self.set_header("Retry-After", str(math.ceil(wait_s)))
            self._show(f"Too many attempts. Try again in {math.ceil(wait_s)} s.")
        elif not self._door.admits(self.get_body_argument("passphrase", "")[:PASSPHRASE_LIMIT]):
            self._attempts.failed(address)
            event("passphrase_refused", logging.WARNING, address=address)
            self.set_status(403)
            self._show("That is not the passphrase.")
        else:
            self._admit()

    def _admit(self) -> None:
        self.set_signed_cookie(
            self._door.cookie_name, self._door.admit(), expires_days=COOKIE_DAYS, path=self._path or "/",
            httponly=True, samesite="Strict", secure=self.request.protocol == "https",
        )  # fmt: skip
        self._to_page()

    def _show(self, refused: str) -> None:
        page = self.get_argument("page", "live")
        token = self.xsrf_token.decode()
        self.finish(
            template("login.html").render(
                assets=f"{self._path}/assets",
                page=page if page in PAGES else "live",
                refused=refused,
                has_lock=self._door.has_lock,
                is_operator=self._door.role(self.request) is Role.OPERATOR,
                xsrf=token,
            )
        )


class LogoutHandler(_DoorHandler):
    """Takes the cookie back and ends its login; pages that are open look on from then on."""

    def post(self) -> None:
        self._door.end(self.request)
        self.clear_cookie(self._door.cookie_name, path=self._path or "/")
        self._to_page()


def login_handlers(door: Door, origins: Sequence[str], path: str) -> list[Any]:
    """URL patterns, without the prefix `path`, which Bokeh puts before them."""
    told = {"door": door, "attempts": Attempts(), "origins": origins, "path": path}
    return [(r"/login", LoginHandler, told), (r"/logout", LogoutHandler, told)]
