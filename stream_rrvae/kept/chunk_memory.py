"""Memory for chunks of frames, used again: fetching it from the system costs several times what copying does.

Not in pieces so large that they would be made of huge pages: those were slower still to get, where memory is in pieces.
"""

from __future__ import annotations

import weakref
from collections import deque

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.kept.copy_loop import NOTE_BYTES
from stream_rrvae.kept.view import Chunk
from stream_rrvae.messages import Encoding

MOST_CHUNK_BYTES, CHUNKS = 1 << 20, 256
SMALLEST_FRAME_BYTES = 256  # on average, of a chunk whose notes are not full first
ALIGNMENT = 64


class ChunkMemory:
    """Chunks of one size for `limit_bytes` together; those that nobody refers to any more are taken again."""

    def __init__(self, limit_bytes: int) -> None:
        usual = min(MOST_CHUNK_BYTES, limit_bytes // CHUNKS) // ALIGNMENT * ALIGNMENT
        self._usual_bytes = max(ALIGNMENT, usual)
        self._free: deque[NDArray[np.uint8]] = deque()

    def size_bytes(self, frame_bytes: int) -> int:
        """What a chunk takes that has room for a frame of this size."""
        chunk_bytes = self._chunk_bytes(frame_bytes)
        return chunk_bytes + _entries(chunk_bytes) * NOTE_BYTES

    def take(self, frame_bytes: int, encoding: Encoding) -> Chunk:
        """An empty chunk with room for a frame of this size at least."""
        chunk_bytes, size = self._chunk_bytes(frame_bytes), self.size_bytes(frame_bytes)
        if chunk_bytes > self._usual_bytes:
            return _chunk(np.empty(size, np.uint8), chunk_bytes, encoding)
        memory = self._free.pop() if self._free else np.empty(size, np.uint8)
        chunk = _chunk(memory, chunk_bytes, encoding)
        weakref.finalize(chunk, self._free.append, memory).atexit = False
        return chunk

    def _chunk_bytes(self, frame_bytes: int) -> int:
        return max(self._usual_bytes, _aligned(frame_bytes))


def _entries(chunk_bytes: int) -> int:
    return max(1, chunk_bytes // SMALLEST_FRAME_BYTES)


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _chunk(memory: NDArray[np.uint8], chunk_bytes: int, encoding: Encoding) -> Chunk:
    """`memory` as room for frames, behind which their notes lie."""
    return Chunk(memory[:chunk_bytes], memory[chunk_bytes:].view(np.int64).reshape(-1, 3), encoding)
