"""A frame plan as masks over words of 64 pixels, for measuring bit planes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.kernels.plan import BASIS, BRIGHT, DARK, USABLE, FramePlan

WORD_PX = 64
WIDEST_BIN_PX = 256  # rows of bytes that a 16-bit sum holds
Words = NDArray[np.uint64]


class PlaneTables(NamedTuple):
    """One entry for each run of 64 pixels, row-major; bit t is its pixel t. The frame's raw tail is left out."""

    usable: Words
    bright: Words
    dark: Words
    basis: Words
    wrapped: Words  # pixels that lie on the next detector row already
    first_x: NDArray[np.uint32]
    first_y: NDArray[np.uint32]
    begin: int  # first word with pixels of the basis
    end: int
    highest: int  # largest valid value
    suspect: int  # the lowest bit that a value above it must have, or a higher one


def make_tables(plan: FramePlan, highest: int) -> PlaneTables:
    """Tables for frames of `plan` with whole-number pixels of which `highest` is the largest valid value."""
    zones = plan.layout.zones.ravel()
    shuffled = zones.size // 8 * 8
    padded = np.zeros(-(-zones.size // WORD_PX) * WORD_PX, np.uint8)
    padded[:shuffled] = zones[:shuffled]
    first = np.arange(0, padded.size, WORD_PX)
    width = plan.frame_shape[1]
    positions = np.arange(padded.size)
    wrapped = positions // width != np.repeat(first // width, WORD_PX)
    basis = _words((padded & BASIS) != 0)
    occupied = np.flatnonzero(basis)
    begin, end = (int(occupied[0]), int(occupied[-1]) + 1) if occupied.size else (0, 0)
    return PlaneTables(
        _words((padded & USABLE) != 0),
        _words((padded & BRIGHT) != 0),
        _words((padded & DARK) != 0),
        basis,
        _words(wrapped),
        (first % width).astype(np.uint32),
        (first // width).astype(np.uint32),
        begin,
        end,
        highest,
        (highest + 1).bit_length() - 1,
    )


def can_measure_planes(plan: FramePlan, pixel_type: str) -> bool:
    """Whether a word has pixels of at most two detector rows, and pixels are whole numbers."""
    return plan.frame_shape[1] >= WORD_PX and plan.layout.bin_px <= WIDEST_BIN_PX and pixel_type != "float32"


def _words(bits: NDArray[Any]) -> Words:
    return np.packbits(bits, bitorder="little").view(np.uint64)
