"""Pixels of the basis summed in squares."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.kernels.compiled import compiled
from stream_rrvae.kernels.frame_sums import add_masked
from stream_rrvae.kernels.layout import Layout

SPARE_BINS = 32  # behind the narrow bins, for loops over whole vectors


class Bins(NamedTuple):
    """Room for the bins of a frame."""

    narrow: NDArray[np.uint16]  # [n_bins]
    wide: NDArray[np.int64]  # [n_bins]


@compiled
def make_bins(layout: Layout) -> Bins:
    """Room for frames of `layout`."""
    n_bins = layout.weights.shape[1]
    return Bins(np.zeros(n_bins + SPARE_BINS, np.uint16)[:n_bins], np.zeros(n_bins, np.int64))


@compiled
def fit_narrow(top: int, bin_px: int) -> bool:
    """Whether sums of squares of pixels up to `top` fit 16 bits."""
    return top * bin_px * bin_px <= 65_535


@compiled
def bin_pixels(pixels: NDArray[Any], layout: Layout, line: NDArray[Any], bins: NDArray[Any]) -> None:
    """Sum usable `pixels` [ky, kx] in `bins`; `line` [kx + bin_px] is room for a row of squares."""
    for b in range(layout.bands.shape[0]):
        begin, end, column, first, count = layout.bands[b]
        part = line[: count * layout.bin_px]
        part[:] = 0
        for y in range(begin, end):
            add_masked(pixels, layout.basis, y, column, part)
        fold_line(part, layout.bin_px, bins[first : first + count])


@compiled
def fold_line(line: NDArray[Any], bin_px: int, bins: NDArray[Any]) -> None:
    """Sum runs of `bin_px` of a line in bins; strides that compilers know become vector instructions."""
    kind = bins.dtype.type
    if bin_px == 1:
        for j in range(bins.size):
            bins[j] = kind(line[j])
    elif bin_px == 2:
        for j in range(bins.size):
            bins[j] = kind(line[2 * j] + line[2 * j + 1])
    elif bin_px == 3:
        for j in range(bins.size):
            bins[j] = kind(line[3 * j] + line[3 * j + 1] + line[3 * j + 2])
    else:
        bins[:] = 0
        for step in range(bin_px):
            for j in range(bins.size):
                bins[j] = kind(bins[j] + kind(line[step + j * bin_px]))
