"""Exact sums of pixels times whole-number weights, from one bit plane: counted bits instead of added pixels.

A sum over pixels is the sum over planes j of 2^j times the sum over the plane's set bits. Positions within a word are
summed by their own bits b: 2^b times the count of set bits whose position has bit b.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.kernels.compiled import compiled
from stream_rrvae.kernels.exact_sums import (
    BRIGHT_FIELD,
    DARK_FIELD,
    HIGH_BITS,
    HIGH_X,
    HIGH_Y,
    MOMENT_X,
    MOMENT_Y,
    TOTAL,
)
from stream_rrvae.kernels.memory import population
from stream_rrvae.kernels.plane_tables import PlaneTables

ODD = np.uint64(0xAAAAAAAAAAAAAAAA)  # positions in a word with bit 0 set, then bit 1, ...
BIT_1 = np.uint64(0xCCCCCCCCCCCCCCCC)
BIT_2 = np.uint64(0xF0F0F0F0F0F0F0F0)
BIT_3 = np.uint64(0xFF00FF00FF00FF00)
BIT_4 = np.uint64(0xFFFF0000FFFF0000)
BIT_5 = np.uint64(0xFFFFFFFF00000000)


@compiled
def add_plane(
    plane: NDArray[np.uint64], valid: NDArray[np.uint64], tables: PlaneTables, first: int, width: int, j: int, sums: Any
) -> None:
    """Add words of plane `j` to `sums`; `valid` are their pixels that count, `first` is the first word's number."""
    n = plane.size
    bright, dark = tables.bright[first : first + n], tables.dark[first : first + n]
    wrapped = tables.wrapped[first : first + n]
    first_x, first_y = tables.first_x[first : first + n], tables.first_y[first : first + n]
    count = on_next = x = y = in_bright = in_dark = np.int64(0)
    for k in range(n):
        word = plane[k] & valid[k]
        bits = population(word)
        next_row = population(word & wrapped[k])
        count += bits
        on_next += next_row
        x += bits * np.int64(first_x[k])
        y += bits * np.int64(first_y[k])
        in_bright += population(word & bright[k])
        in_dark += population(word & dark[k])
        x += population(word & ODD)
        x += population(word & BIT_1) << 1
        x += population(word & BIT_2) << 2
        x += population(word & BIT_3) << 3
        x += population(word & BIT_4) << 4
        x += population(word & BIT_5) << 5
    x -= width * on_next
    y += on_next
    sums[TOTAL] += count << j
    sums[BRIGHT_FIELD] += in_bright << j
    sums[DARK_FIELD] += in_dark << j
    if j < HIGH_BITS:
        sums[MOMENT_Y] += y << j
        sums[MOMENT_X] += x << j
    else:
        sums[HIGH_Y] += y << (j - HIGH_BITS)
        sums[HIGH_X] += x << (j - HIGH_BITS)
