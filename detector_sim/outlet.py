"""A bound ZeroMQ socket: waits for a peer, blocks when that peer is slow, ends at once when told to."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

import zmq

from stream_rrvae.curve import ServerKeys
from stream_rrvae.doorkeeper import Entrance
from stream_rrvae.errors import StreamRrvaeError
from stream_rrvae.feed.viewers import Viewers

QUEUED_BYTES = 64 << 20  # what may wait in the socket; ZeroMQ counts messages, so their size decides the number
_MOST_QUEUED = 10_000
_LEAST_QUEUED = 4
_LAST_WORDS_MS = 30_000
_PORT_PATIENCE_S, _PORT_LOOK_S = 20.0, 0.01
_LEAVING_S = 0.02
PEER_LOOK_MS = 200  # a peer that dies while it holds us back is noticed so late


class Outlet:
    """A PUSH ("push") or publishing ("pub") socket bound to `url`. Raises StreamRrvaeError when it cannot be bound.

    A PUSH waits for a slow peer; a publisher drops what a slow subscriber does not take. A PUSH that `goes_on`
    drops, and counts, what is for a peer that was there and is gone. With `keys` only their holders may connect.
    """

    def __init__(
        self, url: str, kind: str, message_bytes: int, goes_on: bool = False, keys: ServerKeys | None = None
    ) -> None:
        self._keys = keys
        self._publishes = kind == "pub"
        self._queued = max(_LEAST_QUEUED, min(_MOST_QUEUED, QUEUED_BYTES // max(1, message_bytes)))
        self._goes_on = goes_on and not self._publishes
        self.dropped = 0
        self._open(url)
        self.endpoint = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)

    def _open(self, url: str, patience_s: float = 0.0) -> None:
        self._entrance = Entrance(self._keys, own=True)
        # XPUB is a PUB that also tells when somebody subscribes: an event to wait for.
        self._socket = self._entrance.socket(zmq.XPUB if self._publishes else zmq.PUSH)
        self._subscribed = self._had_peer = False
        self._socket.sndhwm = self._queued
        self._peers = None if self._publishes else Viewers(self._socket, url)
        give_up_s = time.monotonic() + patience_s
        while True:
            try:
                self._socket.bind(url)
                break
            except zmq.ZMQError as error:
                if time.monotonic() > give_up_s:
                    self._entrance.close()
                    raise StreamRrvaeError(f"cannot bind {url}: {error}") from error
                time.sleep(_PORT_LOOK_S)  # a port is left a little later than its socket is closed
        self._send = self._socket.send  # looked up once: it is called for every frame

    def restart(self) -> None:
        """Go away with all that is queued, and be back at the same address. Raises StreamRrvaeError."""
        self._close(linger_ms=0)
        self._open(self.endpoint, _PORT_PATIENCE_S)

    def _close(self, linger_ms: int) -> None:
        if self._peers is not None:
            self._peers.close()
        self._entrance.close(linger_ms)

    def wait_for_peer(self) -> None:
        """Return once a subscriber is there; a PUSH waits when it sends."""
        while self._publishes and (not self._subscribed or self._socket.poll(0)):
            self._subscribed = self._socket.recv()[:1] == b"\x01"

    def send(self, parts: Sequence[bytes]) -> None:
        """Send one message, waiting as long as the peer's queue is full."""
        if self._goes_on:
            self.dropped += not self._send_if_taken(parts)
        elif len(parts) == 1:
            self._send(parts[0])
        else:
            self._send_parts(parts)

    def peers(self) -> int:
        """How many are connected; not told of subscribers."""
        return self._peers.count() if self._peers else 0

    def wait_for_leaving(self, most: int) -> None:
        """Until no more than `most` are connected: what is sent to one that is gone is lost."""
        if self._peers is not None and not self._peers.wait_for_leaving(most, _LAST_WORDS_MS):
            raise StreamRrvaeError(f"somebody stays connected to {self.endpoint}")
        time.sleep(_LEAVING_S)  # the monitor tells of it before the socket itself knows
        self._socket.poll(0, zmq.POLLOUT)

    def _send_if_taken(self, parts: Sequence[bytes]) -> bool:
        while self._is_taken():
            with suppress(zmq.Again):  # the peer may leave just after a look that saw room: look again
                self._socket.send_multipart(parts, zmq.NOBLOCK)
                return True
        return False

    def _is_taken(self) -> bool:
        """Whether there is room now, after a wait for a peer that is slow, or the first; False = it is gone."""
        while not self._socket.poll(0, zmq.POLLOUT):
            if self._had_peer and not self.peers():
                return False
            self._socket.poll(PEER_LOOK_MS, zmq.POLLOUT)
        self._had_peer = True
        return True

    def _send_parts(self, parts: Sequence[bytes]) -> None:
        # Not send_multipart, which looks at every part again before it sends the first.
        send = self._send
        for part in parts[:-1]:
            send(part, zmq.SNDMORE)
        send(parts[-1])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A finished sender lets its peer take what is queued; an interrupted or failed one does not wait.
        self._close(_LAST_WORDS_MS if kind is None else 0)
