"""Where images lie in a figure's coordinates, which are nm or mrad where the scale is known."""

from __future__ import annotations

import math
from dataclasses import dataclass

from stream_rrvae.messages import Calibration

PIXELS = "px"


@dataclass(frozen=True, slots=True)
class Placement:
    """An image's box, row 0 at the small y; `unit` is that of the coordinates."""

    x: float
    y: float
    width: float
    height: float
    unit: str

    def square(self) -> tuple[float, float, float, float]:
        """x start, x end, y start, y end of the square around the box; y runs downwards."""
        half = max(self.width, self.height, 1e-12) / 2
        middle_x, middle_y = self.x + self.width / 2, self.y + self.height / 2
        return middle_x - half, middle_x + half, middle_y + half, middle_y - half


def scan_placement(scan_shape: tuple[int, int], calibration: Calibration) -> Placement:
    """The scan in nm from its first corner, or in px."""
    step_y, step_x = calibration.scan_step_nm or (math.nan, math.nan)
    known = _usable(step_y) and _usable(step_x)
    if not known:
        step_y = step_x = 1.0
    rows, columns = scan_shape
    return Placement(0.0, 0.0, (columns or 1) * step_x, (rows or 1) * step_y, "nm" if known else PIXELS)


def scan_point(placement: Placement, scan_shape: tuple[int, int], position: tuple[int, int]) -> tuple[float, float]:
    """x, y of the middle of a scan position (y, x)."""
    (row, column), (rows, columns) = position, scan_shape
    return (column + 0.5) * placement.width / columns, (row + 0.5) * placement.height / rows


def pattern_placement(frame_shape: tuple[int, int], calibration: Calibration) -> Placement:
    """The pattern in mrad from the beam centre (the middle of the frame if unknown), or in px."""
    scale, unit = pattern_scale(calibration)
    centre_y, centre_x = beam_centre_px(frame_shape, calibration)
    rows, columns = frame_shape
    return Placement((-0.5 - centre_x) * scale, (-0.5 - centre_y) * scale, columns * scale, rows * scale, unit)


def pattern_scale(calibration: Calibration) -> tuple[float, str]:
    """Coordinate units per pixel, and the unit."""
    scale = calibration.mrad_per_px
    return (scale, "mrad") if scale is not None and _usable(scale) else (1.0, PIXELS)


def beam_centre_px(frame_shape: tuple[int, int], calibration: Calibration) -> tuple[float, float]:
    """(ky, kx) of the beam, or of the frame's middle where nobody knows."""
    centre = calibration.beam_center_px
    if centre is not None and all(math.isfinite(value) for value in centre):
        return centre
    return (frame_shape[0] - 1) / 2, (frame_shape[1] - 1) / 2


def _usable(length: float) -> bool:
    return math.isfinite(length) and length > 0
