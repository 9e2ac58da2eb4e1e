"""What a frame is measured with: usable pixels, virtual detectors and the steerable basis, laid out for the kernel."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from stream_rrvae.errors import CalibrationError
from stream_rrvae.kernels.basis import BasisSpec, Projection, inside_disc, project_onto
from stream_rrvae.kernels.detector_masks import DetectorMasks
from stream_rrvae.kernels.layout import Layout, make_layout, make_zones
from stream_rrvae.messages import BoolArray, Float32Array

# Pixels are summed in squares before projecting as long as the disc's radius stays above so many squares:
# there the features of a modulation change by 0.3 % (the highest order by 1 %), and cost 4 to 30 times less.
BINNED_RADIUS = 24.0
LARGEST_SIDE_PX = 65_535  # rows and columns of 16-bit pixels then fit 32-bit sums


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
    detectors: DetectorMasks  # virtual ones beside bright and dark field
    gain: Float32Array | None = None  # [ky, kx] what pixels are multiplied with before they are measured

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
    detectors: bool = True,
    masks: BoolArray | None = None,
    gain: Float32Array | None = None,
) -> FramePlan:
    """The plan for frames of `frame_shape` (ky, kx) whose bright disc lies at `disc_center_px` (ky, kx).

    The disc may be cut by the detector edge. `spec` None = no features, `usable` [ky, kx] None = all pixels,
    `bin_px` None = by the disc radius, `detectors` False = no bright and dark field (NaN), `masks` [K, ky, kx] = the
    pixels of virtual detectors beside them, `gain` [ky, kx] = what a flat field multiplies pixels with. Raises
    CalibrationError when no usable pixel lies in the disc or a number makes no sense.
    """
    shape = (int(frame_shape[0]), int(frame_shape[1]))
    _check(shape, disc_center_px, disc_radius_px, saturation)
    usable = np.ones(shape, np.bool_) if usable is None else np.asarray(usable, np.bool_)
    if usable.shape != shape:
        raise CalibrationError(f"a pixel mask of {usable.shape} does not fit frames of {shape}")
    reach_px = disc_radius_px * (spec.radius if spec else 0.0)
    bin_px = min(bin_px or max(1, int(reach_px / BINNED_RADIUS)), max(shape))
    projection = project_onto(spec, shape, disc_center_px, disc_radius_px, usable, bin_px) if spec else None
    zones = make_zones(shape, disc_center_px, disc_radius_px, reach_px, usable)
    disc = inside_disc(shape, disc_center_px, reach_px)
    layout = make_layout(zones, disc, disc_center_px, bin_px, projection, detectors)
    chosen = DetectorMasks.of(np.zeros((0, *shape), np.bool_) if masks is None else masks, usable)
    if gain is not None and gain.shape != shape:
        raise CalibrationError(f"a flat field of {gain.shape} does not fit frames of {shape}")
    gain = None if gain is None else np.ascontiguousarray(gain, np.float32)
    return FramePlan(shape, disc_center_px, disc_radius_px, usable, saturation, projection, layout, chosen, gain)


def _check(shape: tuple[int, int], center: tuple[float, float], radius: float, saturation: float | None) -> None:
    if min(shape) < 1 or max(shape) > LARGEST_SIDE_PX:
        raise CalibrationError(f"frames of {shape} pixels cannot be measured")
    if not (math.isfinite(radius) and radius > 0 and all(map(math.isfinite, center))):
        raise CalibrationError(f"a disc of radius {radius} px at {center} makes no sense")
    if saturation is not None and not saturation > 0:
        raise CalibrationError(f"a saturation value of {saturation} leaves no valid pixel")
