"""Frames of the running or last scan, copied as they came into bounded memory, evenly spread over the scan.

Where not all fit, every second one goes again and again (see `copy_loop` for which), and no more are copied than a
small part of the time allows.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from time import monotonic, thread_time

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.kept.chunk_memory import ChunkMemory
from stream_rrvae.kept.copy_loop import (
    BYTES,
    COUNT,
    ENTRIES,
    INDEX,
    LEVELS,
    MEMORY,
    N_COLUMNS,
    NOTE_BYTES,
    TOP,
    keep_frames,
    level_of,
)
from stream_rrvae.kept.view import Chunk, KeptScan, KeptView
from stream_rrvae.kernels.plan import FramePlan
from stream_rrvae.messages import Encoding, ScanStart

WANTED = 16  # positions asked for that were not kept: the next frames of these are
MOST_COST = 0.01  # of the time
WINDOW_S = 0.1  # over which that is watched


class KeptFrames:
    """At most `limit_bytes` of frames with their notes; any thread may ask, one at a time gives.

    `most_cost` is the part of the time that copying may take; above, only every second frame of those so far is
    copied from then on.
    """

    def __init__(self, limit_bytes: int, most_cost: float = MOST_COST) -> None:
        self._limit_bytes = limit_bytes
        self._memory = ChunkMemory(limit_bytes)
        self._most_cost = most_cost
        self._lock = threading.Lock()
        self._scan: KeptScan | None = None
        self._chunks: list[list[Chunk]] = [[] for _ in range(LEVELS)]
        self._table = np.zeros((LEVELS, N_COLUMNS), np.int64)
        self._bytes = 0
        self._least = 0  # lower levels are not kept any more
        self._costly_least = 0  # what the last scan's rate allowed
        self._encoding = Encoding.NONE
        self._wanted: deque[int] = deque(maxlen=WANTED)
        self._wanted_numbers = np.empty(0, np.int64)
        self._spent_s = self._since_s = 0.0

    def begin(self, start: ScanStart, scan_shape: tuple[int, int], plan: FramePlan) -> None:
        """A scan begins; frames of the one before are let go, positions that were asked for are still wanted."""
        with self._lock:
            self._scan = KeptScan(start, scan_shape, plan)
            for level in range(LEVELS):
                self._drop(level)
            self._least = -1  # settled with the first frames

    def keep(
        self,
        addresses: NDArray[np.uint64],
        sizes: NDArray[np.int64],
        numbers: NDArray[np.int64],
        rows: NDArray[np.intp],
        encoding: Encoding,
    ) -> None:
        """Frames `rows` of these arrays are in the scan's maps; their bytes are copied, or not."""
        began_s = thread_time()
        with self._lock:
            if self._scan is None or not rows.size:
                return
            if self._least < 0:
                self._begin_at(float(sizes[rows].mean()))
            if encoding is not self._encoding:
                for level in range(LEVELS):
                    self._close(level)  # a chunk holds frames of one encoding
                self._encoding = encoding
            self._copy(addresses, sizes, numbers, rows)
            self._watch_cost(thread_time() - began_s)

    def want(self, number: int) -> None:
        """Keep the frame of this position when it comes."""
        with self._lock:
            if number not in self._wanted:
                self._wanted.append(number)
                self._wanted_numbers = np.array(self._wanted, np.int64)

    def view(self) -> KeptView | None:
        """What is kept now; it stays as it is. None before the first scan."""
        with self._lock:
            if self._scan is None:
                return None
            pieces = []
            for level, chunks in enumerate(self._chunks):
                for chunk in chunks:
                    is_open = chunk.notes.ctypes.data == self._table[level, INDEX]
                    count = int(self._table[level, COUNT]) if is_open else chunk.count
                    pieces.append((chunk, count))
            return KeptView(self._scan, tuple(pieces), max(0, self._least))

    @property
    def size_bytes(self) -> int:
        """Memory taken, notes and all."""
        return self._bytes

    def _copy(
        self,
        addresses: NDArray[np.uint64],
        sizes: NDArray[np.int64],
        numbers: NDArray[np.int64],
        rows: NDArray[np.intp],
    ) -> None:
        assert self._scan is not None
        columns, at = self._scan.scan_shape[1], 0
        while True:
            at = keep_frames(
                addresses, sizes, numbers, rows, at, columns, self._least, self._wanted_numbers, self._table
            )
            if at >= rows.size:
                return
            number, size = int(numbers[rows[at]]), int(sizes[rows[at]])
            level = TOP if number in self._wanted else level_of(number, columns)
            if not self._make_room(level, size):
                at += 1

    def _begin_at(self, frame_bytes: float) -> None:
        """Where all frames of the scan will not fit, begin with the level that will."""
        assert self._scan is not None
        scan_bytes = math.prod(self._scan.scan_shape) * (frame_bytes + NOTE_BYTES)
        fitting = math.ceil(math.log2(max(1.0, scan_bytes / max(1, self._limit_bytes))))
        self._least = min(TOP, max(fitting, self._costly_least - 1, 0))
        self._costly_least = 0
        self._spent_s, self._since_s = 0.0, monotonic()

    def _watch_cost(self, spent_s: float) -> None:
        self._spent_s += spent_s
        elapsed_s = monotonic() - self._since_s
        if elapsed_s < WINDOW_S:
            return
        if self._spent_s > self._most_cost * elapsed_s and self._least < TOP:
            self._least += 1
            self._costly_least = self._least
        self._spent_s, self._since_s = 0.0, monotonic()

    def _make_room(self, level: int, frame_bytes: int) -> bool:
        """A new chunk for a level, which takes a frame so large; False when the frame is not to be kept."""
        self._close(level)
        while self._bytes + self._memory.size_bytes(frame_bytes) > self._limit_bytes:
            lowest = next((low for low, chunks in enumerate(self._chunks) if chunks), TOP)
            if lowest == TOP:
                self._least = LEVELS  # there is room for nothing more
                return False
            self._drop(lowest)
            self._least = max(self._least, lowest + 1)
        if level < self._least:
            return False
        chunk = self._memory.take(frame_bytes, self._encoding)
        self._chunks[level].append(chunk)
        self._bytes += chunk.size_bytes
        place = self._table[level]
        place[:] = 0
        place[MEMORY], place[BYTES] = chunk.memory.ctypes.data, chunk.memory.size
        place[INDEX], place[ENTRIES] = chunk.notes.ctypes.data, len(chunk.notes)
        return True

    def _close(self, level: int) -> None:
        """Nothing more goes into the level's last chunk."""
        if self._chunks[level] and self._table[level, INDEX]:
            self._chunks[level][-1].count = int(self._table[level, COUNT])
        self._table[level] = 0

    def _drop(self, level: int) -> None:
        """Let the frames of a level go; who looks at them has them still."""
        self._bytes -= sum(chunk.size_bytes for chunk in self._chunks[level])
        self._chunks[level] = []
        self._table[level] = 0
