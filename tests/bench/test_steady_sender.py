"""A sender whose receiver leaves at the worst moment still ends."""

from __future__ import annotations

from typing import Any

import zmq

from stream_rrvae.bench.trust.steady_sender import SteadySender


class LooksTooEarly:
    """A socket whose looks all see the room that there was before its peer left."""

    def __init__(self, socket: zmq.Socket[bytes]) -> None:
        self._socket = socket

    def poll(self, timeout_ms: int, flags: int) -> int:
        self._socket.poll(timeout_ms, flags)
        return zmq.POLLOUT

    def send_multipart(self, parts: Any, flags: int = 0) -> None:
        self._socket.send_multipart(parts, flags)


def test_a_peer_that_leaves_between_look_and_sending_holds_nobody_up() -> None:
    sender = SteadySender((4, 4), None)
    sender._socket.sndtimeo = 300  # so that a wait without end is an error of the thread instead
    sender._socket = LooksTooEarly(sender._socket)  # type: ignore[assignment]
    with sender:
        sender._over.wait(0.1)
    assert sender.frames_sent == 0
