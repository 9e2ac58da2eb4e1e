"""Bins of the basis from the lowest bytes of its pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.kernels.compiled import compiled
from stream_rrvae.kernels.plan import Layout


@compiled
def fold_low_bytes(
    pixels: NDArray[np.uint8], layout: Layout, line: NDArray[np.uint16], bins: NDArray[np.int64]
) -> None:
    """Add `pixels` [at least ky * kx], 0 outside the basis, to the bins; `line` [kx + bin_px] is room for a row."""
    width = layout.zones.shape[1]
    for b in range(layout.bands.shape[0]):
        begin, end, column, first, count = layout.bands[b]
        columns = min(count * layout.bin_px, width - column)
        line[: count * layout.bin_px] = 0
        for y in range(begin, end):
            row = pixels[y * width + column : y * width + column + columns]
            for x in range(columns):
                line[x] = np.uint16(line[x] + np.uint16(row[x]))
        _fold(line, layout.bin_px, bins[first : first + count])


@compiled
def _fold(line: NDArray[np.uint16], bin_px: int, bins: Any) -> None:
    # Strides known to the compiler become vector instructions; these are the usual ones.
    if bin_px == 1:
        for j in range(bins.size):
            bins[j] += np.int64(line[j])
    elif bin_px == 2:
        for j in range(bins.size):
            bins[j] += np.int64(line[2 * j]) + np.int64(line[2 * j + 1])
    else:
        for step in range(bin_px):
            for j in range(bins.size):
                bins[j] += np.int64(line[step + j * bin_px])
