"""A receiver that does nothing with what it takes, to see how fast a sender can be."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import zmq

LOOK_MS = 200


@dataclass(frozen=True, slots=True)
class Drained:
    """What came: messages, their bytes, and seconds from the first to the last."""

    messages: int
    total_bytes: int
    seconds: float


def drained(endpoint: str, is_over: Callable[[], bool]) -> Drained:
    """Take everything from `endpoint` until nothing is left and the sender `is_over`."""
    messages, total_bytes, first_s, last_s = 0, 0, 0.0, 0.0
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.PULL)
    try:
        socket.connect(endpoint)
        while True:
            if not socket.poll(LOOK_MS):
                if is_over():
                    return Drained(messages, total_bytes, max(last_s - first_s, 1e-9))
                continue
            parts = socket.recv_multipart(copy=False)
            last_s = time.perf_counter()
            first_s = first_s or last_s
            messages += 1
            total_bytes += sum(len(part) for part in parts)
    finally:
        socket.close(0)
