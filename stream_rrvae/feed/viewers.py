"""Who is connected to the feed: without a viewer no snapshot is made."""

from __future__ import annotations

import zmq
from zmq.utils.monitor import parse_monitor_message


class Viewers:
    """The connections of one socket, as its monitor tells; used by the thread of the socket, made before it is bound.

    No monitor tells of viewers in the same process (inproc): there somebody always looks.
    """

    def __init__(self, socket: zmq.Socket[bytes], url: str) -> None:
        self._connected: set[int] = set()  # file descriptors of the connections
        self._is_told = not url.startswith("inproc:")
        self._socket = socket
        self._monitor = socket.get_monitor_socket(zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED)

    def any(self) -> bool:
        """Whether anybody is connected now."""
        return bool(self.count()) or not self._is_told

    def count(self) -> int:
        """How many are connected now, as far as the monitor tells."""
        while self._monitor.poll(0):
            self._take_one()
        return len(self._connected)

    def wait_for_leaving(self, most: int, patience_ms: int) -> bool:
        """Until no more than `most` are connected; False where nobody leaves for so long."""
        while self.count() > most:
            if not self._monitor.poll(patience_ms):
                return False
            self._take_one()
        return True

    def _take_one(self) -> None:
        told = parse_monitor_message(self._monitor.recv_multipart())
        if told["event"] == zmq.EVENT_ACCEPTED:
            self._connected.add(told["value"])
        else:
            self._connected.discard(told["value"])

    def close(self) -> None:
        """Stop listening; before the socket itself is closed."""
        self._socket.disable_monitor()
        self._monitor.close()
