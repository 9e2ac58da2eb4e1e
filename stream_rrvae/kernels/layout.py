"""A frame plan as compiled loops read it: masks, rows of bins and the basis in bytes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.kernels.basis import Projection, inside_disc, number_bins
from stream_rrvae.kernels.strip_sums import N_MASKS
from stream_rrvae.messages import BoolArray, Float32Array

DARK_FIELD_RADII = (1.1, 2.5)  # inner and outer, in disc radii
BYTES_AT_ONCE = WORD_PX = 64
FEATURES_AT_ONCE = 2
EVERY_LANE = np.uint64(0xFFFFFFFFFFFFFFFF)
FLOATS_AT_ONCE, FLOAT_WEIGHTS, FLOAT_MASKS = 16, 4, 4
USABLE, BRIGHT, DARK, BASIS = 1, 2, 4, 8  # bits of `Layout.zones`


class Layout(NamedTuple):
    """The plan as the compiled loops read it."""

    zones: NDArray[np.uint8]  # [ky, kx] where a pixel counts; 0 = unusable
    bright: NDArray[np.int8]  # [ky, kx] masks: -1 where a pixel counts, else 0
    dark: NDArray[np.int8]
    basis: NDArray[np.int8]
    bright_rows: tuple[int, int]  # the rows with such pixels: begin, end
    dark_rows: tuple[int, int]
    row_masks: NDArray[np.uint64]  # [ky, strip_sums.N_MASKS, blocks] usable, bright, dark in blocks of 64 columns;
    # the last of them ends with the row
    whole_rows: NDArray[np.uint8]  # [ky] 1 where all blocks of the row are usable, every lane of them
    float_masks: NDArray[np.uint64]  # [ky, FLOAT_MASKS, words] a bit a pixel, in order: usable, bright, dark, basis
    basis_words: NDArray[np.uint64]  # one for each 64 pixels, row-major
    basis_range: tuple[int, int]  # the words with pixels of the basis: begin, end
    all_usable: bool
    detectors: bool  # whether to measure bright field and annular dark field
    bands: NDArray[np.int32]  # [n, 5] per row of bins: detector rows begin, end; first column; first bin; bins
    bin_numbers: NDArray[np.int32]  # [ky, kx], -1 outside the basis
    weights: Float32Array  # [n_features, n_bins] = byte_weights * steps
    float_weights: Float32Array  # the same with rows and columns of zeros to spare: to FLOAT_WEIGHTS, to whole vectors
    byte_weights: NDArray[np.int8]  # [n_features to an even number, n_bins to whole vectors]
    steps: NDArray[np.float64]  # [n_features]
    offset: Float32Array  # [n_features]
    pixels: int  # usable ones of the basis
    bin_px: int
    center_y: float
    center_x: float


def make_zones(
    shape: tuple[int, int], center: tuple[float, float], radius: float, reach: float, usable: BoolArray
) -> NDArray[np.uint8]:
    """Where each pixel [ky, kx] counts: bits USABLE, BRIGHT, DARK and BASIS, the last out to `reach` px."""
    inner, outer = (inside_disc(shape, center, radius * factor) for factor in DARK_FIELD_RADII)
    zones = USABLE + BRIGHT * inside_disc(shape, center, radius) + DARK * (outer & ~inner)
    zones += BASIS * inside_disc(shape, center, reach)
    return np.where(usable, zones, 0).astype(np.uint8)


def make_layout(
    zones: NDArray[np.uint8],
    disc: BoolArray,
    center: tuple[float, float],
    bin_px: int,
    projection: Projection | None,
    detectors: bool,
) -> Layout:
    """The layout for `zones` [ky, kx] and squares of `bin_px` over `disc` [ky, kx]."""
    numbers = number_bins(disc, bin_px)
    if projection is None:
        weights, offset, pixels = np.empty((0, 0), np.float32), np.empty(0, np.float32), 0
        byte_weights, steps = np.empty((0, 0), np.int8), np.empty(0)
    else:
        weights, offset = np.ascontiguousarray(projection.bin_weights.T), projection.offset
        pixels = projection.pixels.size
        byte_weights, steps = _as_bytes(projection)
    row_masks = _row_masks(zones)
    bright, dark, basis = (-((zones & zone) != 0).astype(np.int8) for zone in (BRIGHT, DARK, BASIS))
    return Layout(
        zones=zones,
        bright=bright,
        dark=dark,
        basis=basis,
        bright_rows=_rows(bright),
        dark_rows=_rows(dark),
        row_masks=row_masks,
        whole_rows=(row_masks[:, 0] == EVERY_LANE).all(axis=1).astype(np.uint8),
        float_masks=_float_masks(zones),
        basis_words=pack_words(basis != 0),
        basis_range=_rows(pack_words(basis != 0)[:, None]),
        all_usable=bool((zones != 0).all()),
        detectors=detectors,
        bands=_bands(numbers, bin_px),
        bin_numbers=numbers,
        weights=weights,
        float_weights=_padded(weights),
        byte_weights=byte_weights,
        steps=steps,
        offset=offset,
        pixels=pixels,
        bin_px=bin_px,
        center_y=float(center[0]),
        center_x=float(center[1]),
    )


def pack_words(bits: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Bits as words of 64, row-major, the last filled up with 0."""
    padded = np.zeros(-(-bits.size // WORD_PX) * WORD_PX, np.bool_)
    padded[: bits.size] = bits.ravel()
    return np.packbits(padded, bitorder="little").view(np.uint64)


def _lane_columns(width: int) -> NDArray[np.int64]:
    """Column of each lane: the last block ends with the row."""
    begins = np.minimum(np.arange(0, width, WORD_PX), max(width - WORD_PX, 0))
    return (begins[:, None] + np.arange(WORD_PX)).ravel()


def _row_masks(zones: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Masks of each row; a column that two blocks hold counts in the first."""
    height, width = zones.shape
    columns = _lane_columns(width)
    first = columns >= np.arange(columns.size) // WORD_PX * WORD_PX
    lanes = np.where(first & (columns < width), zones[:, np.minimum(columns, width - 1)], 0)
    masks = np.stack([(lanes & zone) != 0 for zone in (USABLE, BRIGHT, DARK)], axis=1)
    return np.packbits(masks, axis=2, bitorder="little").view(np.uint64).reshape(height, N_MASKS, -1)


def _float_masks(zones: NDArray[np.uint8]) -> NDArray[np.uint64]:
    height, width = zones.shape
    bits = np.zeros((height, FLOAT_MASKS, -(-width // WORD_PX) * WORD_PX), np.bool_)
    for k, zone in enumerate((USABLE, BRIGHT, DARK, BASIS)):
        bits[:, k, :width] = (zones & zone) != 0
    return np.packbits(bits, axis=2, bitorder="little").view(np.uint64)


def _rows(mask: NDArray[Any]) -> tuple[int, int]:
    """The rows with pixels in them: begin, end."""
    rows = np.flatnonzero(mask.any(axis=1))
    return (int(rows[0]), int(rows[-1]) + 1) if rows.size else (0, 0)


def _as_bytes(projection: Projection) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """The basis' weights [n_features, n_bins] as whole numbers of steps, with rows and columns of zeros to spare."""
    n_bins, n_features = projection.bin_weights.shape
    steps = projection.bin_steps.astype(np.float64)
    padded = np.zeros(
        (-(-n_features // FEATURES_AT_ONCE) * FEATURES_AT_ONCE, -(-n_bins // BYTES_AT_ONCE) * BYTES_AT_ONCE), np.int8
    )
    padded[:n_features, :n_bins] = np.rint(projection.bin_weights / np.where(steps > 0, steps, 1)).T
    return padded, steps


def _padded(weights: Float32Array) -> Float32Array:
    rows, columns = (
        -(-size // step) * step for size, step in zip(weights.shape, (FLOAT_WEIGHTS, FLOATS_AT_ONCE), strict=True)
    )
    padded = np.zeros((rows, columns), np.float32)
    padded[: weights.shape[0], : weights.shape[1]] = weights
    return padded


def _bands(numbers: NDArray[np.int32], bin_px: int) -> NDArray[np.int32]:
    """Rows of bins; the disc has no gaps, so each of them is one run of bins."""
    disc = numbers >= 0
    if not disc.any():
        return np.empty((0, 5), np.int32)
    rows, columns = np.flatnonzero(disc.any(axis=1)), np.flatnonzero(disc.any(axis=0))
    bands = []
    for begin in range(int(rows[0]), int(rows[-1]) + 1, bin_px):
        end = min(begin + bin_px, int(rows[-1]) + 1)
        occupied = np.flatnonzero(disc[begin:end].any(axis=0))
        column = int(occupied[0]) - (int(occupied[0]) - int(columns[0])) % bin_px
        run = numbers[begin:end][disc[begin:end]]
        bands.append((begin, end, column, int(run.min()), int(run.max() - run.min()) + 1))
    return np.asarray(bands, np.int32)
