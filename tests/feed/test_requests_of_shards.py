"""Requests of a merged scan over real sockets: who is not there is not waited for, and it is said who that is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stream_rrvae.arguments import Arguments
from stream_rrvae.errors import RequestError
from stream_rrvae.feed.request_server import RequestServer
from stream_rrvae.feed.shard_answers import ShardAnswers
from stream_rrvae.feed.shard_asking import ShardAsking
from stream_rrvae.feed.shards import Told
from stream_rrvae.messages import Snapshot

MakeSnapshot = Callable[[int, tuple[int, int]], Snapshot]
KEY = "a key of many letters"
SCAN = "scan 7"
LINES, COLUMNS = 4, 3
LONG_S = 100.0  # of silence


class Shard:
    """A service of a shard with every second line, and what its feed told."""

    def __init__(self, number: int, snapshot: Snapshot) -> None:
        self.number = number
        self.scan_id = SCAN
        self.asked: list[str] = []
        self.degrees = 0.0
        self.at_work, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()
        self.server = self.serve()
        own = replace(snapshot, shard_id=number, shard_count=2, shard_lines=1, requests_url=self.server.url)
        self.told = Told(own, own, 0.0)

    def serve(self) -> RequestServer:
        quick = {"pattern": self.pattern, "kept": self.kept, "set_rotation": self.set_rotation, "rotation": self.turned}
        server = RequestServer("tcp://127.0.0.1:*", KEY, quick, {"virtual_detector": self.detector})
        server.start()
        return server

    def end(self) -> None:
        self.go_on.set()
        self.server.stop()

    def falls_silent(self) -> None:
        self.told = self.told._replace(silent_s=LONG_S)

    def pattern(self, arguments: Arguments) -> Mapping[str, Any]:
        self.asked.append("pattern")
        return {"y": arguments.whole("y", 0, LINES), "scan_id": self.scan_id}

    def kept(self, _arguments: Arguments) -> Mapping[str, Any]:
        return {"positions": 6, "bytes": 600, "stride_y": 1, "stride_x": 1 + self.number, "scan_id": self.scan_id}

    def set_rotation(self, arguments: Arguments) -> Mapping[str, Any]:
        self.degrees = arguments.number("degrees")
        return {"degrees": self.degrees}

    def turned(self, _arguments: Arguments) -> Mapping[str, Any]:
        return {"degrees": self.degrees}

    def detector(self, arguments: Arguments, _wanted: Callable[[], bool]) -> Mapping[str, Any]:
        self.asked.append("virtual_detector")
        self.at_work.set()
        assert self.go_on.wait(20)
        counts = np.full((LINES, COLUMNS), np.nan, np.float32)
        counts[self.number :: 2] = 10 + self.number
        centre = arguments.number("center_ky", default=5.0 + self.number)
        return {
            "map": counts, "coverage": 0.5, "positions": 6, "scan_id": self.scan_id, "center_ky": centre,
            "center_kx": 5.0,
        }  # fmt: skip


@pytest.fixture
def shards(make_snapshot: MakeSnapshot) -> Iterator[list[Shard]]:
    with ExitStack() as stack:
        made = []
        for number in (0, 1):
            shard = Shard(number, make_snapshot(1, (LINES, COLUMNS)))
            stack.callback(shard.end)
            made.append(shard)
        yield made


@pytest.fixture
def merged(shards: list[Shard]) -> Iterator[Callable[..., Mapping[str, Any]]]:
    """Asks the merged scan, whose feeds are in the opposite order."""
    feeds = [f"tcp://127.0.0.1:{shard.number}" for shard in reversed(shards)]
    asking = ShardAsking(feeds, lambda: [shard.told for shard in reversed(shards)], KEY, [None] * 2)
    answers = ShardAnswers(asking)

    def ask(name: str, wanted: Callable[[], bool] = lambda: True, **arguments: Any) -> Mapping[str, Any]:
        if name in answers.slow():
            return answers.slow()[name](Arguments(arguments), wanted)
        return answers.quick()[name](Arguments(arguments))

    yield ask
    asking.close()


Ask = Callable[..., Mapping[str, Any]]


def test_all_that_are_there_answer_together(merged: Ask) -> None:
    assert merged("pattern", y=2) == {"y": 2, "scan_id": SCAN}
    assert merged("kept") == {"positions": 12, "bytes": 1200, "stride_y": 1, "stride_x": 2, "scan_id": SCAN}
    made = merged("virtual_detector")
    np.testing.assert_array_equal(made["map"][:, 0], [10, 11, 10, 11])
    assert (made["coverage"], made["positions"], made["center_ky"]) == (1.0, 12, 5.0)
    assert "note" not in made


def _restarted(told: Told) -> Told:
    assert told.latest is not None
    return told._replace(latest=replace(told.latest, scan_id=""))


def _unlike(told: Told) -> Told:
    assert told.of_scan is not None
    return told._replace(of_scan=replace(told.of_scan, axes="detector"))


def _no_requests(told: Told) -> Told:
    assert told.latest is not None
    return told._replace(latest=replace(told.latest, requests_url=None))


CAUSES: dict[str, tuple[Callable[[Told], Told], str]] = {
    "silent": (lambda told: told._replace(silent_s=LONG_S), "says nothing any more: see whether its service runs"),
    "restarted": (_restarted, "was started anew, and what it held of this scan is gone"),
    "unlike": (_unlike, "has maps of another kind"),
    "without requests": (_no_requests, "takes no requests: start its service with --requests"),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_a_shard_that_cannot_be_asked_is_named_and_the_others_answer(
    shards: list[Shard], merged: Ask, cause: str
) -> None:
    change, said = CAUSES[cause]
    shards[1].told = change(shards[1].told)
    with pytest.raises(RequestError, match=r"line 3 is shard 1's, .* shard 1 \(tcp://127.0.0.1:1\) " + said):
        merged("pattern", y=3)
    assert merged("pattern", y=2)["y"] == 2
    made, kept = merged("virtual_detector"), merged("kept")
    np.testing.assert_array_equal(made["map"][:, 0], [10, np.nan, 10, np.nan])
    assert (made["coverage"], kept["positions"]) == (0.5, 6)
    for answer in (made, kept):
        assert answer["note"].startswith("without shard 1 (tcp://127.0.0.1:1)") and said in answer["note"]
    assert shards[1].asked == []


def test_the_first_shard_may_be_the_one_that_is_not_there(shards: list[Shard], merged: Ask) -> None:
    shards[0].falls_silent()
    made = merged("virtual_detector")
    np.testing.assert_array_equal(made["map"][:, 0], [np.nan, 11, np.nan, 11])
    assert made["center_ky"] == 6.0


def test_who_falls_silent_while_asked_is_waited_for_no_longer(shards: list[Shard], merged: Ask) -> None:
    shards[0].go_on.clear()
    with ThreadPoolExecutor(1) as threads:
        made = threads.submit(merged, "virtual_detector")
        assert shards[0].at_work.wait(20)
        shards[0].falls_silent()
        answer = made.result(20)
    np.testing.assert_array_equal(answer["map"][:, 0], [np.nan, 11, np.nan, 11])
    assert "says nothing any more" in answer["note"]


def test_what_is_not_wanted_any_more_ends_while_a_service_is_at_it(shards: list[Shard], merged: Ask) -> None:
    shards[0].go_on.clear()
    wanted = threading.Event()
    wanted.set()
    with ThreadPoolExecutor(1) as threads:
        made = threads.submit(merged, "virtual_detector", wanted.is_set)
        assert shards[0].at_work.wait(20)
        wanted.clear()
        with pytest.raises(RequestError, match="not wanted"):
            made.result(20)


def test_what_is_of_another_scan_is_left_out(shards: list[Shard], merged: Ask) -> None:
    shards[0].scan_id = "scan 8"
    made = merged("virtual_detector")
    np.testing.assert_array_equal(made["map"][:, 0], [np.nan, 11, np.nan, 11])
    with pytest.raises(RequestError, match="is at another scan by now"):
        merged("pattern", y=0)


def test_the_rotation_is_said_to_all_whatever_scan_they_are_at(shards: list[Shard], merged: Ask) -> None:
    shards[1].told = shards[1].told._replace(of_scan=None)
    assert merged("set_rotation", degrees=30) == {"degrees": 30.0}
    assert [shard.degrees for shard in shards] == [30.0, 30.0]
    shards[0].falls_silent()
    assert merged("rotation") == {"degrees": 30.0}
    assert "say it again when all are there: without shard 0" in merged("set_rotation", degrees=60)["note"]
    assert [shard.degrees for shard in shards] == [30.0, 60.0]


def test_a_line_of_which_nobody_told_and_a_scan_without_anybody(shards: list[Shard], merged: Ask) -> None:
    shards[1].told = Told(None, None, float("inf"))
    with pytest.raises(RequestError, match=r"line 1 is shard 1's, .* tcp://127.0.0.1:1 says nothing"):
        merged("pattern", y=1)
    shards[0].falls_silent()
    for name in ("kept", "virtual_detector", "rotation"):
        with pytest.raises(RequestError, match=r"shard 0 .* says nothing any more.*; tcp://127.0.0.1:1 says nothing"):
            merged(name)
    shards[0].told = Told(None, None, float("inf"))
    with pytest.raises(RequestError, match="no scan has begun"):
        merged("kept")


def test_what_a_service_refuses_is_said_with_its_name(merged: Ask) -> None:
    with pytest.raises(RequestError, match=r"shard 0 .*: degrees must be a number, not absent"):
        merged("set_rotation")


def test_a_service_that_was_started_again_is_asked_where_it_is_now(shards: list[Shard], merged: Ask) -> None:
    assert merged("pattern", y=1)["y"] == 1
    shards[1].server.stop()
    shards[1].server = shards[1].serve()
    assert shards[1].told.of_scan is not None
    again = replace(shards[1].told.of_scan, requests_url=shards[1].server.url)
    shards[1].told = Told(again, again, 0.0)
    assert merged("pattern", y=3)["y"] == 3
