"""One connected socket: messages from one endpoint of a detector, in the order in which it sent them."""

from __future__ import annotations

import contextlib
import logging

import zmq

from stream_rrvae.errors import ConfigError
from stream_rrvae.ingest.connection_watch import ConnectionWatch
from stream_rrvae.ingest.source import SocketKind, Source

MAX_PARTS = 10  # more than any protocol has; what is beyond is thrown away while it is read
FIRST_FRAME_BYTES = 64 << 10  # assumed of a frame until a scan announces its own
MESSAGES_WAITING = (64, 1 << 16)  # bounds of the high-water mark
MESSAGE_FACTOR = 4  # a message may hold several channels or frames, each as large as the limit

Parts = list[memoryview]

log = logging.getLogger(__name__)


class Endpoint:
    """The connection to `source`. Made and connected in one thread, then used in one other.

    Raises ConfigError when it cannot be connected to. No more than `queue_bytes` wait in it.
    """

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], source: Source, queue_bytes: int, frame_bytes_limit: int
    ) -> None:
        self._queue_bytes = queue_bytes
        self._address = source.endpoint
        self.socket = context.socket(zmq.SUB if source.socket is SocketKind.SUB else zmq.PULL)
        self.watch = ConnectionWatch(self.socket, source.endpoint)
        try:
            self._set_up(source, frame_bytes_limit)
            self.socket.connect(source.endpoint)
        except zmq.ZMQError as error:
            raise ConfigError(f"cannot connect to {source.endpoint}: {error}") from error

    def _set_up(self, source: Source, frame_bytes_limit: int) -> None:
        socket = self.socket
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

    def expect_messages_of(self, message_bytes: int) -> None:
        """Let no more messages wait than the queue could hold of this size."""
        # Never more than before: libzmq tells the writing end of a full pipe of room when the number of messages read
        # is a multiple of half the mark; with a larger mark that may lie beyond what is in the pipe, for ever.
        self.socket.rcvhwm = min(self.socket.rcvhwm, self._messages_waiting(message_bytes))

    def receive(self) -> Parts | None:
        """One waiting message, None when none waits; a message of too many parts is cut."""
        try:
            parts = [memoryview(self.socket.recv(zmq.NOBLOCK))]
        except zmq.Again:
            return None
        if self.socket.getsockopt(zmq.RCVMORE):
            self.receive_rest(parts)
        return parts

    def receive_rest(self, parts: Parts) -> None:
        """Append the further parts of a message that has more."""
        while True:
            part = self.socket.recv()
            if len(parts) < MAX_PARTS:
                parts.append(memoryview(part))
            if not self.socket.getsockopt(zmq.RCVMORE):
                return

    @property
    def handle(self) -> int:
        """The socket as libzmq's own functions take it; for the receiving thread alone."""
        return int(self.socket.underlying)

    def connect_again(self) -> None:
        """After libzmq has given the connection up."""
        log.warning("connecting to %s again: a message or a sender broke the protocol", self._address)
        with contextlib.suppress(zmq.ZMQError):  # libzmq may have forgotten the endpoint by itself
            self.socket.disconnect(self._address)
        self.socket.connect(self._address)

    def _messages_waiting(self, message_bytes: int) -> int:
        low, high = MESSAGES_WAITING
        return min(high, max(low, self._queue_bytes // message_bytes))
