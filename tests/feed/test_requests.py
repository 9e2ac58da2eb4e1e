"""Requests over real sockets: who holds the key gets answers, who does not changes nothing; nothing ends the server."""

from __future__ import annotations

import asyncio
import hmac
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from typing import Any

import msgpack
import numpy as np
import pytest
import zmq

from stream_rrvae.arguments import Arguments
from stream_rrvae.errors import ConfigError, RequestError, SecurityError
from stream_rrvae.feed import request_freshness
from stream_rrvae.feed.asker import Asker
from stream_rrvae.feed.request_lane import WAITING_LIMIT
from stream_rrvae.feed.request_server import RequestServer
from stream_rrvae.feed.requests import (
    REQUEST_BYTES,
    Request,
    Unknown,
    open_answer,
    open_request,
    pack_answer,
    pack_request,
)

KEY = "a key of many letters"
LOCAL = "tcp://127.0.0.1:*"
Outcomes = list[tuple[str, str]]


class Answers:
    """What the server is asked in these tests; counts what was really done."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.go_on = threading.Event()
        self.at_work = threading.Event()

    def quick(self) -> Mapping[str, Callable[[Arguments], Mapping[str, Any]]]:
        return {"twice": self._twice, "map": self._map, "fall": self._fall, "odd": lambda _arguments: {"it": object()}}

    def slow(self) -> Mapping[str, Callable[[Arguments, Callable[[], bool]], Mapping[str, Any]]]:
        return {"wait": self._wait}

    def _twice(self, arguments: Arguments) -> Mapping[str, Any]:
        value = arguments.number("value", 0, 10)
        self.done.append(f"twice {value:g}")
        return {"value": 2 * value, "list": [1, None, "a"]}

    def _map(self, _arguments: Arguments) -> Mapping[str, Any]:
        image = np.arange(12, dtype=np.float32).reshape(3, 4)
        image[1, 1] = np.nan
        return {"image": image, "unit": "mrad"}

    def _fall(self, _arguments: Arguments) -> Mapping[str, Any]:
        raise ZeroDivisionError("a fault of ours")

    def _wait(self, arguments: Arguments, wanted: Callable[[], bool]) -> Mapping[str, Any]:
        self.at_work.set()
        assert self.go_on.wait(20)
        if not wanted():
            raise RequestError("not wanted any more")
        self.done.append(arguments.text("name"))
        return {"name": arguments.text("name")}


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def told() -> Outcomes:
    return []


@pytest.fixture
def server(answers: Answers, told: Outcomes) -> Iterator[RequestServer]:
    server = RequestServer(
        LOCAL, KEY, answers.quick(), answers.slow(), told=lambda name, outcome: told.append((name, outcome))
    )
    server.start()
    yield server
    answers.go_on.set()
    server.stop()


@pytest.fixture
def asker(server: RequestServer) -> Iterator[Asker]:
    asker = Asker(server.url, KEY)
    yield asker
    asker.close()


@pytest.fixture
def raw(server: RequestServer) -> Iterator[Callable[[list[bytes]], list[bytes]]]:
    """Sends parts as they are from a plain REQ socket and gives the answer's."""
    with zmq.Context() as context, context.socket(zmq.REQ) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(server.url)

        def ask(parts: list[bytes]) -> list[bytes]:
            socket.send_multipart(parts)
            assert socket.poll(10_000)
            return socket.recv_multipart()

        yield ask


def test_values_and_arrays_arrive_as_they_were_given(asker: Asker, told: Outcomes) -> None:
    assert asker.ask("twice", {"value": 4}).result() == {"value": 8.0, "list": [1, None, "a"]}
    answer = asker.ask("map").result()
    assert answer["unit"] == "mrad"
    np.testing.assert_array_equal(answer["image"][2], [8, 9, 10, 11])
    assert np.isnan(answer["image"][1, 1])
    assert not answer["image"].flags.writeable
    assert told == [("twice", "answered"), ("map", "answered")]


