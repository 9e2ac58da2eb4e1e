"""Where measured frames belong in a scan that is no plain raster, and how several passes over a position are one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.kernels.frame_pass import FrameResults
from stream_rrvae.messages import ScanStart
from stream_rrvae.scan_path import NOWHERE
from stream_rrvae.scan_store import ScanStore

Indices = NDArray[np.int64]


class Placing:
    """Of one scan; for one thread."""

    def __init__(self, start: ScanStart, scan_shape: tuple[int, int]) -> None:
        self._path, self._scan_shape = start.path, scan_shape
        self.is_raster = start.path.is_raster
        self.adds = start.path.passes > 1
        self.flyback = 0  # frames so far that lie nowhere

    def positions(self, numbers: Indices) -> Indices:
        """The position of each frame, NOWHERE for those that lie nowhere."""
        return numbers if self.is_raster else self._path.positions(numbers, self._scan_shape)

    def placed(self, positions: Indices, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Those of the good frames `rows` that lie somewhere; the others are counted."""
        if self.is_raster:
            return rows
        there: NDArray[np.intp] = rows[positions[rows] != NOWHERE]
        self.flyback += rows.size - there.size
        return there

    def first_pass(self, numbers: Indices, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Those of `rows` that are the first pass's."""
        return rows[numbers[rows] < self._path.frames_in_pass(self._scan_shape)] if self.adds else rows


def add_rows(store: ScanStore, results: FrameResults, rows: NDArray[np.intp], positions: Indices) -> None:
    """Add `rows` of `results` to their positions `positions` [of every row], as if their frames had been one.

    Counts add; the COM, and features, of the sum are the means weighted by the counts. (Of features nearly so:
    each frame's are of its own counts within the basis.)
    """
    while rows.size:
        _, first = np.unique(positions[rows], return_index=True)
        first.sort()
        _add_once(store, results, rows[first], positions[rows[first]])
        rows = np.delete(rows, first)


def _add_once(store: ScanStore, results: FrameResults, rows: NDArray[np.intp], at: Indices) -> None:
    """The same where no position is there twice."""
    again = store.visits[at] > 0
    old = np.where(again, store.sum[at], 0.0).astype(np.float64)
    new = results.sum[rows]
    for name in ("com_y", "com_x"):
        values = getattr(store, name)
        values[at] = _mean(values[at], getattr(results, name)[rows], old, new)
    mean = _mean(store.features[at].astype(np.float32).T, results.features[rows].T, old, new)
    store.features[at] = mean.T
    for name in ("bright_field", "annular_dark_field"):
        values = getattr(store, name)
        values[at] = np.where(again, values[at], 0) + getattr(results, name)[rows]
    store.detectors[at] = np.where(again[:, None], store.detectors[at], 0) + results.detectors[rows]
    store.sum[at] = old + new
    store.visits[at] = np.minimum(store.visits[at], np.iinfo(np.uint8).max - 1) + 1


def _mean(
    old: NDArray[np.float32], new: NDArray[np.float32], n_old: NDArray[np.float64], n_new: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Weighted mean of values [..., n]; where one is not known, the other."""
    with np.errstate(invalid="ignore", divide="ignore"):
        both = (old.astype(np.float64) * n_old + new.astype(np.float64) * n_new) / (n_old + n_new)
    known_old, known_new = np.isfinite(old) & (n_old > 0), np.isfinite(new)
    mean = np.where(known_old & known_new, both, np.where(known_old, old, new))
    return np.asarray(mean, np.float32)
