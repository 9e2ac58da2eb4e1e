"""What a merged scan answers: each request is asked of the shard that has what it is about, or of all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

from stream_rrvae.arguments import Arguments
from stream_rrvae.curve import ClientKeys
from stream_rrvae.errors import ConfigError, RequestError
from stream_rrvae.feed.asker import Asker
from stream_rrvae.feed.reachable import reachable
from stream_rrvae.feed.request_server import QuickAnswer, SlowAnswer
from stream_rrvae.maps.products import merge_named
from stream_rrvae.messages import Snapshot
from stream_rrvae.wire.shards import shard_of_line

QUICK_S = 3.0  # for what takes a service milliseconds
SLOW_S = 60.0
OF_ALL = ("set_rotation", "lock_rotation", "unlock_rotation")
_CENTER = ("center_ky", "center_kx")

Answer = Mapping[str, Any]


class ShardAnswers:
    """`latest` tells of each feed, in order, its snapshot of the scan that is shown, None where it told nothing of it.

    All services have one `key`. Used by the threads of a `RequestServer`; `close` when they have ended.
    """

    def __init__(
        self,
        feeds: Sequence[str],
        latest: Callable[[], Sequence[Snapshot | None]],
        key: str,
        curve: Sequence[ClientKeys | None],
    ) -> None:
        self._feeds, self._latest, self._key, self._curve = feeds, latest, key, curve
        self._askers: dict[str, Asker] = {}  # by where they ask
        self._lock = threading.Lock()

    def quick(self) -> dict[str, QuickAnswer]:
        rotation = {name: partial(self._said_to_all, name) for name in OF_ALL}
        return {"pattern": self._pattern, "kept": self._kept, "rotation": self._rotation, **rotation}

    def slow(self) -> dict[str, SlowAnswer]:
        return {"virtual_detector": self._virtual_detector}

    def close(self) -> None:
        """Ask no more."""
        for asker in self._askers.values():
            asker.close()

    def _pattern(self, arguments: Arguments) -> Answer:
        shards = self._shards()
        scan = shards[0][1]
        line = arguments.whole("y", 0, scan.scan_shape[0] - 1)
        owner = shard_of_line(line, scan.shard_count, scan.shard_lines)
        feed = next((feed for feed, shard in shards if shard.shard_id == owner), None)
        if feed is None:
            raise RequestError(f"shard {owner}, which has this line, is not there")
        return self._ask(feed, "pattern", arguments.given, QUICK_S).result()

    def _kept(self, _arguments: Arguments) -> Answer:
        told = self._of_all("kept", {}, QUICK_S)
        sums = {name: sum(each[name] for each in told) for name in ("positions", "bytes")}
        widest = {name: max(each[name] for each in told) for name in ("stride_y", "stride_x")}
        return {**sums, **widest, "scan_id": told[0]["scan_id"]}

    def _rotation(self, _arguments: Arguments) -> Answer:
        return self._ask(self._shards()[0][0], "rotation", {}, QUICK_S).result()

    def _said_to_all(self, name: str, arguments: Arguments) -> Answer:
        return self._of_all(name, arguments.given, QUICK_S)[0]

    def _virtual_detector(self, arguments: Arguments, wanted: Callable[[], bool]) -> Answer:
        """The first shard's centre is every shard's: each has fitted its own, a little beside."""
        (feed, _), *others = self._shards()
        first = self._ask(feed, "virtual_detector", arguments.given, SLOW_S).result()
        if not wanted():
            raise RequestError("it is not wanted any more")
        given = {**arguments.given, **{name: first[name] for name in _CENTER}}
        asked = [self._ask(feed, "virtual_detector", given, SLOW_S) for feed, _ in others]
        parts = [first, *(each.result() for each in asked)]
        return {
            **first,
            "map": merge_named("virtual_detector", [part["map"] for part in parts]),
            "coverage": sum(part["coverage"] for part in parts),
            "positions": sum(part["positions"] for part in parts),
        }

    def _of_all(self, name: str, given: Mapping[str, Any], patience_s: float) -> list[dict[str, Any]]:
        asked = [self._ask(feed, name, given, patience_s) for feed, _ in self._shards()]
        return [each.result() for each in asked]

    def _shards(self) -> list[tuple[int, Snapshot]]:
        """Feeds that tell of the scan, with what they told; the lowest shard first."""
        there = [(feed, snapshot) for feed, snapshot in enumerate(self._latest()) if snapshot is not None]
        if not there:
            raise RequestError("no scan has begun yet")
        return sorted(there, key=lambda shard: shard[1].shard_id)

    def _ask(self, feed: int, name: str, given: Mapping[str, Any], patience_s: float) -> Future[dict[str, Any]]:
        snapshot = self._latest()[feed]
        if snapshot is None or snapshot.requests_url is None:
            raise RequestError(f"the service of {self._feeds[feed]} takes no requests: start it with --requests")
        url = reachable(snapshot.requests_url, self._feeds[feed])
        return self._asker(url, self._curve[feed]).ask(name, given, timeout_s=patience_s)

    def _asker(self, url: str, keys: ClientKeys | None) -> Asker:
        with self._lock:
            if url not in self._askers:
                try:
                    self._askers[url] = Asker(url, self._key, keys)
                except ConfigError as error:
                    raise RequestError(str(error)) from error
            return self._askers[url]