def test_an_event_loop_goes_on_while_it_waits(asker: Asker, answers: Answers) -> None:
    async def ask() -> tuple[Any, Any]:
        slow = asyncio.wrap_future(asker.ask("wait", {"name": "a"}, timeout_s=20))
        quick = await asyncio.wrap_future(asker.ask("twice", {"value": 1}))
        answers.go_on.set()
        return quick, await slow

    quick, slow = asyncio.run(ask())
    assert (quick["value"], slow["name"]) == (2.0, "a")


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("twice", {"value": 11}, "value must be a number from 0 to 10, not 11"),
        ("twice", {}, "value must be a number from 0 to 10, not absent"),
        ("fall", {}, "the service failed at fall; its log says why"),
        ("odd", {}, "an? object is not part of the answer"),
        ("__class__", {}, "'__class__' is not among what can be asked: fall, map, odd, twice, wait"),
        ("twice", {"value": "x" * REQUEST_BYTES}, "too long"),
        ("twice", {"value": object()}, "a object is not part of a request"),
    ],
)
def test_what_cannot_be_answered_is_said_in_one_line(
    asker: Asker, answers: Answers, name: str, arguments: dict[str, Any], reason: str
) -> None:
    with pytest.raises(RequestError, match=reason) as caught:
        asker.ask(name, arguments).result()
    assert "\n" not in str(caught.value)
    assert answers.done == []
    assert asker.ask("twice", {"value": 1}).result()["value"] == 2


def test_another_key_gets_nothing_done(server: RequestServer, answers: Answers, told: Outcomes) -> None:
    asker = Asker(server.url, KEY + " ")
    with pytest.raises(RequestError, match="another key"):
        asker.ask("twice", {"value": 1}).result()
    asker.close()
    assert answers.done == []
    assert told == [("unknown", "wrong_key")]


def test_an_answer_of_who_has_another_key_is_not_believed(server: RequestServer) -> None:
    parts = pack_request(Request("twice", asker=os.urandom(16)), KEY)
    false = pack_answer({"value": 1}, parts[0], "the key of somebody else")
    with pytest.raises(RequestError, match="another key"):
        open_answer(false, KEY)
    other = pack_answer({"value": 1}, b"\0" * 32, KEY)
    with pytest.raises(RequestError, match="another key"):  # an answer to another question
        open_answer([parts[0], *other[1:]], KEY)


def test_a_recorded_request_is_carried_out_once(raw: Callable[[list[bytes]], list[bytes]], answers: Answers) -> None:
    request = Request("twice", {"value": 1}, asker=os.urandom(16), number=1)
    unknown = open_answer(raw(pack_request(request, KEY)), KEY)
    assert isinstance(unknown, Unknown)
    parts = pack_request(Request("twice", {"value": 1}, "", unknown.server, request.asker, 2), KEY)
    assert isinstance(open_answer(raw(parts), KEY), dict)
    for _ in range(3):
        assert isinstance(open_answer(raw(parts), KEY), Unknown)
    assert answers.done == ["twice 1"]


def test_who_was_forgotten_cannot_be_recorded_either(
    raw: Callable[[list[bytes]], list[bytes]], answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_freshness, "ASKERS", 2)
    numbers = itertools.count(1)

    def ask(asker: bytes, server: bytes) -> tuple[list[bytes], dict[str, Any] | Unknown]:
        parts = pack_request(Request("twice", {"value": 1}, "", server, asker, next(numbers)), KEY)
        return parts, open_answer(raw(parts), KEY)

    me, (_, unknown) = b"a" * 16, ask(b"a" * 16, b"")
    assert isinstance(unknown, Unknown)
    recorded, answer = ask(me, unknown.server)
    assert isinstance(answer, dict)
    assert isinstance(ask(b"b" * 16, unknown.server)[1], dict)
    changed = ask(b"c" * 16, unknown.server)[1]  # there is no room for a third
    assert isinstance(changed, Unknown)
    assert changed.server != unknown.server
    assert isinstance(open_answer(raw(recorded), KEY), Unknown)
    assert len(answers.done) == 2


@pytest.mark.parametrize(
    "parts",
    [
        [b""], [b"", b""], [b"x"], [b"x", b"y", b"z"], [b"\0" * 32, b"\x80"],
        [msgpack.packb({"ask": "twice", "with": {"value": 1}})],
    ],
)  # fmt: skip
def test_what_is_not_sealed_is_refused(
    raw: Callable[[list[bytes]], list[bytes]], answers: Answers, parts: list[bytes]
) -> None:
    with pytest.raises(RequestError, match="another key"):
        open_answer(raw(parts), KEY)
    assert answers.done == []


