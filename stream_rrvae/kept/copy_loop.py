"""The loop that copies the frames to be kept, and the levels that say which these are.

Level l of a scan is the grid of every 2^(l // 2)-th row and every 2^((l + 1) // 2)-th column: each has half the
positions of the one before, and all of them lie in it. A frame belongs to the highest level that its position is on.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.kernels.compiled import compiled, compiled_entry, sources_stamp
from stream_rrvae.kernels.memory import copy_bytes, store_int

LEVELS = 25
TOP = LEVELS - 1
# Columns of the table, a row for each level: where its frames go, and where it is noted which they are.
MEMORY, BYTES, USED, INDEX, ENTRIES, COUNT = range(6)
N_COLUMNS = 6
NOTE_BYTES = 24  # number, offset, size
ALIGNMENT = 8


def strides_of(level: int) -> tuple[int, int]:
    """Every how many rows and columns (y, x) a position is on a level."""
    return 1 << level // 2, 1 << (level + 1) // 2


@compiled
def _level_of(number: int, columns: int) -> int:
    y = number // columns
    x = number - y * columns
    level = 0
    while level < TOP:
        odd = y if level % 2 else x  # from level 0 to 1 columns are halved, then rows
        if odd & 1:
            return level
        if level % 2:
            y >>= 1
        else:
            x >>= 1
        level += 1
    return level


@compiled_entry
def level_of(number: int, columns: int) -> int:
    """The level that the frame of a position belongs to."""
    return _level_of(number, columns)


@compiled
def _is_wanted(number: int, wanted: NDArray[np.int64]) -> bool:
    for i in range(wanted.size):  # noqa: SIM110  compiled code knows no generators
        if wanted[i] == number:
            return True
    return False


def _entry(stamp: int) -> Callable[..., int]:
    @compiled_entry
    def keep_frames(
        addresses: NDArray[np.uint64],
        sizes: NDArray[np.int64],
        numbers: NDArray[np.int64],
        rows: NDArray[np.intp],
        begin: int,
        columns: int,
        least: int,
        wanted: NDArray[np.int64],
        table: NDArray[np.int64],
    ) -> int:
        """Copy the frames `rows[begin:]` of level `least` or above, or of positions `wanted`, to the places of `table`.

        Those that are wanted go to the top level, which is never let go.

        Gives the place in `rows` of the first for which there is no room, or how many rows there are.
        """
        _ = stamp
        for i in range(begin, rows.size):
            row = rows[i]
            number, size = numbers[row], sizes[row]
            level = _level_of(number, columns)
            if _is_wanted(number, wanted):
                level = TOP
            elif level < least:
                continue
            place = table[level]
            if place[USED] + size > place[BYTES] or place[COUNT] >= place[ENTRIES]:
                return i
            copy_bytes(place[MEMORY] + place[USED], int(addresses[row]), size)
            note = place[INDEX] + NOTE_BYTES * place[COUNT]
            store_int(note, number)
            store_int(note + 8, place[USED])
            store_int(note + 16, size)
            place[USED] += (size + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
            place[COUNT] += 1
        return rows.size

    return keep_frames


keep_frames = _entry(sources_stamp())


def warm_up_keeping() -> None:
    """Compile the loop, or load it, before frames wait for it."""
    none = np.empty(0, np.int64)
    rows = np.empty(0, np.intp)
    keep_frames(np.empty(0, np.uint64), none, none, rows, 0, 1, 0, none, np.zeros((LEVELS, N_COLUMNS), np.int64))
    level_of(0, 1)
