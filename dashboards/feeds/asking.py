"""What the pages ask of services: `await asking.ask(feed, name, arguments)`, which holds no page up.

Who may ask for what is decided by the page that asks; see `stream_rrvae/decisions/017-back-channel.md`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from dashboards.feeds.live_feed import LiveFeed
from stream_rrvae.curve import ClientKeys
from stream_rrvae.errors import ConfigError, RequestError
from stream_rrvae.feed.asker import TIMEOUT_S, Asker
from stream_rrvae.feed.reachable import reachable
from stream_rrvae.messages import Plain


class Asking:
    """One connection to each service that was asked so far; used in the loop's thread.

    `keys` are those of `feeds`, in their order, or one for all of them, or none; `curve` are their CURVE keys in order.
    """

    def __init__(self, feeds: Sequence[str], keys: Sequence[str], curve: Sequence[ClientKeys | None] = ()) -> None:
        self._curve = dict(zip(feeds, curve, strict=False))
        self._keys = dict.fromkeys(feeds, keys[0]) if len(keys) == 1 else dict(zip(feeds, keys, strict=False))
        self._askers: dict[str, tuple[str, Asker]] = {}  # by the feed's URL, with where they ask

    def can_ask(self, feed: LiveFeed) -> str:
        """Why `feed`'s service cannot be asked now; empty = it can."""
        try:
            self._place(feed)
        except RequestError as error:
            return str(error)
        return ""

    async def ask(
        self,
        feed: LiveFeed,
        name: str,
        arguments: Mapping[str, Plain] | None = None,
        who: str = "",
        timeout_s: float = TIMEOUT_S,
    ) -> dict[str, Any]:
        """What the service of `feed` answers: plain values and read-only float32 arrays. Raises RequestError.

        `who` is the session: of its slow requests only the newest is answered.
        """
        url, key = self._place(feed)
        return await asyncio.wrap_future(self._asker(feed.url, url, key).ask(name, arguments, who, timeout_s))

    def close(self) -> None:
        """Ask no more."""
        for _, asker in self._askers.values():
            asker.close()
        self._askers.clear()

    def _place(self, feed: LiveFeed) -> tuple[str, str]:
        told = None if feed.newest is None else feed.newest.snapshot.requests_url
        key = self._keys.get(feed.url)
        if told is None:
            raise RequestError("this service takes no requests: start it with --requests")
        if key is None:
            raise RequestError("this dashboard has no key for the service: start it with --requests-key")
        return reachable(told, feed.url), key

    def _asker(self, feed_url: str, url: str, key: str) -> Asker:
        known = self._askers.get(feed_url)
        if known is not None and known[0] == url:
            return known[1]
        try:
            asker = Asker(url, key, self._curve.get(feed_url))
        except ConfigError as error:
            raise RequestError(str(error)) from error
        if known is not None:
            known[1].close()
        self._askers[feed_url] = url, asker
        return asker
