"""Somebody else who takes from the stream: a PUSH socket deals its messages to everybody who connects."""

from __future__ import annotations

import threading

import zmq
from zmq.utils.monitor import parse_monitor_message

from stream_rrvae.closing import Closing

_LOOK_MS = 20
_PATIENCE_MS = 5_000


class SecondConsumer(Closing):
    """Takes its share of what `endpoint` deals, from being made until it is closed; `taken` counts its messages."""

    def __init__(self, endpoint: str) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.PULL)
        self._over = threading.Event()
        self.taken = 0
        monitor = self._socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
        self._socket.connect(endpoint)
        if monitor.poll(_PATIENCE_MS):  # from now on the sender counts on it
            parse_monitor_message(monitor.recv_multipart())
        self._socket.disable_monitor()
        monitor.close()
        self._thread = threading.Thread(target=self._take, name="second consumer", daemon=True)
        self._thread.start()

    def _take(self) -> None:
        while not self._over.is_set():
            if self._socket.poll(_LOOK_MS):
                self._socket.recv_multipart()
                self.taken += 1

    def close(self) -> None:
        """Leave; what is on its way to it is lost."""
        self._over.set()
        self._thread.join()
        self._context.destroy(linger=0)
