"""Frames in the order they came, seen as a scan: which stored frame belongs to which position."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.recording.layout import Flag

NOT_IN_SCAN = np.uint8(Flag.OVERFLOW | Flag.UNDECODABLE)


@dataclass(frozen=True, slots=True)
class Patch:
    """A rectangle of positions whose frames lie in a row."""

    rows: slice
    columns: slice
    first: int  # stored frame of its first position
    count: int


def first_good_copies(
    numbers: NDArray[np.int64], flags: NDArray[np.uint8], n_positions: int
) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """Positions that have a frame, ascending, and the stored frame of each: the first that is any good."""
    good = (flags & NOT_IN_SCAN == 0) & (numbers >= 0) & (numbers < n_positions)
    indices = np.flatnonzero(good)
    positions, first = np.unique(numbers[indices], return_index=True)
    return positions, indices[first]


def patches(
    positions: NDArray[np.int64], frames: NDArray[np.intp], breaks: NDArray[np.int64], columns: int
) -> Iterator[Patch]:
    """The same as rectangles of a scan of so many columns; none reaches over one of `breaks` among the frames."""
    if not positions.size:
        return
    steps = (np.diff(positions) != 1) | (np.diff(frames) != 1)
    steps |= np.diff(np.searchsorted(breaks, frames, "right")) != 0
    begins = np.concatenate(([0], np.flatnonzero(steps) + 1, [positions.size]))
    for begin, end in zip(begins[:-1].tolist(), begins[1:].tolist(), strict=True):
        yield from _rectangles(int(positions[begin]), int(frames[begin]), end - begin, columns)


def _rectangles(position: int, frame: int, count: int, columns: int) -> Iterator[Patch]:
    """A run of positions: the end of a row, whole rows, the beginning of one."""
    while count:
        row, column = divmod(position, columns)
        n_rows = count // columns if column == 0 else 0
        taken = n_rows * columns or min(count, columns - column)
        across = slice(column, column + min(taken, columns))
        yield Patch(slice(row, row + max(1, n_rows)), across, frame, taken)
        position, frame, count = position + taken, frame + taken, count - taken
