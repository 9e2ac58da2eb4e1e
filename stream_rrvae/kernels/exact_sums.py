"""The whole-number sums of a frame, and what they become: the same bits by whichever path they were summed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.kernels.compiled import compiled
from stream_rrvae.kernels.layout import Layout

# Entries of `sums`, int64. First moments of 32-bit pixels need more than 64 bits: a high part in units of HIGH too.
TOTAL, MOMENT_Y, MOMENT_X, HIGH_Y, HIGH_X, BRIGHT_FIELD, DARK_FIELD = range(7)
WITHOUT_DATA = 7  # pixels of the basis without data
WIDE = 8  # pixels whose counts are not all in low bytes
TOP = 9  # largest valid pixel
N_SUMS = 10
HIGH_BITS = 16
TWO_32 = 4294967296.0


@compiled
def write_moments(sums: NDArray[np.int64], layout: Layout, moments: Any) -> None:
    """Sum, COM from the disc centre, bright field and annular dark field of `sums`; COM is NaN without counts."""
    total = float(sums[TOTAL])
    moments[0] = total
    moments[1] = _joined(sums[MOMENT_Y], sums[HIGH_Y]) / total - layout.center_y if total > 0 else np.nan
    moments[2] = _joined(sums[MOMENT_X], sums[HIGH_X]) / total - layout.center_x if total > 0 else np.nan
    moments[3] = float(sums[BRIGHT_FIELD]) if layout.detectors else np.nan
    moments[4] = float(sums[DARK_FIELD]) if layout.detectors else np.nan


@compiled
def _joined(low: int, high: int) -> float:
    """low + high * 2^HIGH_BITS, rounded once however it is split."""
    low += (high & 0xFFFF) << 16
    high = (high >> 16) + (low >> 32)
    return high * TWO_32 + float(low & 0xFFFFFFFF)
