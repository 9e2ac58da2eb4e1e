"""A bare ZeroMQ sender of ready bytes, the reference of `bench sender`: python -m ... MESSAGE_BYTES MESSAGES."""

from __future__ import annotations

import sys

import zmq

QUEUE_MESSAGES = 32


def main() -> None:
    """Bind, say where, send so many messages of so many bytes, and go when all are taken."""
    message, count = bytes(int(sys.argv[1])), int(sys.argv[2])
    context = zmq.Context()
    socket: zmq.Socket[bytes] = context.socket(zmq.PUSH)
    socket.set(zmq.SNDHWM, QUEUE_MESSAGES)
    socket.bind("tcp://127.0.0.1:*")
    sys.stdout.write(f"bound {socket.get_string(zmq.LAST_ENDPOINT)}\n")
    sys.stdout.flush()
    for _ in range(count):
        socket.send(message)
    socket.close()
    context.term()


if __name__ == "__main__":
    main()
