"""The socket that a replay sends through: bound like a detector's, waiting for whoever connects."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress

import zmq

from stream_rrvae.curve import ServerKeys
from stream_rrvae.doorkeeper import Entrance
from stream_rrvae.errors import ConfigError
from stream_rrvae.security import check_bind

QUEUE_MESSAGES, QUEUE_BYTES = 1000, 64 << 20  # that wait for the receiver, whichever is less
WAIT_MS = 200
LINGER_MS, LINGER_STOPPED_MS = 10_000, 500
PROTOCOLS = {"native+pull": "native", "native+push": "native", "tcp": "native", "dectris-v2": "dectris-v2"}


def protocol_and_address(url: str, allow_remote: bool = False, has_keys: bool = False) -> tuple[str, str]:
    """Protocol and the ZeroMQ address to bind for `url`, which may be just what the receiver's --source says.

    Raises ConfigError; SecurityError when it lies beyond this machine without keys and that was not allowed.
    """
    scheme, _, address = url.partition("://")
    if scheme not in PROTOCOLS or not address:
        raise ConfigError(
            f"cannot replay to {url!r}: write native+pull://127.0.0.1:PORT or dectris-v2://127.0.0.1:PORT, "
            "as the receiver's --source"
        )
    if has_keys and PROTOCOLS[scheme] != "native":
        raise ConfigError("only the native protocol knows keys: write native+pull://HOST:PORT")
    return PROTOCOLS[scheme], check_bind(f"tcp://{address}", allow_remote, has_keys)


class ReplayOutlet:
    """Sends message parts; `stop` may be called from any thread, the rest from one.

    With `keys` only their holders may connect.
    """

    def __init__(self, address: str, largest_message_bytes: int = 1 << 20, keys: ServerKeys | None = None) -> None:
        self._stopping = threading.Event()
        self._entrance = Entrance(keys, own=True)
        self._socket = self._entrance.socket(zmq.PUSH)
        self._socket.set(zmq.SNDHWM, max(2, min(QUEUE_MESSAGES, QUEUE_BYTES // largest_message_bytes)))
        try:
            self._socket.bind(address)
        except zmq.ZMQError as error:
            self._entrance.close()
            raise ConfigError(f"cannot bind {address}: {error}") from error
        self.address: str = self._socket.get_string(zmq.LAST_ENDPOINT)

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    def stop(self) -> None:
        """End what waits; what was not sent stays unsent."""
        self._stopping.set()

    def send(self, parts: Sequence[bytes]) -> bool:
        """Wait for room (the receiver sets the pace); False when stopped meanwhile."""
        while not self._stopping.is_set():
            try:
                self._socket.send_multipart(parts, zmq.NOBLOCK, copy=False)
            except zmq.Again:
                self._socket.poll(WAIT_MS, zmq.POLLOUT)
            else:
                return True
        return False

    def send_if_room(self, parts: Sequence[bytes]) -> None:
        """A last word, if anybody is there to take it."""
        with suppress(zmq.Again):
            self._socket.send_multipart(parts, zmq.NOBLOCK)

    def close(self) -> None:
        """Wait until what was sent is delivered, for as long as is bearable: a process that ends takes it along."""
        self._entrance.close(LINGER_STOPPED_MS if self.stopping else LINGER_MS)
