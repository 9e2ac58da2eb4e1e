"""Answers requests of who holds the key, beside the feed that goes one way; see `requests` for the wire."""

from __future__ import annotations

import itertools
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import zmq

from stream_rrvae.arguments import Arguments
from stream_rrvae.curve import ServerKeys
from stream_rrvae.doorkeeper import Entrance
from stream_rrvae.errors import ConfigError, RequestError, StreamRrvaeError
from stream_rrvae.feed.request_freshness import Freshness
from stream_rrvae.feed.request_lane import Job, Lane
from stream_rrvae.feed.requests import (
    REQUEST_BYTES,
    Answer,
    Request,
    Unknown,
    one_line,
    open_request,
    pack_answer,
    refused,
)
from stream_rrvae.feed.waker import Waker
from stream_rrvae.log import event
from stream_rrvae.security import check_bind

QuickAnswer = Callable[[Arguments], Answer]
SlowAnswer = Callable[[Arguments, Callable[[], bool]], Answer]  # told whether it is still wanted
Told = Callable[[str, str], object]  # name of the request, outcome
OUTCOMES = ("answered", "declined", "failed", "superseded", "busy", "malformed", "wrong_key", "undelivered")
UNKNOWN_NAME = "unknown"  # of requests that are told of: names from outside must not become labels
ANSWERS_WAITING = 256  # for one asker that does not read
SLOW_NICE = 10
NEWER = "a newer request took its place"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request and where its answer goes."""

    envelope: tuple[bytes, ...]
    seal: bytes
    request: Request


class RequestServer:
    """`answers` take milliseconds and are given one by one; `slow` ones aside, one at a time, of low priority.

    A slow request that waits is superseded by the next with its name of the same asker. What an answer raises becomes
    one line of text. With `keys` only their holders may connect, and what is said is encrypted. Raises SecurityError
    when `url` is beyond this machine without them and that was not allowed.
    """

    def __init__(
        self,
        url: str,
        key: str,
        answers: Mapping[str, QuickAnswer],
        slow: Mapping[str, SlowAnswer] | None = None,
        allow_remote: bool = False,
        told: Told = lambda _name, _outcome: None,
        keys: ServerKeys | None = None,
    ) -> None:
        self.url = check_bind(url, allow_remote, keys is not None)
        self._entrance = Entrance(keys)
        self._key = key
        self._answers, self._slow = dict(answers), dict(slow or {})
        self._told = told
        self._freshness = Freshness()
        self._quick_lane, self._slow_lane = Lane("answers"), Lane("slow answers", SLOW_NICE)
        self._serial = itertools.count()
        self._to_send: deque[list[bytes]] = deque()
        self._waker = Waker()
        self._over = threading.Event()
        self._socket: zmq.Socket[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name="requests", daemon=True)

    def start(self) -> None:
        """Bind and begin; `url` then names the port that was taken. Raises ConfigError."""
        try:
            self._socket = socket = _bound_socket(self._entrance, self.url)
        except StreamRrvaeError:
            self._waker.close()
            raise
        self.url = socket.get_string(zmq.LAST_ENDPOINT)
        self._quick_lane.start()
        self._slow_lane.start()
        self._thread.start()

    def stop(self) -> None:
        """Answer no more; may be called more than once."""
        self._quick_lane.stop()
        self._slow_lane.stop()
        self._over.set()
        self._waker.wake()
        if self._thread.is_alive():
            self._thread.join()
        self._entrance.close()
        self._waker.close()

    def _run(self) -> None:
        assert self._socket is not None
        poller = zmq.Poller()
        poller.register(self._waker.fd, zmq.POLLIN)
        poller.register(self._socket, zmq.POLLIN)
        with self._socket:
            while not self._over.is_set():
                ready = dict(poller.poll())
                if self._waker.fd in ready:
                    self._waker.clear()
                if self._socket in ready:
                    self._take(self._socket.recv_multipart())
                while self._to_send:
                    self._send_now(self._socket, self._to_send.popleft())

    def _send_now(self, socket: zmq.Socket[bytes], parts: Sequence[bytes]) -> None:
        try:
            socket.send_multipart(parts, zmq.NOBLOCK, copy=False)
        except zmq.ZMQError as error:  # the asker is gone, or does not read
            self._told(UNKNOWN_NAME, "undelivered")
            _log.debug("an answer was not delivered: %s", error)

    def _take(self, parts: Sequence[bytes]) -> None:
        envelope, content = _split(parts)
        seal = content[0] if content else b""
        try:
            request = open_request(content, self._key)
        except PermissionError:
            self._told(UNKNOWN_NAME, "wrong_key")
            self._send(envelope, refused(seal))
            return
        except RequestError as error:
            self._told(UNKNOWN_NAME, "malformed")
            self._send(envelope, pack_answer(error, seal, self._key))
            return
        asked = _Asked(envelope, seal, request)
        if self._freshness.takes(request):
            self._dispatch(asked)
        else:
            self._send(envelope, pack_answer(Unknown(self._freshness.server), seal, self._key))

    def _dispatch(self, asked: _Asked) -> None:
        request = asked.request
        superseded = partial(self._finish, asked, RequestError(NEWER), "superseded")
        try:
            if request.ask in self._slow:
                place = (asked.envelope, request.who, request.ask)
                work = partial(self._answer, asked, self._slow[request.ask])
                self._slow_lane.give(Job(place, work, superseded))
            elif request.ask in self._answers:
                quick = self._answers[request.ask]
                work = partial(self._answer, asked, lambda arguments, _wanted: quick(arguments))
                self._quick_lane.give(Job(next(self._serial), work, superseded))
            else:
                known = ", ".join(sorted({*self._answers, *self._slow}))
                self._finish(
                    asked, RequestError(f"{request.ask!r} is not among what can be asked: {known}"), "malformed"
                )
        except RequestError as error:
            self._finish(asked, error, "busy")

    def _answer(self, asked: _Asked, answer: SlowAnswer, wanted: Callable[[], bool]) -> None:
        """In a lane's thread."""
        try:
            self._finish(asked, answer(Arguments(asked.request.arguments), wanted), "answered")
        except StreamRrvaeError as error:
            outcome = "declined" if wanted() else "superseded"
            self._finish(asked, RequestError(one_line(str(error))), outcome)
        except Exception as error:
            # One request that the program is not up to must not end all others.
            event("request_failed", logging.ERROR, error=error, ask=asked.request.ask)
            self._finish(asked, RequestError(f"the service failed at {asked.request.ask}; its log says why"), "failed")

    def _finish(self, asked: _Asked, answer: Answer | RequestError, outcome: str) -> None:
        parts = pack_answer(answer, asked.seal, self._key)
        known = asked.request.ask in self._answers or asked.request.ask in self._slow
        self._told(asked.request.ask if known else UNKNOWN_NAME, outcome)
        self._send(asked.envelope, parts)
        self._waker.wake()

    def _send(self, envelope: Sequence[bytes], parts: Sequence[bytes]) -> None:
        self._to_send.append([*envelope, *parts])


def _split(parts: Sequence[bytes]) -> tuple[tuple[bytes, ...], Sequence[bytes]]:
    """The envelope, with the empty part that a REQ socket adds, and the content."""
    begin = 2 if len(parts) > 1 and not parts[1] else 1
    return tuple(parts[:begin]), parts[begin:]


def _bound_socket(entrance: Entrance, url: str) -> zmq.Socket[bytes]:
    socket = entrance.socket(zmq.ROUTER)
    socket.set(zmq.MAXMSGSIZE, REQUEST_BYTES)
    socket.set(zmq.LINGER, 0)
    socket.set(zmq.SNDHWM, ANSWERS_WAITING)
    socket.set(zmq.ROUTER_MANDATORY, 1)  # what cannot be sent is told, so that it can be counted
    try:
        socket.bind(url)
    except zmq.ZMQError as error:
        socket.close(0)
        entrance.close()
        raise ConfigError(f"cannot answer requests on {url}: {error.strerror}; choose another address") from error
    return socket


def names_told(answers: Mapping[str, Any], slow: Mapping[str, Any]) -> list[str]:
    """The names that `told` may be given."""
    return [*answers, *slow, UNKNOWN_NAME]
