"""Bins of the basis from the lowest bytes of its pixels."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.kernels.binning import SPARE_BINS
from stream_rrvae.kernels.compiled import compiled
from stream_rrvae.kernels.exact_sums import N_SUMS, TOP, TOTAL, WIDE, WITHOUT_DATA, write_moments
from stream_rrvae.kernels.few_counts import LISTING, project_listed
from stream_rrvae.kernels.layout import Layout
from stream_rrvae.kernels.low_bytes import fold_low_bytes
from stream_rrvae.kernels.memory import ints_at
from stream_rrvae.kernels.plane_tables import FEW, N_FEW, PlaneTables
from stream_rrvae.kernels.projection import Queue, fit_bytes, queue_frame, queue_low_bytes

SOME_LESS = FEW - 31  # two times what FEW counts vary by


class PlaneBins(NamedTuple):
    """Room for the bins of a frame."""

    narrow: NDArray[np.uint16]  # [n_bins]
    wide: NDArray[np.int64]  # [n_bins]
    line: NDArray[np.uint16]  # [kx + bin_px]


@compiled
def make_plane_bins(layout: Layout) -> PlaneBins:
    """Room for frames of `layout`."""
    n_bins = layout.weights.shape[1]
    line = np.zeros(layout.zones.shape[1] + layout.bin_px, np.uint16)
    return PlaneBins(np.zeros(n_bins + SPARE_BINS, np.uint16)[:n_bins], np.zeros(n_bins, np.int64), line)


@compiled
def measure_planes(
    tables: PlaneTables, layout: Layout, queue: Queue, bins: PlaneBins, i: int, moments: Any, features: Any
) -> None:
    """Moments and features of the frame that `plane_frame.sum_planes` summed, to row `i`."""
    sums = ints_at(tables.sums, N_SUMS)
    write_moments(sums, layout, moments[i])
    if layout.steps.size == 0:
        return
    few = ints_at(tables.few, N_FEW)
    if few[LISTING] != 0:
        project_listed(tables, layout, features[i])
        return
    few[LISTING] = sums[TOTAL] < SOME_LESS  # in the next frame, which will be like this one
    # Planes with set bits bound the pixels.
    if sums[WIDE] == 0 and fit_bytes(queue, layout, sums[TOP], sums[WITHOUT_DATA]):
        queue_low_bytes(queue, layout, tables.low_bytes, i, features)
        return
    fold_low_bytes(tables.low_bytes, tables.width, layout, bins.line, bins.narrow)
    missing = ints_at(tables.missing, tables.n_bins)
    if sums[WIDE] == 0:
        queue_frame(queue, layout, bins.narrow, missing, sums[WITHOUT_DATA], i, features)
        return
    extra = ints_at(tables.extra, tables.n_bins)
    for j in range(tables.n_bins):
        bins.wide[j] = extra[j] + np.int64(bins.narrow[j])
    queue_frame(queue, layout, bins.wide, missing, sums[WITHOUT_DATA], i, features)
