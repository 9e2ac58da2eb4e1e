"""A frame plan as masks over words of 64 pixels, and room to work in: what measuring bit planes needs."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.kernels.byte_bins import MOST_BEHIND, WIDEST_PX
from stream_rrvae.kernels.exact_sums import N_SUMS
from stream_rrvae.kernels.layout import BASIS, BRIGHT, DARK, USABLE, WORD_PX, pack_words
from stream_rrvae.kernels.low_bytes import WIDEST_BIN_PX
from stream_rrvae.kernels.lz4_block import MARGIN
from stream_rrvae.kernels.lz4_zero_runs import most_runs
from stream_rrvae.kernels.plan import FramePlan

N_FEW = 2
FEW = 255  # counts whose weights fit a sum of 16 bits, and any bin of them a byte
WEIGHTS_AT_ONCE = 128


class PlaneTables(NamedTuple):
    """Addresses and numbers, no arrays: compiled functions are called many times a frame, and arrays cost each time.

    Masks have one uint64 for each run of 64 pixels, row-major; bit t is its pixel t. The frame's raw tail is left out.
    """

    usable: int
    bright: int
    dark: int
    basis: int
    wrapped: int  # pixels that lie on the next detector row already
    first_x: int  # uint32 for each word
    first_y: int
    zones: int  # uint8 for each pixel, as in Layout
    numbers: int  # int32 for each pixel: its bin
    begin: int  # first word with pixels of the basis
    end: int
    highest: int  # largest valid value
    suspect: int  # the lowest bit that a value above it must have, or a higher one
    width: int
    pixels: int  # of a frame
    n_bins: int
    weights: int  # int8 [chunks, n_bins, WEIGHTS_AT_ONCE]
    n_words: int  # of a mask
    n_detectors: int  # virtual ones beside bright and dark field
    detectors: int  # their masks, uint64 [n_detectors, n_words]
    detector_spans: int  # int64 [n_detectors, 2] the words with pixels of each: begin, end
    detector_pixels: int  # uint8 [n_detectors, pixels] 1 = the pixel counts
    # Room for one frame:
    aligned: int  # the planes of a block whose planes are no whole words
    low_bytes: int  # [words * 64] lowest byte of the pixels in the basis
    pieces: int  # int64 [n, 3] parts of planes with set bits: plane, first word, last word + 1
    valid: int  # uint64, words of a block
    sums: int  # int64 [exact_sums.N_SUMS]
    extra: int  # int64 [n_bins] counts beyond the low bytes
    missing: int  # int64 [n_bins] pixels without data
    few: int  # int64 [few_counts.N_FEW]
    listed: int  # int64 [FEW + 2] pixels
    products: int  # int32 [chunks, WEIGHTS_AT_ONCE]
    detected: int  # int64 [n_detectors] counts


class PlaneMemory:
    """Owns what `tables` points to; for one thread."""

    def __init__(self, plan: FramePlan, item_bytes: int, highest: int, block_bytes: int) -> None:
        self._held: list[NDArray[Any]] = []
        layout, width, planes = plan.layout, plan.frame_shape[1], 8 * item_bytes
        zones = np.zeros(-(-layout.zones.size // WORD_PX) * WORD_PX, np.uint8)
        shuffled = layout.zones.size // 8 * 8
        zones[:shuffled] = layout.zones.ravel()[:shuffled]
        first = np.arange(0, zones.size, WORD_PX)
        wrapped = np.arange(zones.size) // width != np.repeat(first // width, WORD_PX)
        occupied = np.flatnonzero(((zones & BASIS) != 0).reshape(-1, WORD_PX).any(axis=1))
        n_bins = layout.weights.shape[1]
        weights = _in_chunks(layout.byte_weights[:, :n_bins])
        masks = plan.detectors.masks.reshape(plan.detectors.count, layout.zones.size)
        words = np.zeros((len(masks), zones.size // WORD_PX), np.uint64)
        for row, mask in zip(words, masks, strict=True):
            row[:] = pack_words(np.where(np.arange(zones.size) < shuffled, np.resize(mask, zones.size), False))
        self.tables = PlaneTables(
            usable=self._words((zones & USABLE) != 0),
            bright=self._words((zones & BRIGHT) != 0),
            dark=self._words((zones & DARK) != 0),
            basis=self._words((zones & BASIS) != 0),
            wrapped=self._words(wrapped),
            first_x=self._keep((first % width).astype(np.uint32)),
            first_y=self._keep((first // width).astype(np.uint32)),
            zones=self._keep(layout.zones),
            numbers=self._keep(layout.bin_numbers),
            begin=int(occupied[0]) if occupied.size else 0,
            end=int(occupied[-1]) + 1 if occupied.size else 0,
            highest=highest,
            suspect=(highest + 1).bit_length() - 1,
            width=width,
            pixels=layout.zones.size,
            n_bins=n_bins,
            weights=self._keep(weights),
            n_words=words.shape[1],
            n_detectors=len(masks),
            detectors=self._keep(words),
            detector_spans=self._keep(_spans(words)),
            detector_pixels=self._keep(np.ascontiguousarray(masks, np.uint8)),
            aligned=self._room(np.uint8, block_bytes + 8 * planes + MARGIN),
            low_bytes=self._room(np.uint8, zones.size + WIDEST_PX * width + MOST_BEHIND),
            pieces=self._room(np.int64, 3 * (most_runs(block_bytes) + planes + 1)),
            valid=self._room(np.uint64, block_bytes // (8 * planes) + 2),
            sums=self._room(np.int64, N_SUMS),
            extra=self._room(np.int64, n_bins),
            missing=self._room(np.int64, n_bins),
            few=self._room(np.int64, N_FEW),
            listed=self._room(np.int64, FEW + 2),
            products=self._room(np.int32, len(weights) * WEIGHTS_AT_ONCE),
            detected=self._room(np.int64, len(masks)),
        )

    def _words(self, bits: NDArray[np.bool_]) -> int:
        return self._keep(pack_words(bits))

    def _room(self, kind: Any, count: int) -> int:
        return self._keep(np.zeros(count, kind))

    def _keep(self, array: NDArray[Any]) -> int:
        self._held.append(array)
        return array.ctypes.data


def _spans(words: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The words [begin, end) of each row that are not zero."""
    spans = np.zeros((len(words), 2), np.int64)
    for span, row in zip(spans, words, strict=True):
        occupied = np.flatnonzero(row)
        if occupied.size:
            span[:] = occupied[0], occupied[-1] + 1
    return spans


def _in_chunks(weights: NDArray[np.int8]) -> NDArray[np.int8]:
    """Weights [n_features, n_bins] as those of one bin after the other [chunks, n_bins, WEIGHTS_AT_ONCE]."""
    n_features, n_bins = weights.shape
    chunks = -(-n_features // WEIGHTS_AT_ONCE)
    padded = np.zeros((chunks * WEIGHTS_AT_ONCE, n_bins), np.int8)
    padded[:n_features] = weights
    return np.ascontiguousarray(padded.reshape(chunks, WEIGHTS_AT_ONCE, n_bins).transpose(0, 2, 1))


def can_measure_planes(plan: FramePlan, pixel_type: str) -> bool:
    """Whether pixels are whole numbers and a word has pixels of at most two detector rows."""
    return plan.frame_shape[1] >= WORD_PX and plan.layout.bin_px <= WIDEST_BIN_PX and pixel_type != "float32"
