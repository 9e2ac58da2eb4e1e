"""Asks the services of a scan's shards: one that is not there, or goes away meanwhile, is not waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Any

from stream_rrvae.curve import ClientKeys
from stream_rrvae.errors import ConfigError, RequestError
from stream_rrvae.feed.asker import Asker
from stream_rrvae.feed.merge import alike
from stream_rrvae.feed.reachable import reachable
from stream_rrvae.feed.shards import SILENT_S, Told
from stream_rrvae.messages import Snapshot

LOOK_S = 0.25  # how soon it is seen that a service went away, or that an answer is not wanted any more
SILENT = "says nothing any more: see whether its service runs"
NO_REQUESTS = "takes no requests: start its service with --requests"
NOTHING_TOLD = "has told nothing of this scan"
GONE = "was started anew, and what it held of this scan is gone"
UNLIKE = "has maps of another kind than the others"
ELSEWHERE = "is at another scan by now"
UNWANTED = "it is not wanted any more"

Answer = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answers:
    """What services said, by the number of their feed, and why others said nothing."""

    given: Mapping[int, Answer]
    absent: Mapping[int, str]


class ShardAsking:
    """`told` is what each feed of `feeds` told last; all services have one `key`. For any threads, until `close`."""

    def __init__(
        self, feeds: Sequence[str], told: Callable[[], Sequence[Told]], key: str, curve: Sequence[ClientKeys | None]
    ) -> None:
        self._feeds, self._told, self._key, self._curve = feeds, told, key, curve
        self._askers: dict[int, tuple[str, Asker]] = {}  # by feed, with where they ask
        self._lock = threading.Lock()

    def scan(self) -> Snapshot:
        """Something that was told of the scan that is shown. Raises RequestError."""
        of_scan = [each.of_scan for each in self._told() if each.of_scan is not None]
        if not of_scan:
            raise RequestError("no scan has begun yet")
        return min(of_scan, key=lambda snapshot: snapshot.shard_id)

    def shards(self) -> dict[int, int]:
        """Feeds that told of the scan, lowest shard first, with the shards that they are of."""
        of_scan = {feed: each.of_scan.shard_id for feed, each in enumerate(self._told()) if each.of_scan is not None}
        return dict(sorted(of_scan.items(), key=lambda item: item[1]))

    def feeds(self) -> list[int]:
        """All feeds, those that told of the scan first, lowest shard first."""
        of_scan = self.shards()
        return [*of_scan, *(feed for feed in range(len(self._feeds)) if feed not in of_scan)]

    def of_scan(
        self,
        feeds: Iterable[int],
        name: str,
        given: Mapping[str, Any],
        patience_s: float,
        wanted: Callable[[], bool] = lambda: True,
    ) -> Answers:
        """What these say of the scan that is shown, once all have said it who are there.

        Raises RequestError when one of them answers with an error, or `patience_s` is over, or it is not `wanted`.
        """
        scan, told = self.scan(), self._told()
        absent = {feed: why for feed in feeds if (why := _why_not(told[feed]) or _why_not_of(scan, told[feed]))}
        answers = self._asked(feeds, absent, name, given, patience_s, wanted)
        left = {feed: ELSEWHERE for feed, each in answers.given.items() if each.get("scan_id") != scan.scan_id}
        kept = {feed: each for feed, each in answers.given.items() if feed not in left}
        return Answers(kept, {**answers.absent, **left})

    def of_all(self, name: str, given: Mapping[str, Any], patience_s: float) -> Answers:
        """What every service says, whichever scan it is at. Raises as `of_scan`."""
        absent = {feed: why for feed, told in enumerate(self._told()) if (why := _why_not(told))}
        return self._asked(self.feeds(), absent, name, given, patience_s, lambda: True)

    def named(self, feed: int) -> str:
        """A feed for who reads of it."""
        of_scan = self._told()[feed].of_scan
        return self._feeds[feed] if of_scan is None else f"shard {of_scan.shard_id} ({self._feeds[feed]})"

    def said_of(self, absent: Mapping[int, str]) -> str:
        """Why they said nothing, for who asked; "" = all did."""
        return "; ".join(f"{self.named(feed)} {absent[feed]}" for feed in self.feeds() if feed in absent)

    def close(self) -> None:
        """Ask no more."""
        for _, asker in self._askers.values():
            asker.close()

    def _asked(
        self,
        feeds: Iterable[int],
        absent: Mapping[int, str],
        name: str,
        given: Mapping[str, Any],
        patience_s: float,
        wanted: Callable[[], bool],
    ) -> Answers:
        there = [feed for feed in feeds if feed not in absent]
        asked = {feed: self._asker(feed).ask(name, given, timeout_s=patience_s) for feed in there}
        fell_silent = self._wait(asked, wanted)
        answers = {feed: self._answer(feed, asked[feed]) for feed in there if feed not in fell_silent}
        return Answers(answers, {**absent, **fell_silent})

    def _wait(self, asked: Mapping[int, Future[dict[str, Any]]], wanted: Callable[[], bool]) -> dict[int, str]:
        """Until all have answered who are there; who is not there any more, and why."""
        silent: dict[int, str] = {}
        while waiting := {feed: each for feed, each in asked.items() if feed not in silent and not each.done()}:
            if not wanted():
                raise RequestError(UNWANTED)
            wait(waiting.values(), LOOK_S)
            told = self._told()
            silent |= {feed: SILENT for feed in waiting if told[feed].silent_s > SILENT_S and not asked[feed].done()}
        return silent

    def _answer(self, feed: int, asked: Future[dict[str, Any]]) -> Answer:
        try:
            return asked.result()
        except RequestError as error:
            raise RequestError(f"{self.named(feed)}: {error}") from error

    def _asker(self, feed: int) -> Asker:
        """Of a service that may have been started again elsewhere."""
        latest = self._told()[feed].latest
        url = reachable((latest and latest.requests_url) or "", self._feeds[feed])
        with self._lock:
            known = self._askers.get(feed)
            if known is not None and known[0] == url:
                return known[1]
            try:
                asker = Asker(url, self._key, self._curve[feed])
            except ConfigError as error:
                raise RequestError(str(error)) from error
            self._askers[feed] = url, asker
        if known is not None:
            known[1].close()
        return asker


def _why_not(told: Told) -> str:
    """Why this service cannot be asked anything; "" = it can."""
    if told.latest is None or told.silent_s > SILENT_S:
        return SILENT
    return "" if told.latest.requests_url else NO_REQUESTS


def _why_not_of(scan: Snapshot, told: Told) -> str:
    """Why it cannot be asked of this scan; "" = it can."""
    if told.of_scan is None:
        return NOTHING_TOLD
    if not alike(scan, told.of_scan):
        return UNLIKE
    return "" if told.latest is not None and told.latest.scan_id == scan.scan_id else GONE
