"""Bit planes back to pixels: what bitshuffle did to a block, undone for 64 pixels at a time.

Bitshuffle stores bit 0 of all elements of a block, then bit 1 of all, and so on; in each of these planes bit t of byte
k belongs to element 8 k + t (bitshuffle's README). So a little-endian word of a plane holds one bit of 64
pixels, and a vector of 64 lanes takes it in as a mask.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from stream_rrvae.kernels.compiled import compiled
from stream_rrvae.kernels.memory import ADDRESS, BYTE, WORD, instruction, load_at, store_at

LANES = 64
SPREAD_MARGIN = 4 * LANES  # bytes behind the pixels that the last step may write
BIT = ir.IntType(1)


def _spread(planes: int, item_bytes: int) -> Callable[..., None]:
    """A function (planes' address, bytes between planes, mask, to) that writes 64 pixels of `item_bytes`.

    Planes above the lowest `planes` are taken to be empty; pixels outside the mask become 0.
    """
    lanes = ir.VectorType(ir.IntType(8 * item_bytes), LANES)

    def build(builder: Any, words: Any, stride: Any, mask: Any, to: Any) -> None:
        pixels: Any = None
        for byte in range((planes + 7) // 8):
            begin = builder.add(words, builder.mul(stride, ir.Constant(WORD, 8 * byte)))
            value = builder.zext(_byte(builder, begin, stride, mask, min(8, planes - 8 * byte)), lanes)
            pixels = builder.or_(pixels, builder.shl(value, _splat(lanes, 8 * byte))) if byte else value
        store_at(builder, pixels, to)

    return instruction(types.none, (ADDRESS, ADDRESS, types.uint64, ADDRESS), build)


def _byte(builder: Any, words: Any, stride: Any, mask: Any, planes: int) -> Any:
    """One byte of 64 pixels from up to eight planes."""
    lanes = ir.VectorType(BYTE, LANES)
    value = ir.Constant(lanes, None)
    for j in range(planes):
        place = builder.add(words, builder.mul(stride, ir.Constant(WORD, j)))
        word = builder.and_(load_at(builder, place, WORD), mask)
        more = builder.add(value, _splat(lanes, 1 << j))
        value = builder.select(builder.bitcast(word, ir.VectorType(BIT, LANES)), more, value)
    return value


def _splat(lanes: Any, value: int) -> Any:
    return ir.Constant(lanes, [value] * lanes.count)


EVERY = np.uint64(0xFFFFFFFFFFFFFFFF)
spread_1, spread_2, spread_4 = _spread(8, 1), _spread(16, 2), _spread(32, 4)
spread_lowest_2, spread_lowest_4 = _spread(2, 1), _spread(4, 1)


@compiled
def unshuffle(planes: int, size: int, item_bytes: int, to: int) -> None:
    """Write the pixels of a block of `size` bytes of bit planes, and up to SPREAD_MARGIN bytes behind them."""
    stride = size // (8 * item_bytes)
    for done in range(0, stride, 8):
        place = to + done * 8 * item_bytes
        if item_bytes == 1:
            spread_1(planes + done, stride, EVERY, place)
        elif item_bytes == 2:
            spread_2(planes + done, stride, EVERY, place)
        else:
            spread_4(planes + done, stride, EVERY, place)
