"""A page asks the service that its feed tells of, with the key of that feed, and hears why when it cannot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from dashboards.feeds.asking import Asking
from dashboards.feeds.live_feed import LiveFeed
from stream_rrvae.errors import RequestError
from stream_rrvae.feed.reachable import reachable
from stream_rrvae.feed.request_server import RequestServer
from stream_rrvae.messages import Snapshot

MakeSnapshot = Callable[..., Snapshot]
KEY, OTHER_KEY = "a key of many letters", "another key of many letters"


def answering(name: str, key: str) -> RequestServer:
    server = RequestServer("tcp://127.0.0.1:*", key, {"who": lambda _arguments: {"name": name}})
    server.start()
    return server


def test_each_service_is_asked_where_its_feed_says(make_snapshot: MakeSnapshot) -> None:
    one, two = answering("one", KEY), answering("two", OTHER_KEY)
    feeds = [LiveFeed("tcp://127.0.0.1:5556"), LiveFeed("tcp://127.0.0.1:5566")]
    for feed, server in zip(feeds, (one, two), strict=True):
        feed.publish(make_snapshot(requests_url=server.url))
    asking = Asking([feed.url for feed in feeds], (KEY, OTHER_KEY))

    async def ask_both() -> list[dict[str, Any]]:
        return list(await asyncio.gather(*(asking.ask(feed, "who") for feed in feeds)))

    assert asyncio.run(ask_both()) == [{"name": "one"}, {"name": "two"}]
    again = answering("one again", KEY)  # elsewhere
    one.stop()
    feeds[0].publish(make_snapshot(requests_url=again.url))
    assert asyncio.run(asking.ask(feeds[0], "who")) == {"name": "one again"}
    asking.close()
    two.stop()
    again.stop()


def test_one_key_serves_all_feeds(make_snapshot: MakeSnapshot) -> None:
    server = answering("it", KEY)
    feeds = [LiveFeed("tcp://127.0.0.1:5556"), LiveFeed("tcp://127.0.0.1:5566")]
    asking = Asking([feed.url for feed in feeds], (KEY,))
    for feed in feeds:
        feed.publish(make_snapshot(requests_url=server.url))
        assert asking.can_ask(feed) == ""
        assert asyncio.run(asking.ask(feed, "who")) == {"name": "it"}
    asking.close()
    server.stop()


def test_why_nothing_can_be_asked_is_said(feed: LiveFeed, make_snapshot: MakeSnapshot) -> None:
    asking = Asking([feed.url], ())
    assert "--requests" in asking.can_ask(feed)
    feed.publish(make_snapshot(requests_url=None))
    assert "start it with --requests" in asking.can_ask(feed)
    feed.publish(make_snapshot(requests_url="tcp://127.0.0.1:5557"))
    assert "--requests-key" in asking.can_ask(feed)
    with pytest.raises(RequestError, match="--requests-key"):
        asyncio.run(asking.ask(feed, "who"))


@pytest.mark.parametrize(
    ("told", "feed_url", "expected"),
    [
        ("tcp://127.0.0.1:5557", "tcp://127.0.0.1:5556", "tcp://127.0.0.1:5557"),
        ("ipc:///run/requests", "ipc:///run/feed", "ipc:///run/requests"),
        ("tcp://0.0.0.0:5557", "tcp://scope-2:5556", "tcp://scope-2:5557"),
        ("tcp://0.0.0.0:5557", "tcp://[::1]:5556", "tcp://[::1]:5557"),
        ("tcp://10.0.0.7:5557", "tcp://10.0.0.7:5556", "tcp://10.0.0.7:5557"),
    ],
)
def test_where_a_service_is_reached_from_here(told: str, feed_url: str, expected: str) -> None:
    assert reachable(told, feed_url) == expected


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("tcp://127.0.0.1:5557", "its own machine alone"),
        ("ipc:///run/requests", "its own machine alone"),
        ("http://scope-2/", "an address that is none"),
        ("nonsense", "an address that is none"),
        ("tcp://scope-2:99999999", "an address that is none"),
        ("tcp://[::1", "an address that is none"),
    ],
)
def test_what_cannot_be_reached_is_not_tried(told: str, reason: str) -> None:
    with pytest.raises(RequestError, match=reason):
        reachable(told, "tcp://scope-2:5556")
