"""The ZeroMQ side: connected endpoints and a wake-up, so that waiting never means polling."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence

import zmq

from stream_rrvae.closing import Closing
from stream_rrvae.curve import ClientKeys
from stream_rrvae.errors import ConfigError
from stream_rrvae.ingest.endpoint import Endpoint
from stream_rrvae.ingest.source import Source

WAKE = "inproc://wake"
MOST_IO_THREADS = 4


class DetectorSockets(Closing):
    """The connections to a detector. Made and connected in one thread, then used in one other.

    `endpoints` are those of `sources`; together no more than `queue_bytes` wait in them.
    """

    def __init__(
        self, sources: Sequence[Source], queue_bytes: int, frame_bytes_limit: int, keys: ClientKeys | None = None
    ) -> None:
        # A thread of libzmq's reads what several endpoints send as well, until it is the limit itself.
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(min(MOST_IO_THREADS, len(sources)))
        share_bytes = queue_bytes // len(sources)
        try:
            self.endpoints = tuple(
                Endpoint(self._context, each, share_bytes, frame_bytes_limit, keys) for each in sources
            )
        except ConfigError:
            self._context.destroy(linger=0)
            raise
        self._woken = self._context.socket(zmq.PAIR)
        self._woken.bind(WAKE)
        self._wake = self._context.socket(zmq.PAIR)
        self._wake.connect(WAKE)
        self._wake_lock = threading.Lock()
        self._poller = zmq.Poller()
        self._poller.register(self._woken, zmq.POLLIN)
        for endpoint in self.endpoints:
            self._poller.register(endpoint.watch.monitor, zmq.POLLIN)
            self._poller.register(endpoint.socket, zmq.POLLIN)

    def wait(self, timeout_s: float | None) -> bool:
        """Until there may be a message, or the time is over; False when woken to stop."""
        listened_to = [endpoint for endpoint in self.endpoints if endpoint.socket in self._poller]
        patiences_s = [endpoint.watch.patience_s for endpoint in listened_to]
        limits_s = [limit for limit in (timeout_s, *patiences_s) if limit is not None]
        ready = dict(self._poller.poll(_milliseconds(min(limits_s)) if limits_s else None))
        for endpoint in self.endpoints:
            if endpoint.watch.monitor in ready:
                endpoint.watch.look()
        for endpoint in listened_to:
            if endpoint.socket not in ready and endpoint.watch.is_given_up():
                endpoint.connect_again()
        return self._woken not in ready

    def listen_to(self, wanted: Sequence[int]) -> None:
        """Wait for messages of these endpoints only: what others send is left in their queues, and they wait."""
        for place, endpoint in enumerate(self.endpoints):
            if (place in wanted) != (endpoint.socket in self._poller):
                self._poller.modify(endpoint.socket, zmq.POLLIN if place in wanted else 0)

    def rest(self, duration_s: float) -> None:
        """Let messages gather for so long, unless woken."""
        self._woken.poll(_milliseconds(duration_s))

    def wake(self) -> None:
        """Make `wait` return, now or at its next call; from any thread."""
        with self._wake_lock:
            if not self._wake.closed:
                self._wake.send(b"")

    def close(self) -> None:
        """Let go of everything; from the thread that receives, or when that has ended."""
        with self._wake_lock:
            self._context.destroy(linger=0)


def _milliseconds(wait_s: float) -> int:
    """Rounded up: rounded down, a wait of less than a millisecond would spin."""
    return math.ceil(max(0.0, wait_s) * 1000)
