"""Rows of float32 pixels summed by vectors of sixteen: column sums, totals of the frame and of its detectors.

Sums are float64. What counts where is said by one bit for each pixel, which the processor takes as it is.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numpy.typing import NDArray

from stream_rrvae.kernels.byte_products import ahead, variable
from stream_rrvae.kernels.compiled import compiled
from stream_rrvae.kernels.layout import FLOAT_MASKS, FLOATS_AT_ONCE, Layout
from stream_rrvae.kernels.memory import ADDRESS, WORD, instruction, load_at, store_at

LANES = FLOATS_AT_ONCE
SINGLE, DOUBLE = ir.VectorType(ir.FloatType(), LANES), ir.VectorType(ir.DoubleType(), LANES)
BITS, FLAGS = ir.IntType(LANES), ir.VectorType(ir.IntType(1), LANES)
NOTHING, NOTHING_WIDE = ir.Constant(SINGLE, None), ir.Constant(DOUBLE, None)
TOTAL, BRIGHT, DARK, IN_BASIS, MOMENT_Y = range(5)  # rows of `FloatRow.sums`
N_SUMS = 5
LOW, HIGH, ROW = range(3)  # entries of `FloatRow.numbers`


class FloatRow(NamedTuple):
    """What rows are summed into."""

    padded: NDArray[np.float32]  # [whole vectors] a row whose width is no whole number of them
    clean: NDArray[np.float32]  # [whole vectors and one] the row's valid and usable pixels, 0 for others
    column: NDArray[np.float64]  # [whole vectors] sums of all rows
    sums: NDArray[np.float64]  # [N_SUMS, LANES], each to be summed over its lanes
    numbers: NDArray[np.float64]  # [3] the valid range, and the number of the row
    missing: NDArray[np.int64]  # [1] usable pixels of the basis without data
    places: NDArray[np.int64]  # [5] addresses of clean, column, sums, numbers and missing


@compiled
def make_float_row(layout: Layout) -> FloatRow:
    """Room for rows of `layout`."""
    width = -(-layout.zones.shape[1] // LANES) * LANES
    padded, clean = np.full(width, np.float32(np.nan)), np.zeros(width + LANES, np.float32)
    column, sums, numbers = np.zeros(width), np.zeros((N_SUMS, LANES)), np.zeros(3)
    missing, places = np.zeros(1, np.int64), np.zeros(5, np.int64)
    places[0], places[1], places[2] = clean.ctypes.data, column.ctypes.data, sums.ctypes.data
    places[3], places[4] = numbers.ctypes.data, missing.ctypes.data
    return FloatRow(padded, clean, column, sums, numbers, missing, places)


def _build(builder: Any, row: Any, places: Any, masks: Any, vectors: Any) -> None:
    clean, column, sums_at, numbers, missing_at = (
        load_at(builder, ahead(builder, places, 8 * i), WORD) for i in range(5)
    )
    words = builder.udiv(builder.add(vectors, ir.Constant(WORD, 3)), ir.Constant(WORD, 4))
    low, high, y = (load_at(builder, ahead(builder, numbers, 8 * at), ir.DoubleType()) for at in (LOW, HIGH, ROW))
    low, high = (_spread(builder, builder.fptrunc(limit, ir.FloatType()), SINGLE) for limit in (low, high))
    y = _spread(builder, y, DOUBLE)
    places_of_sums = [ahead(builder, sums_at, 8 * LANES * at) for at in range(N_SUMS)]
    sums = [variable(builder, load_at(builder, at, DOUBLE)) for at in places_of_sums]
    missing = variable(builder, load_at(builder, missing_at, WORD))
    with cgutils.for_range(builder, vectors) as loop:
        at = builder.mul(loop.index, ir.Constant(WORD, 4 * LANES))
        usable, bright, dark, basis = (
            builder.bitcast(load_at(builder, _mask_at(builder, masks, words, loop.index, k), BITS), FLAGS)
            for k in range(FLOAT_MASKS)
        )
        pixels = load_at(builder, builder.add(row, at), SINGLE)
        valid = builder.and_(builder.fcmp_ordered("<=", pixels, high), builder.fcmp_ordered(">=", pixels, low))
        lost = builder.ctpop(builder.bitcast(builder.and_(builder.not_(valid), basis), BITS))
        builder.store(builder.add(builder.load(missing), builder.zext(lost, WORD)), missing)
        kept = builder.select(builder.and_(valid, usable), pixels, NOTHING)
        store_at(builder, kept, builder.add(clean, at))
        wide = builder.fpext(kept, DOUBLE)
        in_column = builder.add(column, builder.mul(at, ir.Constant(WORD, 2)))
        store_at(builder, builder.fadd(load_at(builder, in_column, DOUBLE), wide), in_column)
        parts = (wide, *(builder.select(mask, wide, NOTHING_WIDE) for mask in (bright, dark, basis)))
        for total, part in zip(sums, (*parts, builder.fmul(wide, y)), strict=True):
            builder.store(builder.fadd(builder.load(total), part), total)
    for at, total in zip(places_of_sums, sums, strict=True):
        store_at(builder, builder.load(total), at)
    store_at(builder, builder.load(missing), missing_at)


def _mask_at(builder: Any, masks: Any, words: Any, index: Any, k: int) -> Any:
    of_row = builder.add(masks, builder.mul(words, ir.Constant(WORD, 8 * k)))
    return builder.add(of_row, builder.mul(index, ir.Constant(WORD, LANES // 8)))


def _spread(builder: Any, value: Any, kind: Any) -> Any:
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))


# (row's address, that of `FloatRow.places`, masks of the row, whole vectors)
sum_float_row = instruction(types.none, (ADDRESS,) * 4, _build)
