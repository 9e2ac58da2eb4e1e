"""Frames with few counts in the basis: each count brings its row of weights, and no bins are made.

While FEW counts are enough, they are listed. A frame that turns out to have more gets the bytes of its pixels after
all, and so do the frames after it until there are few again. The sums are the same whole numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import carray, types  # type: ignore[attr-defined]
from numba.core import cgutils

from stream_rrvae.kernels.byte_products import variable
from stream_rrvae.kernels.compiled import compiled
from stream_rrvae.kernels.layout import Layout
from stream_rrvae.kernels.memory import (
    ADDRESS,
    BYTE,
    WORD,
    clear_32,
    instruction,
    ints_at,
    load_at,
    load_byte,
    load_int,
    load_word,
    pointer_at,
    population,
    store_at,
    store_byte,
    store_int,
    trailing_zeros,
)
from stream_rrvae.kernels.plane_tables import FEW, N_FEW, WEIGHTS_AT_ONCE, PlaneTables
from stream_rrvae.kernels.projection import add_product, begin_row, factor_of

LISTING, COUNT = range(2)  # entries of `tables.few`: whether counts are listed, how many
ONE = np.uint64(1)
PARTS = 4
BYTES, PART = ir.VectorType(BYTE, WEIGHTS_AT_ONCE // PARTS), ir.VectorType(ir.IntType(16), WEIGHTS_AT_ONCE // PARTS)
LONG = ir.VectorType(ir.IntType(32), WEIGHTS_AT_ONCE // PARTS)


@compiled
def begin_list(tables: PlaneTables) -> None:
    """Before a frame: nothing is listed."""
    ints_at(tables.few, N_FEW)[COUNT] = 0


@compiled
def list_piece(plane: int, valid: int, tables: PlaneTables, first: int, count: int, j: int) -> bool:
    """List the pixels of the basis with a bit in `count` words of plane `j`, from word `first` on; False: too many.

    A pixel is listed as many times as it has counts.
    """
    few, basis = ints_at(tables.few, N_FEW), tables.basis + 8 * first
    held = few[COUNT]
    for k in range(count):
        word = load_word(plane + 8 * k) & load_word(valid + 8 * k) & load_word(basis + 8 * k)
        more = population(word) << j
        if held + more > FEW:
            few[COUNT] = held
            return False
        at, begin = tables.listed + 8 * held, 64 * (first + k)
        if j == 0 and more <= 2:  # no branch for one or two: it could not be foreseen
            store_int(at, begin + trailing_zeros(word))
            store_int(at + 8, begin + trailing_zeros(word & (word - ONE)))
        else:
            _list_bits(word, begin, at, 1 << j)
        held += more
    few[COUNT] = held
    return True


@compiled
def _list_bits(word: np.uint64, begin: int, at: int, times: int) -> None:
    while word != 0:
        for _ in range(times):
            store_int(at, begin + trailing_zeros(word))
            at += 8
        word &= word - ONE


@compiled
def write_out(tables: PlaneTables, end: int) -> None:
    """Lowest bytes of the pixels in the basis from the list, for words before `end`; no more is listed."""
    few = ints_at(tables.few, N_FEW)
    few[LISTING] = 0
    for k in range(tables.begin, min(end, tables.end)):
        clear_32(tables.low_bytes + 64 * k)
        clear_32(tables.low_bytes + 64 * k + 32)
    for i in range(few[COUNT]):
        pixel = load_int(tables.listed + 8 * i)
        if pixel < 64 * end:
            store_byte(tables.low_bytes + pixel, load_byte(tables.low_bytes + pixel) + 1)


def _build(builder: Any, listed: Any, count: Any, numbers: Any, table: Any, to: Any) -> None:
    totals = [variable(builder, ir.Constant(PART, None)) for _ in range(PARTS)]
    with cgutils.for_range(builder, count) as loop:
        pixel = load_at(builder, builder.add(listed, builder.mul(loop.index, ir.Constant(WORD, 8))), WORD)
        number = load_at(builder, builder.add(numbers, builder.mul(pixel, ir.Constant(WORD, 4))), ir.IntType(32))
        row = builder.add(table, builder.mul(builder.zext(number, WORD), ir.Constant(WORD, WEIGHTS_AT_ONCE)))
        for part, total in enumerate(totals):
            weights = load_at(builder, builder.add(row, ir.Constant(WORD, part * BYTES.count)), BYTES)
            builder.store(builder.add(builder.load(total), builder.sext(weights, PART)), total)
    for part, total in enumerate(totals):
        wide = builder.sext(builder.load(total), LONG)
        store_at(builder, wide, builder.add(to, ir.Constant(WORD, part * 4 * PART.count)))


# (list, its length, bins of pixels, WEIGHTS_AT_ONCE weights of each bin, to): as many int32; they fit for FEW counts.
sum_listed = instruction(types.none, (ADDRESS,) * 5, _build)


@compiled
def project_listed(tables: PlaneTables, layout: Layout, row: Any) -> None:
    """Features of a frame whose counts are all listed."""
    few = ints_at(tables.few, N_FEW)
    if few[COUNT] == 0:
        row[:] = np.nan
        return
    for done in range(0, row.size, WEIGHTS_AT_ONCE):
        weights = tables.weights + done * tables.n_bins
        sum_listed(tables.listed, few[COUNT], tables.numbers, weights, tables.products + 4 * done)
    products = carray(pointer_at(tables.products), (row.size,), np.int32)
    begin_row(layout, row)
    factor = factor_of(layout, 0, few[COUNT])
    for f in range(row.size):
        row[f] = add_product(row[f], np.int64(products[f]), factor, layout.steps[f])
