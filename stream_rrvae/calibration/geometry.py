"""How the detector sees the scan, and how many mrad a pixel is: the one place of the sign convention.

In words: turn the detector's picture back by `detector_rotation_rad`, then, if `detector_flip`, mirror it in
y; vectors read off the result point the way they point in the scan image. The COM points where the beam
electrons are drawn: towards a positive charge (an atom's nucleus). The electric field of that charge points
away from it and the electron is negative, so the shift is along -E.

In formulas, for v = (x, y): v_detector = R(+rotation) F v_scan and v_scan = F R(-rotation) v_detector, with
R(a) = [[cos a, -sin a], [sin a, cos a]] and F = diag(1, -1) if flipped, else 1.
"""

from __future__ import annotations

import math
from dataclasses import replace

from stream_rrvae.calibration.disc import Disc
from stream_rrvae.messages import Calibration, Float32Array


def to_scan_axes(y: Float32Array, x: Float32Array, calibration: Calibration) -> tuple[Float32Array, Float32Array]:
    """Vectors (y, x) of any shape from detector axes to scan axes; a rotation not known counts as 0."""
    turned_y, turned_x = _turn(y, x, -(calibration.detector_rotation_rad or 0.0))
    return (-turned_y if calibration.detector_flip else turned_y), turned_x


def to_detector_axes(y: Float32Array, x: Float32Array, calibration: Calibration) -> tuple[Float32Array, Float32Array]:
    """Vectors (y, x) of any shape from scan axes to detector axes; undoes `to_scan_axes`."""
    return _turn(-y if calibration.detector_flip else y, x, calibration.detector_rotation_rad or 0.0)


def settle(calibration: Calibration, disc: Disc) -> Calibration:
    """`calibration` with the disc that was found, and the third of semi-angle, scale and radius where two are known.

    A scale that is given stays; else mrad_per_px = semiangle_mrad / radius_px, or None where neither is known.
    """
    scale, semiangle = calibration.mrad_per_px, calibration.semiangle_mrad
    if scale is None and semiangle is not None:
        scale = semiangle / disc.radius_px
    elif semiangle is None and scale is not None:
        semiangle = scale * disc.radius_px
    return replace(
        calibration,
        mrad_per_px=scale,
        semiangle_mrad=semiangle,
        beam_center_px=disc.center_px,
        disc_radius_px=disc.radius_px,
    )


def _turn(y: Float32Array, x: Float32Array, angle_rad: float) -> tuple[Float32Array, Float32Array]:
    cosine, sine = math.cos(angle_rad), math.sin(angle_rad)
    return sine * x + cosine * y, cosine * x - sine * y
