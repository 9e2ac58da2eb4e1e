"""What a frame is measured with: usable pixels, virtual detectors and the steerable basis, laid out for the kernel."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.errors import CalibrationError
from stream_rrvae.kernels.basis import BasisSpec, Projection, inside_disc, number_bins, project_onto
from stream_rrvae.messages import BoolArray

DARK_FIELD_RADII = (1.1, 2.5)  # inner and outer, in disc radii
BINNED_RADIUS_PX = 24.0  # a disc is binned as long as its radius stays above this


@dataclass(frozen=True, slots=True)
class FramePlan:
    """Everything that `reduce_frames` needs beside the frames; made once a scan by `make_plan`.

    `spans` [ky, 8]: for every row the column ranges (begin, end) of bright field, annular dark field left,
    annular dark field right and of the basis. `bands` [n, 5]: for every row of bins its first and last + 1
    detector row, its first column, its number of bins and its first bin.
    """

    frame_shape: tuple[int, int]  # (ky, kx)
    disc_center_px: tuple[float, float]  # (ky, kx)
    disc_radius_px: float
    usable: BoolArray  # [ky, kx]
    saturation: float | None  # largest valid value
    projection: Projection
    bin_px: int
    spans: NDArray[np.int32]
    bands: NDArray[np.int32]
    bin_numbers: NDArray[np.int32]  # [ky, kx], -1 outside the basis

    @property
    def n_features(self) -> int:
        return self.projection.spec.n_features


def make_plan(
    frame_shape: tuple[int, int],
    disc_center_px: tuple[float, float],
    disc_radius_px: float,
    spec: BasisSpec | None = None,
    usable: BoolArray | None = None,
    saturation: float | None = None,
    bin_px: int | None = None,
) -> FramePlan:
    """The plan for frames of `frame_shape` (ky, kx) whose bright disc lies at `disc_center_px` (ky, kx).

    The disc may be cut by the detector edge. `usable` [ky, kx], None = all. `bin_px` = pixels summed before
    projecting, None = by the disc radius. Raises CalibrationError when no usable pixel lies in the disc or a
    number makes no sense.
    """
    _check(frame_shape, disc_center_px, disc_radius_px, saturation)
    spec = spec or BasisSpec()
    usable = np.ones(frame_shape, np.bool_) if usable is None else np.ascontiguousarray(usable, np.bool_)
    if usable.shape != tuple(frame_shape):
        raise CalibrationError(f"a pixel mask of {usable.shape} does not fit frames of {tuple(frame_shape)}")
    bin_px = bin_px or max(1, int(disc_radius_px * spec.radius / BINNED_RADIUS_PX))
    projection = project_onto(spec, frame_shape, disc_center_px, disc_radius_px, usable, bin_px)
    disc = inside_disc(frame_shape, disc_center_px, disc_radius_px * spec.radius)
    numbers = number_bins(disc, bin_px)
    spans = _spans(frame_shape, disc_center_px, disc_radius_px, spec)
    return FramePlan(
        frame_shape=frame_shape,
        disc_center_px=disc_center_px,
        disc_radius_px=disc_radius_px,
        usable=usable,
        saturation=saturation,
        projection=projection,
        bin_px=bin_px,
        spans=spans,
        bands=_bands(disc, numbers, bin_px),
        bin_numbers=numbers,
    )


def _check(shape: tuple[int, int], center: tuple[float, float], radius: float, saturation: float | None) -> None:
    if min(shape) < 1 or max(shape) > np.iinfo(np.uint16).max:
        raise CalibrationError(f"frames of {shape} pixels cannot be measured")
    if not (math.isfinite(radius) and radius > 0 and all(map(math.isfinite, center))):
        raise CalibrationError(f"a disc of radius {radius} px at {center} makes no sense")
    if saturation is not None and not saturation > 0:
        raise CalibrationError(f"a saturation value of {saturation} leaves no valid pixel")


def _spans(shape: tuple[int, int], center: tuple[float, float], radius: float, spec: BasisSpec) -> NDArray[np.int32]:
    bright = _row_ranges(inside_disc(shape, center, radius))
    inner = _row_ranges(inside_disc(shape, center, radius * DARK_FIELD_RADII[0]))
    outer = _row_ranges(inside_disc(shape, center, radius * DARK_FIELD_RADII[1]))
    basis = _row_ranges(inside_disc(shape, center, radius * spec.radius))
    hollow = inner[:, 0] < inner[:, 1]
    inner = np.where(hollow[:, None], inner, outer[:, :1])
    columns = (bright[:, 0], bright[:, 1], outer[:, 0], inner[:, 0], inner[:, 1], outer[:, 1], basis[:, 0], basis[:, 1])
    return np.ascontiguousarray(np.stack(columns, axis=1), np.int32)


def _row_ranges(region: BoolArray) -> NDArray[np.intp]:
    """First and last + 1 column of each row of a region without gaps [ky, 2]; (0, 0) for an empty row."""
    begin = region.argmax(axis=1)
    end = np.where(region.any(axis=1), region.shape[1] - region[:, ::-1].argmax(axis=1), 0)
    return np.stack((begin, end), axis=1)


def _bands(disc: BoolArray, numbers: NDArray[np.int32], bin_px: int) -> NDArray[np.int32]:
    rows = np.flatnonzero(disc.any(axis=1))
    corner = int(np.flatnonzero(disc.any(axis=0))[0])
    bands = []
    for first in range(int(rows[0]), int(rows[-1]) + 1, bin_px):
        last = min(first + bin_px, int(rows[-1]) + 1)
        band = numbers[first:last]
        columns = np.flatnonzero((band >= 0).any(axis=0))
        begin = corner + (int(columns[0]) - corner) // bin_px * bin_px
        lowest, highest = int(band[band >= 0].min()), int(band.max())
        bands.append((first, last, begin, highest - lowest + 1, lowest))
    return np.asarray(bands, np.int32)
