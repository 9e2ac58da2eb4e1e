"""Bins of the basis as bytes: squares of pixels summed by whole vectors, where no bin can exceed a byte.

What a vector makes too many of is written over by the next row of bins, or lies behind the last.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types

from stream_rrvae.kernels.compiled import compiled, inlined
from stream_rrvae.kernels.layout import Layout
from stream_rrvae.kernels.memory import ADDRESS, BYTE, WORD, instruction, load_at, store_at

BINS_AT_ONCE = 64
WIDEST_PX = 4  # there are instructions for squares up to this side
LARGEST_BIN = 255
MOST_BEHIND = WIDEST_PX * BINS_AT_ONCE  # bytes behind WIDEST_PX rows behind the last one that may be read
BINS = ir.VectorType(BYTE, BINS_AT_ONCE)


def _folding(bin_px: int) -> Callable[[int, int, int], None]:
    """A function (pixels' address, bytes from row to row, to) that writes BINS_AT_ONCE bins."""

    def build(builder: Any, at: Any, stride: Any, to: Any) -> None:
        line = []
        for part in range(bin_px):
            rows = [
                load_at(builder, _offset(builder, at, stride, row, part * BINS_AT_ONCE), BINS) for row in range(bin_px)
            ]
            line.append(_sum(builder, rows))
        store_at(builder, _sum(builder, [_every(builder, line, first) for first in range(bin_px)]), to)

    return instruction(types.none, (ADDRESS,) * 3, build)


def _offset(builder: Any, at: Any, stride: Any, row: int, column: int) -> Any:
    return builder.add(builder.add(at, builder.mul(stride, ir.Constant(WORD, row))), ir.Constant(WORD, column))


def _sum(builder: Any, vectors: list[Any]) -> Any:
    total = vectors[0]
    for vector in vectors[1:]:
        total = builder.add(total, vector)
    return total


def _every(builder: Any, line: list[Any], first: int) -> Any:
    """Every so many lanes of as many vectors that follow each other, from lane `first` on; two vectors at a time."""
    found = line[0]
    for part in range(1, len(line)):
        known = [first + len(line) * j for j in range(BINS_AT_ONCE)]
        taken = [
            (lane if part == 1 else j) if lane < BINS_AT_ONCE * part else min(lane - BINS_AT_ONCE * (part - 1), 127)
            for j, lane in enumerate(known)
        ]
        indices = ir.Constant(ir.VectorType(ir.IntType(32), BINS_AT_ONCE), taken)
        found = builder.shuffle_vector(found, line[part], indices)
    return found


fold_1, fold_2, fold_3, fold_4 = (_folding(bin_px) for bin_px in (1, 2, 3, 4))


@compiled
def bins_are_whole(layout: Layout) -> bool:
    """Whether no bin is cut by the end of a detector row, and their side is one of those known here."""
    if layout.bin_px > WIDEST_PX:
        return False
    for b in range(layout.bands.shape[0]):
        if layout.bands[b, 2] + layout.bands[b, 4] * layout.bin_px > layout.zones.shape[1]:
            return False
    return True


@inlined
def fold_to_bytes(pixels: int, layout: Layout, to: int) -> None:
    """Bins, as bytes from `to` on, of pixels (address of bytes, row-major, 0 outside the basis and behind them)."""
    bin_px, width, bands = layout.bin_px, layout.zones.shape[1], layout.bands
    for b in range(bands.shape[0]):
        at, into = pixels + bands[b, 0] * width + bands[b, 2], to + bands[b, 3]
        for done in range(0, bands[b, 4], BINS_AT_ONCE):
            if bin_px == 1:
                fold_1(at + done, width, into + done)
            elif bin_px == 2:
                fold_2(at + 2 * done, width, into + done)
            elif bin_px == 3:
                fold_3(at + 3 * done, width, into + done)
            else:
                fold_4(at + 4 * done, width, into + done)
