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


# LLVM's intrinsics change their form between versions, assembly does not.
llvmlite.binding.initialize_native_asmparser()


def has_dot_products() -> bool:
    """Whether code is made for a processor with AVX-512 VNNI."""
    chosen = numba.config.CPU_NAME or numba.config.CPU_FEATURES  # type: ignore[attr-defined]
    return not chosen and bool(llvmlite.binding.get_host_cpu_features().get("avx512vnni"))


def add_products(builder: Any, total: Any, values: Any, weights: Any) -> Any:
    """`total` (SUMS) + values * weights, neighbours to each of its sums where the order is the processor's.

    64 bytes each: values without sign times 8-bit weights with one, or 16-bit numbers up to 32,767 both.
    """
    by_four = values.type == BYTES
    if has_dot_products():
        kind = ir.FunctionType(SUMS, [SUMS, values.type, values.type])
        name = "vpdpbusd" if by_four else "vpdpwssd"
        return builder.asm(kind, f"{name} $3, $2, $0", "=v,0,v,v", [total, values, weights], side_effect=False)
    if not by_four:
        return builder.add(total, _paired(builder, values, weights))
    sums = _paired(builder, builder.zext(values, HALVES), builder.sext(weights, HALVES))
    for half in range(2):
        total = builder.add(total, lanes(builder, sums, range(half * SUMS.count, (half + 1) * SUMS.count)))
    return total


def _paired(builder: Any, values: Any, weights: Any) -> Any:
    """Products of neighbouring 16-bit lanes, summed: in this form compilers know the instruction that it is."""
    count = values.type.count
    kind = ir.VectorType(ir.IntType(32), count // 2)
    halves = [
        [builder.sext(lanes(builder, vector, range(odd, count, 2)), kind) for vector in (values, weights)]
        for odd in (0, 1)
    ]
    return builder.add(*(builder.mul(*pair) for pair in halves))


def lanes(builder: Any, vector: Any, which: range) -> Any:
    """LLVM: some lanes of a vector as a vector."""
    indices = ir.Constant(ir.VectorType(ir.IntType(32), len(which)), list(which))
    return builder.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), indices)


def _build(builder: Any, weights: Any, rows: Any, stride: Any, count: Any, to: Any) -> None:
    totals = [[variable(builder, ir.Constant(SUMS, None)) for _ in range(ROWS)] for _ in range(WEIGHTS)]
    steps = builder.udiv(count, ir.Constant(WORD, STEP_BYTES))
    with cgutils.for_range(builder, steps) as loop:
        place = builder.mul(loop.index, ir.Constant(WORD, STEP_BYTES))
        given = [load_at(builder, row_at(builder, rows, stride, place, i), BYTES) for i in range(ROWS)]
        for w in range(WEIGHTS):
            weight = load_at(builder, row_at(builder, weights, stride, place, w), BYTES)
            for i in range(ROWS):
                added = add_products(builder, builder.load(totals[w][i]), given[i], weight)
                builder.store(added, totals[w][i])
    store_at(builder, _all_summed(builder, [builder.load(place) for row in totals for place in row]), to)


def variable(builder: Any, first: Any) -> Any:
    """LLVM: a place that holds `first`, and then other values of its kind."""
    return cast(Any, cgutils).alloca_once_value(builder, first)


def row_at(builder: Any, base: Any, stride: Any, place: Any, row: int) -> Any:
    """LLVM: the address `place` bytes into a row, of rows every `stride` bytes from `base`."""
    return builder.add(builder.add(base, place), builder.mul(stride, ir.Constant(WORD, row)))


def ahead(builder: Any, base: Any, bytes_: int) -> Any:
    """LLVM: the address so many bytes further on."""
    return builder.add(base, ir.Constant(WORD, bytes_))


def _all_summed(builder: Any, vectors: list[Any]) -> Any:
    """LLVM: the lanes' sums of as many vectors as they have lanes, as one vector; neighbours of two at a time."""
    count = SUMS.count
    while len(vectors) > 1:
        evens, odds = (
            ir.Constant(ir.VectorType(ir.IntType(32), count), list(range(odd, 2 * count, 2))) for odd in (0, 1)
        )
        vectors = [
            builder.add(builder.shuffle_vector(first, second, evens), builder.shuffle_vector(first, second, odds))
            for first, second in zip(vectors[::2], vectors[1::2], strict=True)
        ]
    return vectors[0]


def summed(builder: Any, vector: Any) -> Any:
    """LLVM: the sum of all lanes, by halves."""
    add = builder.fadd if isinstance(vector.type.element, ir.FloatType) else builder.add
    half = vector.type.count // 2
    while half:
        vector = add(lanes(builder, vector, range(half)), lanes(builder, vector, range(half, 2 * half)))
        half //= 2
    return builder.extract_element(vector, ir.Constant(ir.IntType(32), 0))


# (weights' address, rows' address, bytes from row to row, bytes to multiply, to): ROWS int32 for each of the WEIGHTS.
multiply_rows = instruction(types.none, (ADDRESS,) * 5, _build)
