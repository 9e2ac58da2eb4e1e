"""The lowest bytes of the pixels in the basis, and their bins: what nearly all frames with few counts need."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import carray, types  # type: ignore[attr-defined]
from numpy.typing import NDArray

from stream_rrvae.kernels.binning import SPARE_BINS, fold_line
from stream_rrvae.kernels.compiled import compiled
from stream_rrvae.kernels.layout import BASIS, WORD_PX, Layout
from stream_rrvae.kernels.memory import ADDRESS, BYTE, instruction, load_at, pointer_at, store_at

WIDEST_BIN_PX = 16  # bins of bytes then fit 16 bits
LOW_BYTE = np.uint16(0xFF)
EIGHT = np.uint16(8)


def _keeping(item_bytes: int) -> Callable[[int, int, int], None]:
    """A function (pixels' address, mask, to) that writes the lowest byte of 64 pixels, 0 outside the mask."""
    pixel, low = ir.VectorType(ir.IntType(8 * item_bytes), WORD_PX), ir.VectorType(BYTE, WORD_PX)

    def build(builder: Any, at: Any, mask: Any, to: Any) -> None:
        value = load_at(builder, at, pixel)
        value = value if item_bytes == 1 else builder.trunc(value, low)
        bits = builder.bitcast(mask, ir.VectorType(ir.IntType(1), WORD_PX))
        store_at(builder, builder.select(bits, value, ir.Constant(low, None)), to)

    return instruction(types.none, (ADDRESS, types.uint64, ADDRESS), build)


keep_low_1, keep_low_2 = _keeping(1), _keeping(2)


@compiled
def keep_low_bytes(pixels: NDArray[Any], layout: Layout, low_bytes: NDArray[np.uint8]) -> None:
    """Lowest byte of `pixels` (uint8 or uint16) in the basis, 0 elsewhere, for words that have such pixels."""
    begin, end = layout.basis_range
    at, to, size = pixels.ctypes.data, low_bytes.ctypes.data, pixels.itemsize
    whole = min(end, pixels.size // WORD_PX)
    for k in range(begin, whole):
        if size == 1:
            keep_low_1(at + WORD_PX * k, layout.basis_words[k], to + WORD_PX * k)
        else:
            keep_low_2(at + 2 * WORD_PX * k, layout.basis_words[k], to + WORD_PX * k)
    if whole < end:  # the last pixels, which are no whole word
        given = carray(pointer_at(at), (pixels.size,), pixels.dtype)
        zones = carray(pointer_at(layout.zones.ctypes.data), (pixels.size,), np.uint8)
        for i in range(WORD_PX * whole, pixels.size):
            low_bytes[i] = np.uint8(given[i]) if (zones[i] & BASIS) != 0 else np.uint8(0)


@compiled
def fold_low_bytes(pixels: int, width: int, layout: Layout, line: Any, bins: Any) -> None:
    """Sum pixels (address of bytes, row-major, 0 outside the basis) in `bins` (uint16); `line` is room for a row."""
    bin_px, bands = layout.bin_px, layout.bands
    for b in range(bands.shape[0]):
        begin, end, column, first, count = bands[b, 0], bands[b, 1], bands[b, 2], bands[b, 3], bands[b, 4]
        # To whole vectors: what is too much is written over by the next row of bins, or lies in the spare ones.
        into = carray(pointer_at(bins.ctypes.data + 2 * first), (-(-count // SPARE_BINS) * SPARE_BINS,), np.uint16)
        columns = min(count * bin_px, width - column)
        at = pixels + begin * width + column
        # The usual sizes as forms that compilers make vector instructions of.
        if bin_px == 1:
            _copy_row(at, into)
        elif bin_px == 2 and end - begin == 2 and columns == 2 * count:
            _fold_pairs(at, at + width, into)
        else:
            line[: count * bin_px] = 0
            for y in range(end - begin):
                row = carray(pointer_at(at + y * width), (columns,), np.uint8)
                for x in range(columns):
                    line[x] = np.uint16(line[x] + np.uint16(row[x]))
            fold_line(line, bin_px, bins[first : first + count])


@compiled
def _copy_row(at: int, bins: Any) -> None:
    row = carray(pointer_at(at), (bins.size,), np.uint8)
    for j in range(bins.size):
        bins[j] = np.uint16(row[j])


@compiled
def _fold_pairs(upper: int, lower: int, bins: Any) -> None:
    """Sum squares of two: neighbours are the two bytes of 16 bits."""
    first, second = (
        carray(pointer_at(upper), (bins.size,), np.uint16),
        carray(pointer_at(lower), (bins.size,), np.uint16),
    )
    for j in range(bins.size):
        even = np.uint16(np.uint16(first[j] & LOW_BYTE) + np.uint16(second[j] & LOW_BYTE))
        odd = np.uint16(np.uint16(first[j] >> EIGHT) + np.uint16(second[j] >> EIGHT))
        bins[j] = np.uint16(even + odd)
