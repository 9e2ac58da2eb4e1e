"""Asks a service and waits in a thread of its own: who asks gets a future, an event loop is never held up."""

from __future__ import annotations

import itertools
import secrets
import threading
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any

import zmq

from stream_rrvae.curve import ClientKeys
from stream_rrvae.errors import ConfigError, RequestError
from stream_rrvae.feed.requests import ANSWER_BYTES, NONCE_BYTES, Request, Unknown, open_answer, pack_request
from stream_rrvae.feed.subscriber import RECONNECT_LIMIT_MS, RECONNECT_MS
from stream_rrvae.feed.waker import Waker
from stream_rrvae.messages import Plain

TIMEOUT_S = 5.0
HEARTBEAT_MS = 2000  # its queues are never full: see `feed.subscriber`
OPEN_LIMIT = 256  # requests without an answer
TRIES = 4  # the service may come to not know us any more between two of them
CLOSED = "nothing is asked any more"


@dataclass(slots=True)
class _Open:
    """A request without an answer yet."""

    request: Request
    deadline_s: float
    tries_left: int = TRIES
    future: Future[dict[str, Any]] = field(default_factory=Future)


class Asker:
    """Connects to a request server now or whenever it comes up. Its methods may be called from any thread.

    With `keys` what is asked goes to their server alone, encrypted. Raises ConfigError when `url` is no address.
    """

    def __init__(self, url: str, key: str, keys: ClientKeys | None = None) -> None:
        self._url, self._key = url, key
        self._socket = _connected_socket(url, keys)
        self._me = secrets.token_bytes(NONCE_BYTES)
        self._numbers = itertools.count(1)
        self._server = b""  # its number, once known
        self._new: deque[_Open] = deque()
        self._open: dict[bytes, _Open] = {}  # by the request's seal
        self._lock = threading.Lock()
        self._over = False
        self._waker = Waker()
        self._thread = threading.Thread(target=self._run, name="asker", daemon=True)
        self._thread.start()

    def ask(
        self, name: str, arguments: Mapping[str, Plain] | None = None, who: str = "", timeout_s: float = TIMEOUT_S
    ) -> Future[dict[str, Any]]:
        """The answer to come (plain values, read-only float32 arrays), or RequestError after `timeout_s` at the latest.

        `who` tells askers that share this connection apart: their requests do not take each other's place.
        """
        asked = _Open(Request(name, dict(arguments or {}), who), monotonic() + timeout_s)
        with self._lock:
            if self._over or len(self._new) + len(self._open) >= OPEN_LIMIT:
                asked.future.set_exception(RequestError(CLOSED if self._over else "too much is asked at once"))
                return asked.future
            self._new.append(asked)
        self._waker.wake()
        return asked.future

    def close(self) -> None:
        """Ask no more; what is open fails."""
        with self._lock:
            self._over = True
        self._waker.wake()
        if self._thread is not threading.current_thread():
            self._thread.join()
        self._waker.close()

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._waker.fd, zmq.POLLIN)
        poller.register(self._socket, zmq.POLLIN)
        with self._socket:
            while not self._over:
                ready = dict(poller.poll(self._patience_ms()))
                if self._waker.fd in ready:
                    self._waker.clear()
                if self._socket in ready:
                    self._take(self._socket.recv_multipart())
                self._send_new()
                self._give_up_late()
        with self._lock:
            left = [*self._new, *self._open.values()]
            self._new.clear()
            self._open.clear()
        for asked in left:
            _fail(asked, RequestError(CLOSED))

    def _patience_ms(self) -> int | None:
        with self._lock:
            deadlines_s = [asked.deadline_s for asked in self._open.values()]
        return None if not deadlines_s else max(0, int((min(deadlines_s) - monotonic()) * 1000) + 1)

    def _send_new(self) -> None:
        while True:
            with self._lock:
                if not self._new:
                    return
                asked = self._new.popleft()
            # Nobody knows the service's number before it said it: those who wait would only be told it one by one.
            self._send(asked)

    def _send(self, asked: _Open) -> None:
        if asked.future.cancelled():
            return
        asked.tries_left -= 1
        request = replace(asked.request, server=self._server, asker=self._me, number=next(self._numbers))
        try:
            parts = pack_request(request, self._key)
            self._socket.send_multipart(parts, zmq.NOBLOCK)
        except RequestError as error:
            _fail(asked, error)
        except zmq.ZMQError as error:
            _fail(asked, RequestError(f"{self._url} cannot be asked: {error.strerror}"))
        else:
            with self._lock:
                self._open[parts[0]] = asked

    def _take(self, parts: list[bytes]) -> None:
        with self._lock:
            asked = self._open.pop(parts[0], None)
        if asked is None:
            return  # it came too late
        try:
            answer = open_answer(parts, self._key)
        except RequestError as error:
            _fail(asked, error)
            return
        if isinstance(answer, Unknown):
            self._server = answer.server
            if asked.tries_left:
                self._send(asked)
            else:
                _fail(asked, RequestError(f"{self._url} does not know us"))
        else:
            with suppress(InvalidStateError):  # it was cancelled meanwhile
                asked.future.set_result(answer)

    def _give_up_late(self) -> None:
        now_s = monotonic()
        with self._lock:
            late = [seal for seal, asked in self._open.items() if asked.deadline_s <= now_s]
            given_up = [self._open.pop(seal) for seal in late]
        for asked in given_up:
            _fail(asked, RequestError(f"{self._url} did not answer in time"))


def _fail(asked: _Open, error: RequestError) -> None:
    with suppress(InvalidStateError):  # it was cancelled meanwhile
        asked.future.set_exception(error)


def _connected_socket(url: str, keys: ClientKeys | None) -> zmq.Socket[bytes]:
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
    socket.set(zmq.LINGER, 0)
    socket.set(zmq.MAXMSGSIZE, ANSWER_BYTES)
    socket.set(zmq.RECONNECT_IVL, RECONNECT_MS)
    socket.set(zmq.RECONNECT_IVL_MAX, RECONNECT_LIMIT_MS)
    socket.set(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
    socket.set(zmq.HEARTBEAT_TIMEOUT, 3 * HEARTBEAT_MS)
    if keys is not None:
        keys.use(socket)
    try:
        socket.connect(url)
    except zmq.ZMQError as error:
        socket.close()
        raise ConfigError(f"{url} is no address, such as tcp://127.0.0.1:5557: {error.strerror}") from error
    return socket
