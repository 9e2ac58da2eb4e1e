"""Products of rows of float32 with rows of weights: six rows times four weights at once.

A frame by itself reads the whole basis for one product with each weight; six frames share that reading, and 24
sums keep the processor's multipliers busy.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from stream_rrvae.kernels.byte_products import ahead, row_at, summed, variable
from stream_rrvae.kernels.layout import FLOAT_WEIGHTS, FLOATS_AT_ONCE
from stream_rrvae.kernels.memory import ADDRESS, WORD, instruction, load_at, store_at

FLOAT_ROWS = 6
LANES = FLOATS_AT_ONCE
FLOATS = ir.VectorType(ir.FloatType(), LANES)
STEP_BYTES = 4 * LANES
FUSED = ("contract",)  # one instruction for both


def _build(builder: Any, weights: Any, rows: Any, stride: Any, to: Any) -> None:
    sums = [[variable(builder, ir.Constant(FLOATS, None)) for _ in range(FLOAT_ROWS)] for _ in range(FLOAT_WEIGHTS)]
    with cgutils.for_range(builder, builder.udiv(stride, ir.Constant(WORD, STEP_BYTES))) as loop:
        place = builder.mul(loop.index, ir.Constant(WORD, STEP_BYTES))
        given = [load_at(builder, row_at(builder, rows, stride, place, i), FLOATS) for i in range(FLOAT_ROWS)]
        for w in range(FLOAT_WEIGHTS):
            weight = load_at(builder, row_at(builder, weights, stride, place, w), FLOATS)
            for i in range(FLOAT_ROWS):
                product = builder.fmul(given[i], weight, flags=FUSED)
                builder.store(builder.fadd(builder.load(sums[w][i]), product, flags=FUSED), sums[w][i])
    for w in range(FLOAT_WEIGHTS):
        for i in range(FLOAT_ROWS):
            total = summed(builder, builder.load(sums[w][i]))
            store_at(builder, total, ahead(builder, to, 4 * (w * FLOAT_ROWS + i)))


# (weights' address, rows' address, bytes from row to row, to): FLOAT_ROWS float32 for each weight.
multiply_float_rows = instruction(types.none, (ADDRESS,) * 4, _build)
