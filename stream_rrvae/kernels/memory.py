"""Plain loads, stores and copies at addresses, for compiled code that checks its bounds itself.

Addresses are int64; values come back as int64 (bytes, 16 and 32 bits) or uint64 (words). Nothing needs to be aligned.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir
from numba import carray, types  # type: ignore[attr-defined]
from numba.extending import intrinsic
from numpy.typing import NDArray

from stream_rrvae.kernels.compiled import compiled

BYTE, WORD = ir.IntType(8), ir.IntType(64)
ADDRESS = types.int64
NOT_UNDEFINED = ir.Constant(ir.IntType(1), 0)  # of a word without bits: 64


def instruction(result: Any, arguments: tuple[Any, ...], build: Callable[..., Any]) -> Callable[..., Any]:
    """A function for compiled code: `build` (LLVM builder, LLVM values) makes its code; None gives nothing back."""

    def generate(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        value = build(builder, *values)
        return context.get_dummy_value() if value is None else value

    made = result(*arguments), generate
    by_arity: dict[int, Callable[..., Any]] = {
        1: lambda _typing, _a: made,
        2: lambda _typing, _a, _b: made,
        3: lambda _typing, _a, _b, _c: made,
        4: lambda _typing, _a, _b, _c, _d: made,
        5: lambda _typing, _a, _b, _c, _d, _e: made,
        6: lambda _typing, _a, _b, _c, _d, _e, _f: made,
        7: lambda _typing, _a, _b, _c, _d, _e, _f, _g: made,
    }
    return cast(Callable[..., Any], intrinsic(by_arity[len(arguments)]))


def load_at(builder: Any, address: Any, kind: Any) -> Any:
    """LLVM: what lies at an address."""
    value = builder.load(builder.inttoptr(address, kind.as_pointer()))
    value.align = 1
    return value


def store_at(builder: Any, value: Any, address: Any) -> None:
    """LLVM: put `value` at an address."""
    builder.store(value, builder.inttoptr(address, value.type.as_pointer()), align=1)


def _loader(bits: int, result: Any, swapped: bool = False) -> Callable[[int], Any]:
    """A function that gives the little-endian (`swapped`: big-endian) number of `bits` at an address."""

    def build(builder: Any, address: Any) -> Any:
        value = load_at(builder, address, ir.IntType(bits))
        value = builder.bswap(value) if swapped else value
        return value if bits == result.bitwidth else builder.zext(value, WORD)

    return instruction(result, (ADDRESS,), build)


def _copier(count: int) -> Callable[[int, int], None]:
    """A function (to, from) that copies `count` bytes, all of them loaded before any is stored."""

    def build(builder: Any, to: Any, source: Any) -> None:
        store_at(builder, load_at(builder, source, ir.VectorType(BYTE, count)), to)

    return instruction(types.none, (ADDRESS, ADDRESS), build)


def _clearer(count: int) -> Callable[[int], None]:
    """A function that sets `count` bytes to zero."""
    return instruction(
        types.none, (ADDRESS,), lambda builder, to: store_at(builder, ir.Constant(ir.VectorType(BYTE, count), None), to)
    )


load_byte = _loader(8, types.int64)
load_half = _loader(16, types.int64)
load_word = _loader(64, types.uint64)
load_big_32 = _loader(32, types.int64, swapped=True)
load_big_64 = _loader(64, types.uint64, swapped=True)
copy_1, copy_8, copy_16, copy_32 = _copier(1), _copier(8), _copier(16), _copier(32)
clear_32 = _clearer(32)

load_int = _loader(64, types.int64)
load_signed_32 = instruction(
    types.int64, (ADDRESS,), lambda builder, at: builder.sext(load_at(builder, at, ir.IntType(32)), WORD)
)
store_int = instruction(types.none, (ADDRESS, types.int64), lambda builder, at, value: store_at(builder, value, at))
store_word = instruction(types.none, (ADDRESS, types.uint64), lambda builder, at, value: store_at(builder, value, at))
store_byte = instruction(
    types.none, (ADDRESS, types.int64), lambda builder, at, value: store_at(builder, builder.trunc(value, BYTE), at)
)
population = instruction(types.int64, (types.uint64,), lambda builder, word: builder.ctpop(word))
trailing_zeros = instruction(types.int64, (types.uint64,), lambda builder, word: builder.cttz(word, NOT_UNDEFINED))
leading_zeros = instruction(types.int64, (types.uint64,), lambda builder, word: builder.ctlz(word, NOT_UNDEFINED))
pointer_at = instruction(types.voidptr, (ADDRESS,), lambda builder, at: builder.inttoptr(at, BYTE.as_pointer()))


@compiled
def words_at(address: int, count: int) -> NDArray[np.uint64]:
    """The words there as an array."""
    words: NDArray[np.uint64] = carray(pointer_at(address), (count,), np.uint64)
    return words


@compiled
def ints_at(address: int, count: int) -> NDArray[np.int64]:
    """The 64-bit numbers there as an array."""
    ints: NDArray[np.int64] = carray(pointer_at(address), (count,), np.int64)
    return ints


@compiled
def add_int(address: int, value: Any) -> None:
    """Add to the 64-bit number there."""
    store_int(address, load_int(address) + value)


@compiled
def copy_bytes(to: int, source: int, count: int) -> None:
    """Copy, reading nothing behind `source` + `count`."""
    done = 0
    while done + 32 <= count:
        copy_32(to + done, source + done)
        done += 32
    while done + 8 <= count:
        copy_8(to + done, source + done)
        done += 8
    while done < count:
        copy_1(to + done, source + done)
        done += 1
