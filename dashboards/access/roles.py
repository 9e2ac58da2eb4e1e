"""Who may change something: operators. Everybody else looks on. Decided on the server for each page that is loaded.

The role travels in the signed token of the page's session, so a page cannot give itself another one; with it goes the
login that it is by, so that it ends with that login, on pages that are open too.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from bokeh.application.handlers.handler import Handler
from bokeh.document import Document
from tornado.httputil import HTTPServerRequest
from tornado.web import decode_signed_value

COOKIE_DAYS = 0.5  # a shift
LOGINS_LIMIT = 1000  # at a time; the oldest ends
DAY_S = 86400.0
_ROLE, _REASON, _LOGIN = "role", "viewer_reason", "login"
Refusal = Callable[[], str]  # why a page may only look on now; empty = it may do everything
NO_PASSPHRASE = "only for operators; this server was started without --operators-key"
NOT_LOGGED_IN = "only for operators: log in"
LOGGED_OUT = "only for operators: this login has ended"


class Role(StrEnum):
    OPERATOR = "operator"
    VIEWER = "viewer"


def role_of(document: Document) -> Role:
    """The role of whoever loaded this page; a document without a session of the server's is a viewer's."""
    return Role.OPERATOR if _told(document).get(_ROLE) == Role.OPERATOR else Role.VIEWER


def why_viewer(document: Document) -> str:
    """Why this page may only look on, to be shown at what it may not do; empty for an operator's. As it was loaded."""
    return "" if role_of(document) is Role.OPERATOR else str(_told(document).get(_REASON, NOT_LOGGED_IN))


def _told(document: Document) -> dict[str, Any]:
    # The token's signature was checked when the session was made.
    return dict(getattr(document.session_context, "token_payload", {}))


class Door:
    """Tells operators from viewers. `is_private`: only this machine reaches the server.

    Without a passphrase everybody is operator on a private server and viewer on any other. With one, whoever has said
    it is, for COOKIE_DAYS or until the server ends.
    """

    def __init__(
        self, is_private: bool, passphrase: str | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.cookie_secret = secrets.token_hex(32)
        # A cookie is valid for all ports of a host: two servers on one must not log each other's operators out.
        self.cookie_name = f"operator_{secrets.token_hex(4)}"
        self._is_private = is_private
        self._passphrase = passphrase
        self._clock = clock
        self._logins: dict[str, float] = {}  # until when each is good, the oldest first

    @property
    def has_lock(self) -> bool:
        """Whether one can log in at all."""
        return self._passphrase is not None

    def admits(self, said: str) -> bool:
        """Whether this is the passphrase."""
        return self._passphrase is not None and hmac.compare_digest(said.encode(), self._passphrase.encode())

    def admit(self) -> str:
        """A login begins: what the cookie says from now on."""
        while len(self._logins) >= LOGINS_LIMIT:
            del self._logins[next(iter(self._logins))]
        login = secrets.token_urlsafe(16)
        self._logins[login] = self._clock() + COOKIE_DAYS * DAY_S
        return login

    def end(self, request: HTTPServerRequest) -> None:
        """The login of `request` is over."""
        self._logins.pop(self._login(request), None)

    def role(self, request: HTTPServerRequest) -> Role:
        """The role of whoever sent `request`."""
        if self._passphrase is None:
            return Role.OPERATOR if self._is_private else Role.VIEWER
        return Role.OPERATOR if self._is_good(self._login(request)) else Role.VIEWER

    def facts(self, request: HTTPServerRequest) -> dict[str, str]:
        """What goes into the token of the session that `request` opens."""
        reason = NOT_LOGGED_IN if self.has_lock else NO_PASSPHRASE
        return {_ROLE: self.role(request), _REASON: reason, _LOGIN: self._login(request)}

    def refusal(self, document: Document) -> Refusal:
        """Why the page of `document` may only look on, to be asked whenever it wants something."""
        reason, login = why_viewer(document), str(_told(document).get(_LOGIN, ""))

        def now() -> str:
            return reason or (LOGGED_OUT if self.has_lock and not self._is_good(login) else "")

        return now

    def _is_good(self, login: str) -> bool:
        return self._clock() < self._logins.get(login, -1.0)

    def _login(self, request: HTTPServerRequest) -> str:
        """What the request's cookie says, if it is one of ours; else empty."""
        cookie = request.cookies.get(self.cookie_name)
        value = None if cookie is None else cookie.value
        said = decode_signed_value(self.cookie_secret, self.cookie_name, value, max_age_days=COOKIE_DAYS)
        return "" if said is None else said.decode("ascii", "replace")


class RoleHandler(Handler):
    """The part of a Bokeh application that puts the role into the session's token."""

    def __init__(self, door: Door) -> None:
        super().__init__()
        self._door = door

    def modify_document(self, doc: Document) -> None:
        """Nothing: the page itself is made elsewhere."""

    def process_request(self, request: HTTPServerRequest) -> dict[str, Any]:
        return self._door.facts(request)
