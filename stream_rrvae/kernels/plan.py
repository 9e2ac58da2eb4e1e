"""What a frame is measured with: usable pixels, virtual detectors and the steerable basis, laid out for the kernel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.errors import CalibrationError
from stream_rrvae.kernels.basis import BasisSpec, Projection, inside_disc, number_bins, project_onto
from stream_rrvae.messages import BoolArray, Float32Array

DARK_FIELD_RADII = (1.1, 2.5)  # inner and outer, in disc radii
# Pixels are summed in squares before projecting as long as the disc's radius stays above so many squares:
# there the features of a modulation change by 0.3 % (the highest order by 1 %), and cost 4 to 30 times less.
BINNED_RADIUS = 24.0
LARGEST_SIDE_PX = 65_535  # rows and columns of 16-bit pixels then fit 32-bit sums

BYTES_AT_ONCE = 64

USABLE, BRIGHT, DARK, BASIS = 1, 2, 4, 8  # bits of `Layout.zones`


class Layout(NamedTuple):
    """The plan as the compiled loops read it."""

    zones: NDArray[np.uint8]  # [ky, kx] where a pixel counts; 0 = unusable
    bands: NDArray[np.int32]  # [n, 5] per row of bins: detector rows begin, end; first column; first bin; bins
    bin_numbers: NDArray[np.int32]  # [ky, kx], -1 outside the basis
    flat_zones: NDArray[np.uint8]  # the same two, row-major
    flat_numbers: NDArray[np.int32]
    weights: Float32Array  # [n_features, n_bins] = byte_weights * steps
    byte_weights: NDArray[np.int8]  # [n_features to an even number, n_bins to whole vectors]
    steps: NDArray[np.float64]  # [n_features]
    offset: Float32Array  # [n_features]
    pixels: int  # usable ones of the basis
    bin_px: int
    center_y: float
    center_x: float


@dataclass(frozen=True, slots=True)
class FramePlan:
    """Everything that `reduce_frames` needs beside the frames; made once a scan by `make_plan`."""

    frame_shape: tuple[int, int]  # (ky, kx)
    disc_center_px: tuple[float, float]  # (ky, kx)
    disc_radius_px: float
    usable: BoolArray  # [ky, kx]
    saturation: float | None  # largest valid value
    projection: Projection | None  # None = no features
    layout: Layout

    @property
    def n_features(self) -> int:
        return int(self.layout.offset.size)


def make_plan(
    frame_shape: tuple[int, int],
    disc_center_px: tuple[float, float],
    disc_radius_px: float,
    spec: BasisSpec | None,
    usable: BoolArray | None = None,
    saturation: float | None = None,
    bin_px: int | None = None,
) -> FramePlan:
    """The plan for frames of `frame_shape` (ky, kx) whose bright disc lies at `disc_center_px` (ky, kx).

    The disc may be cut by the detector edge. `spec` None = no features, `usable` [ky, kx] None = all pixels,
    `bin_px` None = by the disc radius. Raises CalibrationError when no usable pixel lies in the disc or a number
    makes no sense.
    """
    shape = (int(frame_shape[0]), int(frame_shape[1]))
    _check(shape, disc_center_px, disc_radius_px, saturation)
    usable = np.ones(shape, np.bool_) if usable is None else np.asarray(usable, np.bool_)
    if usable.shape != shape:
        raise CalibrationError(f"a pixel mask of {usable.shape} does not fit frames of {shape}")
    reach_px = disc_radius_px * (spec.radius if spec else 0.0)
    bin_px = min(bin_px or max(1, int(reach_px / BINNED_RADIUS)), max(shape))
    projection = project_onto(spec, shape, disc_center_px, disc_radius_px, usable, bin_px) if spec else None
    zones = _zones(shape, disc_center_px, disc_radius_px, reach_px, usable)
    layout = _layout(zones, inside_disc(shape, disc_center_px, reach_px), disc_center_px, bin_px, projection)
    return FramePlan(shape, disc_center_px, disc_radius_px, usable, saturation, projection, layout)


def _check(shape: tuple[int, int], center: tuple[float, float], radius: float, saturation: float | None) -> None:
    if min(shape) < 1 or max(shape) > LARGEST_SIDE_PX:
        raise CalibrationError(f"frames of {shape} pixels cannot be measured")
    if not (math.isfinite(radius) and radius > 0 and all(map(math.isfinite, center))):
        raise CalibrationError(f"a disc of radius {radius} px at {center} makes no sense")
    if saturation is not None and not saturation > 0:
        raise CalibrationError(f"a saturation value of {saturation} leaves no valid pixel")


def _zones(
    shape: tuple[int, int], center: tuple[float, float], radius: float, reach: float, usable: BoolArray
) -> NDArray[np.uint8]:
    inner, outer = (inside_disc(shape, center, radius * factor) for factor in DARK_FIELD_RADII)
    zones = USABLE + BRIGHT * inside_disc(shape, center, radius) + DARK * (outer & ~inner)
    zones += BASIS * inside_disc(shape, center, reach)
    return np.where(usable, zones, 0).astype(np.uint8)


def _layout(
    zones: NDArray[np.uint8], disc: BoolArray, center: tuple[float, float], bin_px: int, projection: Projection | None
) -> Layout:
    center_y, center_x = map(float, center)
    numbers = number_bins(disc, bin_px)
    if projection is None:
        weights, offset, pixels = np.empty((0, 0), np.float32), np.empty(0, np.float32), 0
        byte_weights, steps = np.empty((0, 0), np.int8), np.empty(0)
    else:
        weights, offset = np.ascontiguousarray(projection.bin_weights.T), projection.offset
        pixels = projection.pixels.size
        byte_weights, steps = _as_bytes(projection)
    bands = _bands(numbers, bin_px)
    return Layout(
        zones,
        bands,
        numbers,
        zones.ravel(),
        numbers.ravel(),
        weights,
        byte_weights,
        steps,
        offset,
        pixels,
        bin_px,
        center_y,
        center_x,
    )


def _as_bytes(projection: Projection) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """The basis' weights [n_features, n_bins] as whole numbers of steps, with rows and columns of zeros to spare."""
    n_bins, n_features = projection.bin_weights.shape
    steps = projection.bin_steps.astype(np.float64)
    padded = np.zeros((n_features + n_features % 2, -(-n_bins // BYTES_AT_ONCE) * BYTES_AT_ONCE), np.int8)
    padded[:n_features, :n_bins] = np.rint(projection.bin_weights / np.where(steps > 0, steps, 1)).T
    return padded, steps


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
