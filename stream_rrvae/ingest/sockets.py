"""The ZeroMQ side: one connected socket and a wake-up, so that waiting never means polling."""

from __future__ import annotations

import contextlib
import logging
import math
import threading
from typing import Any, Self

import zmq

from stream_rrvae.errors import ConfigError
from stream_rrvae.ingest.connection_watch import ConnectionWatch
from stream_rrvae.ingest.source import SocketKind, Source

MAX_PARTS = 10  # more than any protocol has; what is beyond is thrown away while it is read
FIRST_FRAME_BYTES = 64 << 10  # assumed of a frame until a scan announces its own
MESSAGES_WAITING = (64, 1 << 16)  # bounds of the high-water mark
MESSAGE_FACTOR = 4  # a message may hold several channels or frames, each as large as the limit
WAKE = "inproc://wake"

Parts = list[memoryview]

log = logging.getLogger(__name__)


class DetectorSocket:
    """The connection to a detector. Made and connected in one thread, then used in one other."""

    def __init__(self, source: Source, queue_bytes: int, frame_bytes_limit: int) -> None:
        self._queue_bytes = queue_bytes
        self._endpoint = source.endpoint
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            self._socket = self._connected(source, frame_bytes_limit)
        except zmq.ZMQError as error:
            self._context.destroy(linger=0)
            raise ConfigError(f"cannot connect to {source.endpoint}: {error}") from error
        self._woken = self._context.socket(zmq.PAIR)
        self._woken.bind(WAKE)
        self._wake = self._context.socket(zmq.PAIR)
        self._wake.connect(WAKE)
        self._wake_lock = threading.Lock()
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        self._poller.register(self._woken, zmq.POLLIN)
        self._poller.register(self._watch.monitor, zmq.POLLIN)

    def _connected(self, source: Source, frame_bytes_limit: int) -> zmq.Socket[bytes]:
        socket = self._context.socket(zmq.SUB if source.socket is SocketKind.SUB else zmq.PULL)
        socket.linger = 0
        socket.ipv6 = "[" in source.endpoint
        socket.rcvhwm = self._messages_waiting(FIRST_FRAME_BYTES)
        # libzmq ends the connection over a larger message, and what is behind it is lost; so this
        # only bounds memory, far above what the decoder refuses by itself.
        socket.setsockopt(zmq.MAXMSGSIZE, MESSAGE_FACTOR * frame_bytes_limit)
        # The kernel's keep-alive, not ZeroMQ's heartbeats: these starve while a slow receiver holds
        # the sender back, and then drop a healthy connection with all that is in flight.
        socket.tcp_keepalive = 1
        socket.tcp_keepalive_idle = 10
        socket.tcp_keepalive_intvl = 5
        socket.tcp_keepalive_cnt = 3
        if source.socket is SocketKind.SUB:
            socket.subscribe(b"")
        self._watch = ConnectionWatch(socket, source.endpoint)
        socket.connect(source.endpoint)
        return socket

    def expect_messages_of(self, message_bytes: int) -> None:
        """Let no more messages wait than the queue could hold of this size."""
        # Never more than before: libzmq tells the writing end of a full pipe of room when the number of messages read
        # is a multiple of half the mark; with a larger mark that may lie beyond what is in the pipe, for ever.
        self._socket.rcvhwm = min(self._socket.rcvhwm, self._messages_waiting(message_bytes))

    def wait(self, timeout_s: float | None) -> bool:
        """Until there may be a message, or the time is over; False when woken to stop."""
        limits_s = [limit for limit in (timeout_s, self._watch.patience_s) if limit is not None]
        ready = dict(self._poller.poll(_milliseconds(min(limits_s)) if limits_s else None))
        if self._watch.monitor in ready:
            self._watch.look()
        if self._socket not in ready and self._watch.is_given_up():
            self._connect_again()
        return self._woken not in ready

    def receive(self) -> Parts | None:
        """One waiting message, None when none waits; a message of too many parts is cut."""
        try:
            parts = [memoryview(self._socket.recv(zmq.NOBLOCK))]
        except zmq.Again:
            return None
        if self._socket.getsockopt(zmq.RCVMORE):
            self.receive_rest(parts)
        return parts

    def receive_rest(self, parts: Parts) -> None:
        """Append the further parts of a message that has more."""
        while True:
            part = self._socket.recv()
            if len(parts) < MAX_PARTS:
                parts.append(memoryview(part))
            if not self._socket.getsockopt(zmq.RCVMORE):
                return

    @property
    def handle(self) -> int:
        """The socket as libzmq's own functions take it; for the receiving thread alone."""
        return int(self._socket.underlying)

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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def _connect_again(self) -> None:
        log.warning("connecting to %s again: a message or a sender broke the protocol", self._endpoint)
        with contextlib.suppress(zmq.ZMQError):  # libzmq may have forgotten the endpoint by itself
            self._socket.disconnect(self._endpoint)
        self._socket.connect(self._endpoint)

    def _messages_waiting(self, message_bytes: int) -> int:
        low, high = MESSAGES_WAITING
        return min(high, max(low, self._queue_bytes // message_bytes))


def _milliseconds(wait_s: float) -> int:
    """Rounded up: rounded down, a wait of less than a millisecond would spin."""
    return math.ceil(max(0.0, wait_s) * 1000)
