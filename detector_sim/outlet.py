"""A bound ZeroMQ socket: waits for a peer, blocks when that peer is slow, ends at once when told to."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

import zmq

from stream_rrvae.errors import StreamRrvaeError
from stream_rrvae.feed.viewers import Viewers

QUEUED_BYTES = 64 << 20  # what may wait in the socket; ZeroMQ counts messages, so their size decides the number
_MOST_QUEUED = 10_000
_LEAST_QUEUED = 4
_LAST_WORDS_MS = 30_000
PEER_LOOK_MS = 200  # a peer that dies while it holds us back is noticed so late


class Outlet:
    """A PUSH ("push") or publishing ("pub") socket bound to `url`. Raises StreamRrvaeError when it cannot be bound.

    A PUSH waits for a slow peer; a publisher drops what a slow subscriber does not take. A PUSH that `goes_on`
    drops, and counts, what is for a peer that was there and is gone.
    """

    def __init__(self, url: str, kind: str, message_bytes: int, goes_on: bool = False) -> None:
        self._context = zmq.Context()
        # XPUB is a PUB that also tells when somebody subscribes: an event to wait for.
        self._socket = self._context.socket(zmq.XPUB if kind == "pub" else zmq.PUSH)
        self._publishes = kind == "pub"
        self._subscribed = False
        self._had_peer = False
        self.dropped = 0
        self._socket.sndhwm = max(_LEAST_QUEUED, min(_MOST_QUEUED, QUEUED_BYTES // max(1, message_bytes)))
        self._peers = Viewers(self._socket, url) if goes_on and not self._publishes else None
        try:
            self._socket.bind(url)
        except zmq.ZMQError as error:
            self._context.destroy(linger=0)
            raise StreamRrvaeError(f"cannot bind {url}: {error}") from error
        self._send = self._socket.send  # looked up once: it is called for every frame
        self.endpoint = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)

    def wait_for_peer(self) -> None:
        """Return once a subscriber is there; a PUSH waits when it sends."""
        while self._publishes and (not self._subscribed or self._socket.poll(0)):
            self._subscribed = self._socket.recv()[:1] == b"\x01"

    def send(self, parts: Sequence[bytes]) -> None:
        """Send one message, waiting as long as the peer's queue is full."""
        if self._peers is not None and not self._is_taken(self._peers):
            self.dropped += 1
        elif len(parts) == 1:
            self._send(parts[0])
        else:
            self._send_parts(parts)

    def _is_taken(self, peers: Viewers) -> bool:
        """Whether there is room now, after a wait for a peer that is slow, or the first; False = it is gone."""
        while not self._socket.poll(0, zmq.POLLOUT):
            if not peers.any() and self._had_peer:
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
        if self._peers is not None:
            self._peers.close()
        # A finished sender lets its peer take what is queued; an interrupted or failed one does not wait.
        self._context.destroy(linger=_LAST_WORDS_MS if kind is None else 0)