@pytest.mark.parametrize(
    "body",
    [
        b"", b"\xff", msgpack.packb([1]), msgpack.packb({}), b"\x81" * 200,
        *(
            msgpack.packb({
                "p": "stream-rrvae-requests", "v": 1, "ask": "twice", "with": {"value": 1}, "who": "",
                "server": b"", "asker": b"a" * 16, "number": 1, **change,
            })
            for change in (
                {"v": 2}, {"p": "x"}, {"ask": 1}, {"ask": "x" * 65}, {"with": [1]}, {"with": {1: 2}}, {"who": "x" * 65},
                {"asker": b"short"}, {"asker": "a" * 16}, {"server": 1}, {"number": 1.5}, {"number": None},
            )
        ),
    ],
)  # fmt: skip
def test_what_is_sealed_and_odd_is_refused(body: bytes) -> None:
    seal = hmac.digest(KEY.encode(), b"request" + body, "sha256")
    with pytest.raises(RequestError):
        open_request([seal, body], KEY)


def test_a_message_too_long_ends_its_connection_and_no_other(server: RequestServer, asker: Asker) -> None:
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(server.url)
        socket.send_multipart([b"x" * 32, b"x" * (REQUEST_BYTES + 1)])
        assert asker.ask("twice", {"value": 3}).result()["value"] == 6
        assert not socket.poll(0)


def test_of_slow_requests_the_newest_is_answered(asker: Asker, answers: Answers, told: Outcomes) -> None:
    first = asker.ask("wait", {"name": "first"}, who="me", timeout_s=20)
    assert answers.at_work.wait(20)
    second, other, third = (
        asker.ask("wait", {"name": name}, who=who, timeout_s=20)
        for name, who in (("second", "me"), ("other", "another"), ("third", "me"))
    )
    with pytest.raises(RequestError, match="newer request"):
        second.result()
    answers.go_on.set()
    with pytest.raises(RequestError, match="not wanted"):
        first.result()
    assert (third.result()["name"], other.result()["name"]) == ("third", "other")
    assert answers.done == ["third", "other"]
    assert told.count(("wait", "superseded")) == 2


def test_who_asks_too_much_is_told_so(asker: Asker, answers: Answers) -> None:
    first = asker.ask("wait", {"name": "first"}, timeout_s=20)
    assert answers.at_work.wait(20)
    futures: list[Future[dict[str, Any]]] = [
        asker.ask("wait", {"name": str(i)}, who=str(i), timeout_s=20) for i in range(WAITING_LIMIT + 1)
    ]
    with pytest.raises(RequestError, match="too much to answer"):
        futures[-1].result()
    answers.go_on.set()
    assert {first.result()["name"], *(future.result()["name"] for future in futures[:-1])} == set(answers.done)


def test_nobody_there_is_told_in_time() -> None:
    asker = Asker("tcp://127.0.0.1:1", KEY)
    with pytest.raises(RequestError, match="did not answer in time"):
        asker.ask("twice", {"value": 1}, timeout_s=0.05).result()
    late = asker.ask("twice", {"value": 1}, timeout_s=60)
    asker.close()
    with pytest.raises(RequestError, match="nothing is asked any more"):
        late.result()
    with pytest.raises(RequestError, match="nothing is asked any more"):
        asker.ask("twice").result()


def _started_at(url: str, answers: Answers) -> RequestServer:
    """As soon as the port is free: libzmq leaves it a little later than its socket is closed."""
    give_up_s = time.monotonic() + 20
    while True:
        server = RequestServer(url, KEY, answers.quick())
        try:
            server.start()
        except ConfigError:
            if time.monotonic() > give_up_s:
                raise
            time.sleep(0.02)
        else:
            return server


def test_a_service_that_begins_again_is_found_again(server: RequestServer, asker: Asker, answers: Answers) -> None:
    assert asker.ask("twice", {"value": 1}).result()["value"] == 2
    server.stop()
    again = _started_at(server.url, answers)
    assert asker.ask("twice", {"value": 2}, timeout_s=20).result()["value"] == 4
    again.stop()


def test_it_answers_on_this_machine_unless_told_otherwise(server: RequestServer) -> None:
    with pytest.raises(SecurityError):
        RequestServer("tcp://0.0.0.0:*", KEY, {})
    with pytest.raises(ConfigError, match="cannot answer requests"):
        RequestServer(server.url, KEY, {}).start()
    with pytest.raises(ConfigError, match="is no address"):
        Asker("nonsense", KEY)
