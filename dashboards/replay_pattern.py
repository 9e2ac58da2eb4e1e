"""The diffraction pattern of a position of a recording, as columns for its figure."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dashboards.live_columns import Columns
from dashboards.numbers_text import UNKNOWN, scale_end, with_unit
from dashboards.placement import Placement, beam_centre_px, pattern_placement, pattern_scale
from dashboards.quantise import Limits, binned, log_limits, quantise_log
from dashboards.recorded_run import Run
from dashboards.replay_view import box_columns
from dashboards.view_frame import EMPTY
from stream_rrvae.messages import Calibration, Float32Array

_NOWHERE = math.nan
_MARKS = ("com_x", "com_y", "beam_x", "beam_y", "beam_r")
UNIT_BOX = Placement(0, 0, 1, 1, "px")


@dataclass(frozen=True, slots=True)
class ShownPattern:
    """The pattern of scan position (y, x), summed in squares of `binning` px; without `values`, `problem` says why."""

    position: tuple[int, int]
    values: Float32Array | None = None
    binning: int = 1
    problem: str = ""

    def box(self, run: Run) -> Placement:
        """Where it lies in its figure."""
        if self.values is None:
            return UNIT_BOX
        return pattern_placement(_shape(self.values), binned_calibration(run.calibration, self.binning))

    def columns(self, run: Run) -> Columns:
        """The image, the beam's disc and the COM."""
        if self.values is None:
            return empty_pattern(self.problem, self.position)
        shown, calibration = binned(self.values), binned_calibration(run.calibration, self.binning)
        limits = log_limits(shown)
        told = {
            "has_pattern": True, "problem": "", "position": list(self.position), "pattern": _log_bar(limits),
            "com": _com_text(run, self.position),
        }  # fmt: skip
        image = {"pattern": [quantise_log(shown, limits)], **box_columns("pattern", self.box(run))}
        return {**image, **_marks(self.values, calibration), "labels": [json.dumps(told)]}


def empty_pattern(problem: str = "", position: tuple[int, int] | None = None) -> Columns:
    """Columns without a pattern."""
    told = {"has_pattern": False, "problem": problem, "position": list(position or ())}
    marks = {name: [_NOWHERE] for name in _MARKS}
    return {"pattern": [EMPTY], **box_columns("pattern", UNIT_BOX), **marks, "labels": [json.dumps(told)]}


def binned_calibration(calibration: Calibration, side: int) -> Calibration:
    """In the pixels of a pattern whose squares of `side` px were summed."""
    centre, radius, scale = calibration.beam_center_px, calibration.disc_radius_px, calibration.mrad_per_px
    return replace(
        calibration,
        beam_center_px=None if centre is None else ((centre[0] + 0.5) / side - 0.5, (centre[1] + 0.5) / side - 0.5),
        disc_radius_px=None if radius is None else radius / side,
        mrad_per_px=None if scale is None else scale * side,
    )


def _marks(pattern: Float32Array, calibration: Calibration) -> Columns:
    marks = {name: [_NOWHERE] for name in _MARKS}
    scale, _ = pattern_scale(calibration)
    centre = beam_centre_px(_shape(pattern), calibration)
    counts = np.where(np.isfinite(pattern), pattern, 0.0).astype(np.float64)
    total = float(counts.sum())
    if total > 0:
        ky = float(counts.sum(axis=1) @ np.arange(counts.shape[0])) / total
        kx = float(counts.sum(axis=0) @ np.arange(counts.shape[1])) / total
        marks |= {"com_y": [(ky - centre[0]) * scale], "com_x": [(kx - centre[1]) * scale]}
    if calibration.disc_radius_px is not None and calibration.beam_center_px is not None:
        marks |= {"beam_x": [0.0], "beam_y": [0.0], "beam_r": [calibration.disc_radius_px * scale]}
    return marks


def _com_text(run: Run, position: tuple[int, int]) -> str:
    magnitude, direction = (run.maps.get(name) for name in ("com_magnitude", "com_direction"))
    if magnitude is None or direction is None:
        return UNKNOWN
    length = with_unit(float(magnitude[position]), run.units.get("com_magnitude", ""), 2)
    angle = with_unit(math.degrees(float(direction[position])), "°")
    return f"{length} ∠ {angle}" if UNKNOWN not in (length, angle) else UNKNOWN


def _log_bar(limits: Limits) -> dict[str, Any]:
    middle = (limits.low + limits.high) / 2
    low_text, mid_text, high_text = (scale_end(float(f"{10**x:.1e}")) for x in (limits.low, middle, limits.high))
    texts = {"low_text": low_text, "mid_text": mid_text, "high_text": high_text}
    return {"low": 10**limits.low, "high": 10**limits.high, "unit": "counts", "log": True, **texts}


def _shape(pattern: Float32Array) -> tuple[int, int]:
    return pattern.shape[0], pattern.shape[1]
