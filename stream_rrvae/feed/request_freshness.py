"""Whether a request is new: one that somebody recorded must not be carried out again."""

from __future__ import annotations

import secrets

from stream_rrvae.feed.requests import NONCE_BYTES, Request

ASKERS = 1024


class Freshness:
    """What this server has heard from whom; of bounded size."""

    def __init__(self) -> None:
        self._latest: dict[bytes, int] = {}
        self.server = secrets.token_bytes(NONCE_BYTES)

    def takes(self, request: Request) -> bool:
        """Whether it was made for this server and never seen before; counts it as seen."""
        if request.server != self.server or request.number <= self._latest.get(request.asker, -1):
            return False
        if request.asker not in self._latest and len(self._latest) >= ASKERS:
            # Nobody may be forgotten while his old requests are good: all of them become bad instead.
            self._latest.clear()
            self.server = secrets.token_bytes(NONCE_BYTES)
            return False
        self._latest[request.asker] = request.number
        return True
