"""Who may change something: operators. Everybody else looks on. Decided on the server for each page that is loaded.

The role travels in the signed token of the page's session, so a page cannot give itself another one.
"""

from __future__ import annotations

import hmac
import secrets
from enum import StrEnum
from typing import Any

from bokeh.application.handlers.handler import Handler
from bokeh.document import Document
from tornado.httputil import HTTPServerRequest
from tornado.web import decode_signed_value

COOKIE_DAYS = 0.5  # a shift
_ADMITTED = b"operator"
_ROLE, _REASON = "role", "viewer_reason"
NO_PASSPHRASE = "only for operators; this server was started without --operators-key"
NOT_LOGGED_IN = "only for operators: log in"


class Role(StrEnum):
    OPERATOR = "operator"
    VIEWER = "viewer"


def role_of(document: Document) -> Role:
    """The role of whoever loaded this page; a document without a session of the server's is a viewer's."""
    return Role.OPERATOR if _told(document).get(_ROLE) == Role.OPERATOR else Role.VIEWER


def why_viewer(document: Document) -> str:
    """Why this page may only look on, to be shown at what it may not do; empty for an operator's."""
    return "" if role_of(document) is Role.OPERATOR else str(_told(document).get(_REASON, NOT_LOGGED_IN))


def _told(document: Document) -> dict[str, Any]:
    # The token's signature was checked when the session was made.
    return dict(getattr(document.session_context, "token_payload", {}))


class Door:
    """Tells operators from viewers. `is_private`: only this machine reaches the server.

    Without a passphrase everybody is operator on a private server and viewer on any other. With one, whoever has said
    it is, for COOKIE_DAYS or until the server ends.
    """

    def __init__(self, is_private: bool, passphrase: str | None = None) -> None:
        self.cookie_secret = secrets.token_hex(32)
        # A cookie is valid for all ports of a host: two servers on one must not log each other's operators out.
        self.cookie_name = f"operator_{secrets.token_hex(4)}"
        self._is_private = is_private
        self._passphrase = passphrase

    @property
    def has_lock(self) -> bool:
        """Whether one can log in at all."""
        return self._passphrase is not None

    def admits(self, said: str) -> bool:
        """Whether this is the passphrase."""
        return self._passphrase is not None and hmac.compare_digest(said.encode(), self._passphrase.encode())

    def role(self, request: HTTPServerRequest) -> Role:
        """The role of whoever sent `request`."""
        if self._passphrase is None:
            return Role.OPERATOR if self._is_private else Role.VIEWER
        cookie = request.cookies.get(self.cookie_name)
        value = None if cookie is None else cookie.value
        said = decode_signed_value(self.cookie_secret, self.cookie_name, value, max_age_days=COOKIE_DAYS)
        return Role.OPERATOR if said == _ADMITTED else Role.VIEWER

    def facts(self, request: HTTPServerRequest) -> dict[str, str]:
        """What goes into the token of the session that `request` opens."""
        return {_ROLE: self.role(request), _REASON: NOT_LOGGED_IN if self.has_lock else NO_PASSPHRASE}


class RoleHandler(Handler):
    """The part of a Bokeh application that puts the role into the session's token."""

    def __init__(self, door: Door) -> None:
        super().__init__()
        self._door = door

    def modify_document(self, doc: Document) -> None:
        """Nothing: the page itself is made elsewhere."""

    def process_request(self, request: HTTPServerRequest) -> dict[str, Any]:
        return self._door.facts(request)
