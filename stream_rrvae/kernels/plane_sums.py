"""Exact sums of pixels times whole-number weights, from one bit plane: counted bits instead of added pixels.

A sum over pixels is the sum over planes j of 2^j times the sum over the plane's set bits. Positions within a word are
summed by their own bits b: 2^b times the count of set bits whose position has bit b.
"""

from __future__ import annotations

import numpy as np
from numba import carray  # type: ignore[attr-defined]

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
from stream_rrvae.kernels.memory import add_int, pointer_at, population, words_at
from stream_rrvae.kernels.plane_tables import PlaneTables

ODD = np.uint64(0xAAAAAAAAAAAAAAAA)  # positions in a word with bit 0 set, then bit 1, ...
BIT_1 = np.uint64(0xCCCCCCCCCCCCCCCC)
BIT_2 = np.uint64(0xF0F0F0F0F0F0F0F0)
BIT_3 = np.uint64(0xFF00FF00FF00FF00)
BIT_4 = np.uint64(0xFFFF0000FFFF0000)
BIT_5 = np.uint64(0xFFFFFFFF00000000)


@compiled
def add_plane(plane: int, valid: int, tables: PlaneTables, first: int, count: int, j: int) -> None:
    """Add `count` words of plane `j`, at address `plane`, to the sums.

    `valid` is the address of their pixels that count, `first` the number of the first word.
    """
    words, counting = words_at(plane, count), words_at(valid, count)
    bright, dark = words_at(tables.bright + 8 * first, count), words_at(tables.dark + 8 * first, count)
    wrapped = words_at(tables.wrapped + 8 * first, count)
    first_x = carray(pointer_at(tables.first_x + 4 * first), (count,), np.uint32)
    first_y = carray(pointer_at(tables.first_y + 4 * first), (count,), np.uint32)
    total = on_next = x = y = in_bright = in_dark = np.int64(0)
    for k in range(count):
        word = words[k] & counting[k]
        bits = population(word)
        total += bits
        on_next += population(word & wrapped[k])
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
    x -= tables.width * on_next
    y += on_next
    add_int(tables.sums + 8 * TOTAL, total << j)
    add_int(tables.sums + 8 * BRIGHT_FIELD, in_bright << j)
    add_int(tables.sums + 8 * DARK_FIELD, in_dark << j)
    if j < HIGH_BITS:
        add_int(tables.sums + 8 * MOMENT_Y, y << j)
        add_int(tables.sums + 8 * MOMENT_X, x << j)
    else:
        add_int(tables.sums + 8 * HIGH_Y, y << (j - HIGH_BITS))
        add_int(tables.sums + 8 * HIGH_X, x << (j - HIGH_BITS))
