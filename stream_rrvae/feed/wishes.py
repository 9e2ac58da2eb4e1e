"""What viewers wish for, by what they subscribe to: a whole snapshot first, and changes where they understand them."""

from __future__ import annotations

import zmq

from stream_rrvae.feed.codec import BEGINNING

EVERYTHING = b""  # what viewers of before there were changes subscribe to
WISH_BYTES_LIMIT = 4096  # a subscription is some bytes; a handshake with keys some hundred
_SUBSCRIBES, _LEAVES = b"\x01", b"\x00"


class Wishes:
    """Those of the viewers of one XPUB socket, for its thread; made before the socket is bound."""

    def __init__(self, socket: zmq.Socket[bytes]) -> None:
        socket.setsockopt(zmq.XPUB_VERBOSE, 1)  # else who subscribes to what others have would not be heard
        socket.setsockopt(zmq.MAXMSGSIZE, WISH_BYTES_LIMIT)
        self._socket = socket
        self._is_old_viewer_there = False
        self._somebody_lacks = False

    def look(self) -> None:
        """Take what viewers have said since; anything else that they say is nothing to us."""
        while self._socket.poll(0):
            said = self._socket.recv()
            if said == _SUBSCRIBES + BEGINNING:
                self._somebody_lacks = True
            elif said == _SUBSCRIBES + EVERYTHING:
                self._is_old_viewer_there = True
            elif said == _LEAVES + EVERYTHING:
                self._is_old_viewer_there = False

    @property
    def whole_only(self) -> bool:
        """Whether somebody is there who understands nothing else."""
        return self._is_old_viewer_there

    @property
    def whole_once(self) -> bool:
        """Whether somebody came, or missed something, since the last whole snapshot."""
        return self._somebody_lacks

    def fulfilled(self) -> None:
        """A whole snapshot was sent."""
        self._somebody_lacks = False
