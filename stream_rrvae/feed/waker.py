"""Ends a thread's wait at its sockets from any other thread."""

from __future__ import annotations

import os
import threading


class Waker:
    """A descriptor that a zmq.Poller waits for like a socket."""

    def __init__(self) -> None:
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._open = True
        self._lock = threading.Lock()

    def wake(self) -> None:
        """Make the descriptor readable, now and until `clear`; does nothing once closed."""
        with self._lock:
            if self._open:
                os.eventfd_write(self.fd, 1)

    def clear(self) -> None:
        """Be ready to be woken again; called when it is readable."""
        os.eventfd_read(self.fd)

    def close(self) -> None:
        with self._lock:
            if self._open:
                self._open = False
                os.close(self.fd)
