"""What a merged scan answers: each request is asked of the shard that has what it is about, or of all that are there.

Where some are not there, an answer of the others says so in `note`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from stream_rrvae.arguments import Arguments
from stream_rrvae.errors import RequestError
from stream_rrvae.feed.request_server import QuickAnswer, SlowAnswer
from stream_rrvae.feed.shard_asking import UNWANTED, Answer, Answers, ShardAsking
from stream_rrvae.maps.products import merge_named
from stream_rrvae.wire.shards import shard_of_line

QUICK_S = 3.0  # for what takes a service milliseconds
SLOW_S = 60.0
OF_ALL = ("set_rotation", "lock_rotation", "unlock_rotation")
_CENTER = ("center_ky", "center_kx")


class ShardAnswers:
    """By `asking` the services; used by the threads of a `RequestServer`."""

    def __init__(self, asking: ShardAsking) -> None:
        self._asking = asking

    def quick(self) -> dict[str, QuickAnswer]:
        rotation = {name: partial(self._said_to_all, name) for name in OF_ALL}
        return {"pattern": self._pattern, "kept": self._kept, "rotation": self._rotation, **rotation}

    def slow(self) -> dict[str, SlowAnswer]:
        return {"virtual_detector": self._virtual_detector}

    def _pattern(self, arguments: Arguments) -> Answer:
        scan = self._asking.scan()
        line = arguments.whole("y", 0, scan.scan_shape[0] - 1)
        owner = shard_of_line(line, scan.shard_count, scan.shard_lines)
        answers = self._asking.of_scan(self._feeds_of(owner), "pattern", arguments.given, QUICK_S)
        if not answers.given:
            why = self._asking.said_of(answers.absent) or "no feed is of this shard"
            raise RequestError(f"line {line} is shard {owner}'s, which cannot be asked: {why}; other lines can be")
        return next(iter(answers.given.values()))

    def _kept(self, _arguments: Arguments) -> Answer:
        answers = self._asking.of_scan(self._asking.feeds(), "kept", {}, QUICK_S)
        told = self._some(answers)
        sums = {name: sum(each[name] for each in told) for name in ("positions", "bytes")}
        widest = {name: max(each[name] for each in told) for name in ("stride_y", "stride_x")}
        return {**sums, **widest, "scan_id": told[0]["scan_id"], **self._note("without", answers.absent)}

    def _rotation(self, _arguments: Arguments) -> Answer:
        """That of the lowest shard that is there: all are told the same."""
        return self._some(self._asking.of_all("rotation", {}, QUICK_S))[0]

    def _said_to_all(self, name: str, arguments: Arguments) -> Answer:
        answers = self._asking.of_all(name, arguments.given, QUICK_S)
        return {**self._some(answers)[0], **self._note("say it again when all are there: without", answers.absent)}

    def _virtual_detector(self, arguments: Arguments, wanted: Callable[[], bool]) -> Answer:
        """The first shard's centre is every shard's: each has fitted its own, a little beside."""
        asked, feeds, absent = dict(arguments.given), self._asking.feeds(), dict[int, str]()
        parts: list[Answer] = []
        while feeds:
            among, feeds = (feeds, []) if parts else (feeds[:1], feeds[1:])
            if not wanted():
                raise RequestError(UNWANTED)
            answers = self._asking.of_scan(among, "virtual_detector", asked, SLOW_S, wanted)
            absent |= answers.absent
            parts += answers.given.values()
            if parts:
                asked |= {name: parts[0][name] for name in _CENTER}
        first = self._some(Answers(dict(enumerate(parts)), absent))[0]
        return {
            **first,
            "map": merge_named("virtual_detector", [part["map"] for part in parts]),
            "coverage": sum(part["coverage"] for part in parts),
            "positions": sum(part["positions"] for part in parts),
            **self._note("without", absent),
        }

    def _feeds_of(self, owner: int) -> list[int]:
        """That of this shard, or those of which it is not known yet of which they are."""
        shards = self._asking.shards()
        own = [feed for feed, shard in shards.items() if shard == owner]
        return own or [feed for feed in self._asking.feeds() if feed not in shards]

    def _some(self, answers: Answers) -> list[Answer]:
        """At least one. Raises RequestError that says why there is none."""
        if not answers.given:
            raise RequestError(self._asking.said_of(answers.absent))
        return list(answers.given.values())

    def _note(self, beginning: str, absent: Mapping[int, str]) -> dict[str, Any]:
        return {"note": f"{beginning} {self._asking.said_of(absent)}"} if absent else {}
