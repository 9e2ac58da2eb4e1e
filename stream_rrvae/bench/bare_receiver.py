"""A receiver that throws messages away, the reference of `bench ingest`: python -m ... ENDPOINT SECONDS [touch].

With `touch` it reads every byte once. After a start that does not count it says in one line of JSON what came.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

import numpy as np
import zmq

START_S = 0.5
PATIENCE_MS = 60_000
WAITING_BYTES = 64 << 20
MESSAGES_A_LOOK = 16


def main() -> None:
    """Receive, throw away, say how much it was."""
    endpoint, seconds = sys.argv[1], float(sys.argv[2])
    socket: zmq.Socket[bytes] = zmq.Context().socket(zmq.PULL)
    socket.rcvtimeo = PATIENCE_MS
    socket.connect(endpoint)
    take = _touched(socket) if sys.argv[3:] else _thrown_away(socket)
    _run(take, START_S)
    begun_cpu_s = time.process_time()
    messages, taken_s = _run(take, seconds)
    cpu_s = time.process_time() - begun_cpu_s
    sys.stdout.write(json.dumps({"messages": messages, "seconds": taken_s, "cpu_s": cpu_s}) + "\n")


def _run(take: Callable[[], None], seconds: float) -> tuple[int, float]:
    messages, begun_s = 0, time.perf_counter()
    while (taken_s := time.perf_counter() - begun_s) < seconds:
        for _ in range(MESSAGES_A_LOOK):
            take()
        messages += MESSAGES_A_LOOK
    return messages, taken_s


def _thrown_away(socket: zmq.Socket[bytes]) -> Callable[[], None]:
    receive, more = socket.recv, zmq.RCVMORE

    def take() -> None:
        receive()
        while socket.get(more):
            receive()

    return take


def _touched(socket: zmq.Socket[bytes]) -> Callable[[], None]:
    def take() -> None:
        for part in socket.recv_multipart(copy=False):
            content = np.frombuffer(part.buffer, np.uint8)
            content[: content.size & ~7].view(np.uint64).sum()

    return take


if __name__ == "__main__":
    main()
