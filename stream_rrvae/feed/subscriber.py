"""A viewer's end of the feed: the newest snapshot and never an older one."""

from __future__ import annotations

import math
from collections import deque
from time import monotonic

import zmq

from stream_rrvae.closing import Closing
from stream_rrvae.curve import ClientKeys
from stream_rrvae.errors import ConfigError
from stream_rrvae.feed.codec import BEGINNING, MESSAGE_BYTES_LIMIT, is_whole
from stream_rrvae.feed.follower import Follower
from stream_rrvae.messages import Snapshot

RECONNECT_MS = 100
RECONNECT_LIMIT_MS = 1000
ALIVE_S = 2  # between looks whether the other machine is there, while nothing comes of it
ALIVE_LOOKS = 3
WAITING_LIMIT = 8  # messages that wait here; further ones wait with the service, which drops the newest
MOST_AT_ONCE = 1024  # messages to the newest, where one was away for long; small ones fill the kernel's buffers
ASK_AGAIN_S = 1.0


class Subscriber(Closing):
    """Connects to a service's feed, now or whenever it comes up. Use it in one thread."""

    def __init__(self, url: str, keys: ClientKeys | None = None) -> None:
        """Raises ConfigError when `url` is no address. With `keys` nobody but their server is listened to."""
        self._socket = _connected_socket(url, keys)
        self._follower = Follower()
        self._came: deque[memoryview] = deque()
        self._ask_at_s = math.inf  # who connects asks for a whole snapshot thereby

    def receive(self, timeout_s: float) -> Snapshot | None:
        """The newest snapshot, or None when none came in `timeout_s`.

        Raises FeedError when what came is not a snapshot; the next call goes on.
        """
        until_s = monotonic() + timeout_s
        while True:
            snapshot = self._newest()
            left_ms = math.ceil(1000 * (until_s - monotonic()))
            if snapshot is not None or not self._socket.poll(max(0, left_ms)):
                return snapshot

    def _newest(self) -> Snapshot | None:
        """What the messages that have come make together, None where that is nothing."""
        snapshot = None
        for _ in range(MOST_AT_ONCE):
            self._take_what_came()
            if not self._came:
                break
            snapshot = self._follower.take(self._came.popleft()) or snapshot
        if self._follower.lacks:
            self._ask_for_whole()
        elif snapshot is not None:
            self._ask_at_s = -math.inf
        return snapshot

    def _take_what_came(self) -> None:
        while len(self._came) < WAITING_LIMIT and self._socket.poll(0):
            message = self._socket.recv(copy=False).buffer
            if is_whole(message):
                self._came.clear()  # it holds what those before say
            self._came.append(message)

    def _ask_for_whole(self) -> None:
        """Subscribe anew, which the service hears; not again while the answer may be under way."""
        now_s = monotonic()
        if now_s >= self._ask_at_s:
            self._socket.unsubscribe(BEGINNING)
            self._socket.subscribe(BEGINNING)
        if not now_s < self._ask_at_s < math.inf:
            self._ask_at_s = now_s + ASK_AGAIN_S

    def close(self) -> None:
        self._socket.close()


def _connected_socket(url: str, keys: ClientKeys | None) -> zmq.Socket[bytes]:
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.SUB)
    socket.setsockopt(zmq.RCVHWM, WAITING_LIMIT)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.MAXMSGSIZE, MESSAGE_BYTES_LIMIT)
    socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_LIMIT_MS)
    # Notices a cable that was pulled. ZeroMQ's own heartbeats end the process when a queue is full: zeromq/libzmq#3937.
    socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
    socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, ALIVE_S)
    socket.setsockopt(zmq.TCP_KEEPALIVE_INTVL, ALIVE_S)
    socket.setsockopt(zmq.TCP_KEEPALIVE_CNT, ALIVE_LOOKS)
    socket.setsockopt(zmq.SUBSCRIBE, BEGINNING)
    if keys is not None:
        keys.use(socket)
    try:
        socket.connect(url)
    except zmq.ZMQError as error:
        socket.close()
        raise ConfigError(f"{url} is no feed address, such as tcp://127.0.0.1:5556: {error.strerror}") from error
    return socket
