"""Threads by their names in what the system shows of a process (`top -H`, `ps -L`, `/proc`)."""

from __future__ import annotations

import ctypes
import threading
from contextlib import suppress

_PR_SET_NAME = 15  # prctl(2)
_MOST_BYTES = 15


def show_name() -> None:
    """Have the system call this thread what Python calls it; its first 15 bytes. Does nothing without Linux."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_NAME, threading.current_thread().name.encode()[:_MOST_BYTES], 0, 0, 0)
