"""Products of rows of bytes with rows of small weights, exact in whole numbers: eight rows times two weights at once.

Where the processor has AVX-512 VNNI, one instruction multiplies and sums 64 pairs of bytes; elsewhere LLVM
makes what it can of the same sums. Both give the same numbers.
"""

from __future__ import annotations

from typing import Any, cast

import llvmlite.binding
import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils

from stream_rrvae.kernels.memory import ADDRESS, BYTE, WORD, instruction, load_at, store_at

ROWS, WEIGHTS = 8, 2
STEP_BYTES = 64
# 32-bit sums hold so many products of 255 times 127.
LONGEST_BYTES = (1 << 31) // (255 * 127) // STEP_BYTES * STEP_BYTES
BYTES = ir.VectorType(BYTE, STEP_BYTES)
SUMS = ir.VectorType(ir.IntType(32), STEP_BYTES // 4)
HALVES = ir.VectorType(ir.IntType(16), STEP_BYTES)
PAIRS = ir.VectorType(ir.IntType(32), STEP_BYTES // 2)


# LLVM's intrinsics change their form between versions, assembly does not.
llvmlite.binding.initialize_native_asmparser()


def has_dot_products() -> bool:
    """Whether code is made for a processor with AVX-512 VNNI."""
    chosen = numba.config.CPU_NAME or numba.config.CPU_FEATURES  # type: ignore[attr-defined]
    return not chosen and bool(llvmlite.binding.get_host_cpu_features().get("avx512vnni"))


def _add_products(builder: Any, total: Any, row: Any, weights: Any) -> Any:
    """`total` + row * weights, by four neighbours to each of its sums where the order is the processor's."""
    if has_dot_products():
        kind = ir.FunctionType(SUMS, [SUMS, BYTES, BYTES])
        return builder.asm(kind, "vpdpbusd $3, $2, $0", "=v,0,v,v", [total, row, weights], side_effect=False)
    wide, narrow = builder.zext(row, HALVES), builder.sext(weights, HALVES)
    pairs = [builder.mul(_half(builder, wide, odd), _half(builder, narrow, odd)) for odd in (0, 1)]
    sums = builder.add(*pairs)
    for half in range(2):
        total = builder.add(total, _lanes(builder, sums, range(half * SUMS.count, (half + 1) * SUMS.count)))
    return total


def _half(builder: Any, vector: Any, odd: int) -> Any:
    """Every second lane of 16 bits, as 32 bits: in this form compilers know it as a sum of pairs of products."""
    return builder.sext(_lanes(builder, vector, range(odd, STEP_BYTES, 2)), PAIRS)


def _lanes(builder: Any, vector: Any, which: range) -> Any:
    indices = ir.Constant(ir.VectorType(ir.IntType(32), len(which)), list(which))
    return builder.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), indices)


def _build(builder: Any, weights: Any, rows: Any, stride: Any, count: Any, to: Any) -> None:
    totals = [[_variable(builder) for _ in range(ROWS)] for _ in range(WEIGHTS)]
    steps = builder.udiv(count, ir.Constant(WORD, STEP_BYTES))
    with cgutils.for_range(builder, steps) as loop:
        place = builder.mul(loop.index, ir.Constant(WORD, STEP_BYTES))
        given = [load_at(builder, _at(builder, rows, stride, place, i), BYTES) for i in range(ROWS)]
        for w in range(WEIGHTS):
            weight = load_at(builder, _at(builder, weights, stride, place, w), BYTES)
            for i in range(ROWS):
                added = _add_products(builder, builder.load(totals[w][i]), given[i], weight)
                builder.store(added, totals[w][i])
    for w in range(WEIGHTS):
        for i in range(ROWS):
            store_at(builder, _summed(builder, builder.load(totals[w][i])), _offset(builder, to, 4 * (w * ROWS + i)))


def _variable(builder: Any) -> Any:
    place = cast(Any, cgutils).alloca_once(builder, SUMS)
    builder.store(ir.Constant(SUMS, None), place)
    return place


def _at(builder: Any, base: Any, stride: Any, place: Any, row: int) -> Any:
    return builder.add(builder.add(base, place), builder.mul(stride, ir.Constant(WORD, row)))


def _offset(builder: Any, base: Any, bytes_: int) -> Any:
    return builder.add(base, ir.Constant(WORD, bytes_))


def _summed(builder: Any, vector: Any) -> Any:
    """The sum of all lanes, by halves."""
    half = SUMS.count // 2
    while half:
        vector = builder.add(_lanes(builder, vector, range(half)), _lanes(builder, vector, range(half, 2 * half)))
        half //= 2
    return builder.extract_element(vector, ir.Constant(ir.IntType(32), 0))


# (weights' address, rows' address, bytes from row to row, bytes to multiply, to): ROWS int32 for each of the WEIGHTS.
multiply_rows = instruction(types.none, (ADDRESS,) * 5, _build)
