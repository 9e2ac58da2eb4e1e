"""How a recording went, as a time bar shows it: when each position came, what is missing, which frames are damaged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.messages import Float32Array
from stream_rrvae.recording.layout import Flag
from stream_rrvae.recording.scan_view import first_good_copies

MOST_SAMPLES = 4096
MOST_MARKS = 500


@dataclass(frozen=True, slots=True)
class Course:
    """A place on the bar is a count of positions due so far, 0 to all of them, in the order in which they are sent.

    `due` [scan_y, scan_x] is the place at which each position came, NaN where none did: a frame that came late counts
    from where the scan had got to by then. `seconds` [2, samples] has places and the seconds from the first frame
    at them, both ascending. `gaps` [n, 2] are missing positions first <= p < last; `marks` [n, 2] places and flags.
    """

    due: Float32Array
    seconds: Float32Array
    gaps: Float32Array
    marks: Float32Array
    marks_left_out: int


def course_of(
    numbers: NDArray[np.int64],
    received_s: NDArray[np.float64] | None,
    flags: NDArray[np.uint8] | None,
    scan_shape: tuple[int, int],
) -> Course:
    """Of frames [n] in the order in which they came."""
    total = scan_shape[0] * scan_shape[1]
    flags = np.zeros(numbers.size, np.uint8) if flags is None else flags
    inside = np.where((numbers >= 0) & (numbers < total), numbers + 1, 0)
    place = np.maximum.accumulate(inside) if numbers.size else inside
    positions, frames = first_good_copies(numbers, flags, total)
    due = np.full(total, np.nan, np.float32)
    due[positions] = place[frames]
    marks, left_out = _marks(place, flags)
    return Course(due.reshape(scan_shape), _seconds(place, received_s), _gaps(np.isnan(due)), marks, left_out)


def _seconds(place: NDArray[np.int64], received_s: NDArray[np.float64] | None) -> Float32Array:
    if received_s is None or not place.size or not np.isfinite(received_s).all():
        return np.zeros((2, 0), np.float32)
    steady = np.maximum.accumulate(received_s) - received_s[0]
    chosen = np.unique(np.linspace(0, place.size - 1, min(place.size, MOST_SAMPLES)).astype(np.intp))
    return np.stack([place[chosen], steady[chosen]]).astype(np.float32)


def _gaps(missing: NDArray[np.bool_]) -> Float32Array:
    """Runs of missing positions; where there are too many, the ones next to each other are taken together."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], missing, [False])).astype(np.int8)))
    runs = edges.reshape(-1, 2)
    if len(runs) > MOST_MARKS:
        apart = runs[1:, 0] - runs[:-1, 1]
        kept = np.sort(np.argsort(apart, kind="stable")[-(MOST_MARKS - 1) :])
        runs = np.stack([runs[np.concatenate(([0], kept + 1)), 0], runs[np.concatenate((kept, [-1])), 1]], axis=1)
    return runs.astype(np.float32)


def _marks(place: NDArray[np.int64], flags: NDArray[np.uint8]) -> tuple[Float32Array, int]:
    """Damaged frames first, then those outside the scan and copies, so that what matters is not left out."""
    marked = np.flatnonzero(flags)
    order = np.argsort(~(flags[marked] & np.uint8(Flag.UNDECODABLE)).astype(np.bool_), kind="stable")
    shown = np.sort(marked[order][:MOST_MARKS])
    marks = np.stack([place[shown], flags[shown]], axis=1).astype(np.float32)
    return marks, int(marked.size - shown.size)
