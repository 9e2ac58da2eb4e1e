"""One connected socket: messages from one endpoint of a detector, in the order in which it sent them."""

from __future__ import annotations

import contextlib
import logging

import zmq

from stream_rrvae.curve import ClientKeys
from stream_rrvae.errors import ConfigError
from stream_rrvae.ingest.connection_watch import ConnectionWatch
from stream_rrvae.ingest.source import SocketKind, Source
from stream_rrvae.log import event

MAX_PARTS = 10  # more than any protocol has; what is beyond is thrown away while it is read
FIRST_FRAME_BYTES = 64 << 10  # assumed of a frame until a scan announces its own
MESSAGES_WAITING = (64, 1 << 16)  # bounds of the high-water mark
MESSAGE_FACTOR = 4  # a message may hold several channels or frames, each as large as the limit

Parts = list[memoryview]


class Endpoint:
    """The connection to `source`. Made and connected in one thread, then used in one other.

    Raises ConfigError when it cannot be connected to. No more than `queue_bytes` wait in it. With `keys` nobody
    but their server is listened to.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        source: Source,
        queue_bytes: int,
        frame_bytes_limit: int,
        keys: ClientKeys | None = None,
    ) -> None:
        self._queue_bytes = queue_bytes
        self._prefetches = source.socket is SocketKind.SUB
        self._messages_read = 0  # over this connection, as libzmq counts them
        self._wanted_mark: int | None = None
        self._address = source.endpoint
        self.socket = context.socket(zmq.SUB if source.socket is SocketKind.SUB else zmq.PULL)
        self.watch = ConnectionWatch(self.socket, source.endpoint)
        try:
            self._set_up(source, frame_bytes_limit)
            if keys is not None:
                keys.use(self.socket)
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
        """Let no more messages wait than the queue could hold of this size, as soon as that is safe."""
        mark = self.socket.rcvhwm
        wanted = self._messages_waiting(message_bytes)
        # Never more than before, see `_lower_mark`: a full pipe may hold less than half of a larger mark.
        self._wanted_mark = wanted if wanted < mark else None

    @property
    def is_lowering(self) -> bool:
        """Whether messages have to be received one by one, by `receive`, for a while."""
        return self._wanted_mark is not None

    def took(self, count: int) -> None:
        """So many whole messages were received by way of `handle`."""
        self._messages_read += count

    def receive(self) -> Parts | None:
        """One waiting message, None when none waits; a message of too many parts is cut."""
        # Asking a SUB socket takes the next part out of the pipe: too late to change what is counted with it.
        if self.is_lowering and not self._prefetches and self.socket.poll(0):
            self._lower_mark()
        try:
            parts = [memoryview(self.socket.recv(zmq.NOBLOCK))]
        except zmq.Again:
            return None
        if self.socket.getsockopt(zmq.RCVMORE):
            self._lower_mark()
            self.receive_rest(parts)
        self._messages_read += 1
        return parts

    def _lower_mark(self) -> None:
        """Take the wanted high-water mark, when the next message read, which is there, makes libzmq tell of it.

        Its writing end stops at `mark` messages beyond those that it was told were read, and is told when their number
        is a multiple of half the mark (pipe.cpp: compute_lwm). A mark that is lowered at any other moment can leave it
        stopped for ever: full by the new mark, with less in the pipe than the next multiple.
        """
        wanted = self._wanted_mark
        if wanted is not None and (self._messages_read + 1) % ((wanted + 1) // 2) == 0:
            self.socket.rcvhwm, self._wanted_mark = wanted, None

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
        event("detector_connected_anew", logging.WARNING, endpoint=self._address, reason="the protocol was broken")
        self._messages_read = 0
        with contextlib.suppress(zmq.ZMQError):  # libzmq may have forgotten the endpoint by itself
            self.socket.disconnect(self._address)
        self.socket.connect(self._address)

    def _messages_waiting(self, message_bytes: int) -> int:
        low, high = MESSAGES_WAITING
        return min(high, max(low, self._queue_bytes // message_bytes))
