"""How the C library keeps freed memory: arrays of a megabyte are made anew for every snapshot."""

from __future__ import annotations

import ctypes
from contextlib import suppress

import numpy as np

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # malloc.h of glibc
LARGEST_KEPT_BYTES = 32 << 20  # of one array; glibc takes no more
KEPT_BYTES = 128 << 20  # of freed memory at its end
_PIECE_BYTES = 16 << 20


def keep_freed_memory() -> None:
    """Let freed arrays be used again instead of given back to the system; does nothing without glibc.

    Giving back and fetching costs page faults: a snapshot of 512x512 positions takes 7 ms of CPU with it, 26 without.
    One arena for all threads: further ones consist of heaps that are given back whenever they are empty. To be called
    before there are threads.
    """
    with suppress(AttributeError, OSError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, LARGEST_KEPT_BYTES)
        libc.mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
        libc.mallopt(_M_ARENA_MAX, 1)


def fetch_memory(size_bytes: int) -> None:
    """Have so much freed memory at hand, up to KEPT_BYTES, where it is kept: who needs it then waits for no pages."""
    count = min(size_bytes, KEPT_BYTES) // _PIECE_BYTES
    pieces = [np.empty(_PIECE_BYTES, np.uint8) for _ in range(count)]
    for piece in pieces:
        piece.fill(0)
