"""A viewer's end of the feed: the newest snapshot and never an older one."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import zmq

from stream_rrvae.curve import ClientKeys
from stream_rrvae.errors import ConfigError
from stream_rrvae.feed.codec import MESSAGE_BYTES_LIMIT, decode_snapshot
from stream_rrvae.messages import Snapshot

RECONNECT_MS = 100
RECONNECT_LIMIT_MS = 1000
HEARTBEAT_MS = 2000


class Subscriber:
    """Connects to a service's feed, now or whenever it comes up. Use it in one thread."""

    def __init__(self, url: str, keys: ClientKeys | None = None) -> None:
        """Raises ConfigError when `url` is no address. With `keys` nobody but their server is listened to."""
        self._socket = _connected_socket(url, keys)

    def receive(self, timeout_s: float) -> Snapshot | None:
        """The newest snapshot, or None when none came in `timeout_s`.

        Raises FeedError when what came is not a snapshot; the next call goes on.
        """
        if not self._socket.poll(int(timeout_s * 1000)):
            return None
        return decode_snapshot(self._socket.recv(copy=False).buffer)

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _connected_socket(url: str, keys: ClientKeys | None) -> zmq.Socket[bytes]:
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.SUB)
    socket.setsockopt(zmq.CONFLATE, 1)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.MAXMSGSIZE, MESSAGE_BYTES_LIMIT)
    socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_LIMIT_MS)
    socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)  # notices a cable that was pulled
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 3 * HEARTBEAT_MS)
    socket.setsockopt(zmq.SUBSCRIBE, b"")
    if keys is not None:
        keys.use(socket)
    try:
        socket.connect(url)
    except zmq.ZMQError as error:
        socket.close()
        raise ConfigError(f"{url} is no feed address, such as tcp://127.0.0.1:5556: {error.strerror}") from error
    return socket
