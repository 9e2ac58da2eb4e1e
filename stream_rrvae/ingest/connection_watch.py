"""Notices when libzmq has given a connection up for good.

A connection that breaks is made again by libzmq. One that ends for a fault in the protocol, such as
a message over its size limit, is not: the connecting side would stay deaf for ever, without an error.
The difference shows in the monitor's events: no retry is announced after the disconnection.
"""

from __future__ import annotations

import logging
from time import monotonic

import zmq
from zmq.utils.monitor import parse_monitor_message

from stream_rrvae.log import event

RETRY_EXPECTED_S = 0.5


class ConnectionWatch:
    """Follows one socket's connection; `monitor` is to be polled with the socket itself."""

    def __init__(self, socket: zmq.Socket[bytes], endpoint: str) -> None:
        self._endpoint = endpoint
        self._given_up_s: float | None = None
        self.monitor = socket.get_monitor_socket(
            zmq.EVENT_CONNECTED | zmq.EVENT_DISCONNECTED | zmq.EVENT_CONNECT_RETRIED
        )

    @property
    def patience_s(self) -> float | None:
        """How long until `is_given_up` may become true; None = nothing is wrong."""
        return None if self._given_up_s is None else max(0.0, self._given_up_s - monotonic())

    def look(self) -> None:
        """Take in what has happened."""
        while self.monitor.poll(0):
            happened = parse_monitor_message(self.monitor.recv_multipart())["event"]
            if happened == zmq.EVENT_DISCONNECTED:
                event("detector_lost", logging.WARNING, endpoint=self._endpoint)
                self._given_up_s = monotonic() + RETRY_EXPECTED_S
            else:
                self._given_up_s = None
                if happened == zmq.EVENT_CONNECTED:
                    event("detector_connected", endpoint=self._endpoint)

    def is_given_up(self) -> bool:
        """True once when a lost connection is not being made again."""
        if self._given_up_s is None or monotonic() < self._given_up_s:
            return False
        self._given_up_s = None
        return True
