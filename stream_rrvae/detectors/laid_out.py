"""The virtual detectors of settings on the frames of one scan, relative to its fitted disc."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from stream_rrvae.detector_settings import QUADRANTS, DetectorSettings
from stream_rrvae.detectors.area import DetectorArea
from stream_rrvae.detectors.mask_file import read_mask
from stream_rrvae.errors import ConfigError
from stream_rrvae.messages import BoolArray, Plain

DETECTORS, LEFT_OUT = "detectors", "detectors_left_out"  # in a scan store's `features_info`
WHOLE = 0.995  # of its area; less of it on the frames is worth a word


@dataclass(frozen=True, slots=True)
class OnFrames:
    """What detectors are laid out on."""

    frame_shape: tuple[int, int]  # (ky, kx)
    usable: BoolArray  # [ky, kx]
    center_px: tuple[float, float]  # (ky, kx) of the disc
    radius_px: float
    mrad_per_px: float | None


@dataclass(frozen=True, slots=True, eq=False)
class LaidOut:
    """Masks of what is counted, in order, and what they are."""

    masks: BoolArray  # [K, ky, kx]
    told: list[dict[str, Plain]] = field(default_factory=list)  # for each detector, as a scan store keeps it
    left_out: dict[str, str] = field(default_factory=dict)  # by map, why this scan has none

    @property
    def info(self) -> dict[str, Any]:
        """Both as entries of a scan store's `features_info`."""
        said = {DETECTORS: self.told, LEFT_OUT: self.left_out}
        return {name: value for name, value in said.items() if value}


def check_detectors(detectors: Sequence[DetectorSettings]) -> None:
    """Raises ConfigError now, and not with the first scan, where the file of a mask is not to be used."""
    for each in detectors:
        if each.file is not None:
            read_mask(each.file)


def lay_out(detectors: Sequence[DetectorSettings], frames: OnFrames) -> LaidOut:
    """Those of `detectors` that the scan can have. Never raises: one that it cannot have costs no scan."""
    masks: list[BoolArray] = []
    laid_out = LaidOut(np.zeros((0, *frames.frame_shape), np.bool_))
    for each in detectors:
        try:
            found, told = _one(each, frames)
        except (ConfigError, ValueError) as error:
            laid_out.left_out.update(dict.fromkeys(each.map_names, str(error)))
            continue
        told["first"] = len(masks)
        masks += found
        laid_out.told.append(told)
    if masks:
        return LaidOut(np.stack(masks), laid_out.told, laid_out.left_out)
    return laid_out


def _one(detector: DetectorSettings, frames: OnFrames) -> tuple[list[BoolArray], dict[str, Plain]]:
    """Its masks and what to tell of it. Raises ConfigError, ValueError."""
    told: dict[str, Plain] = {"name": detector.name, "shape": detector.shape, "channels": list(detector.channels)}
    if detector.file is not None:
        mask = read_mask(detector.file)
        if mask.shape != frames.frame_shape:
            raise ValueError(f"its mask is of {mask.shape} pixels, the frames are of {frames.frame_shape}")
        masks = [mask]
        told |= {"file": str(detector.file), "covered": 1.0}
    else:
        areas = areas_of(detector, frames)
        masks = [area.mask(frames.frame_shape) for area in areas]
        told |= {
            "inner_px": areas[0].inner_px, "outer_px": areas[0].outer_px, "center_px": list(frames.center_px),
            "angles_rad": [area.angle_rad for area in areas], "width_rad": areas[0].width_rad,
            "covered": _covered(areas, frames),
        }  # fmt: skip
    masks = [mask & frames.usable for mask in masks]
    if not all(mask.any() for mask in masks):
        raise ValueError("no usable pixel of these frames lies in it")
    return masks, told


def areas_of(detector: DetectorSettings, frames: OnFrames) -> list[DetectorArea]:
    """Where its channels lie. Raises ValueError where its unit means nothing on these frames."""
    assert detector.outer is not None
    scale = {"semi_angle": frames.radius_px, "px": 1.0}.get(detector.unit)
    if scale is None:
        if not frames.mrad_per_px:
            raise ValueError("it is given in mrad, and how many a pixel is is not known")
        scale = 1.0 / frames.mrad_per_px
    inner, outer, angle = detector.inner * scale, detector.outer * scale, math.radians(detector.angle_deg)
    if detector.shape == "annulus":
        return [DetectorArea(frames.center_px, inner, outer)]
    if detector.shape == "segment":
        return [DetectorArea(frames.center_px, inner, outer, angle, math.radians(detector.width_deg))]
    quarter = math.tau / QUADRANTS
    return [
        DetectorArea(frames.center_px, inner, outer, math.remainder(angle + quarter * number, math.tau), quarter)
        for number in range(QUADRANTS)
    ]


def _covered(areas: Sequence[DetectorArea], frames: OnFrames) -> float:
    """The part of the detector's area that the frames have, its least covered channel's."""
    height, width = frames.frame_shape
    reach = math.ceil(areas[0].outer_px) + 1
    if reach > 4 * max(height, width):
        return 0.0
    ky, kx = (math.floor(at) for at in frames.center_px)
    around = (2 * reach + 1, 2 * reach + 1)
    shares = []
    for area in areas:
        middle = (frames.center_px[0] - ky + reach, frames.center_px[1] - kx + reach)
        whole = DetectorArea(middle, area.inner_px, area.outer_px, area.angle_rad, area.width_rad).mask(around)
        shares.append(int(area.mask(frames.frame_shape).sum()) / max(1, int(whole.sum())))
    return min(shares)
