"""The area of a virtual detector, and the pixels in it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from stream_rrvae.messages import BoolArray

DIGITS = 9  # of angles


@dataclass(frozen=True, slots=True)
class DetectorArea:
    """From `inner_px` to `outer_px` from the centre (ky, kx), and of a segment what lies around `angle_rad`.

    The angle is atan2(ky, kx) on the detector; `width_rad` is the whole opening, 2 pi = no segment. Segments beside
    each other share no pixel.
    """

    center_px: tuple[float, float]
    inner_px: float
    outer_px: float
    angle_rad: float = 0.0
    width_rad: float = math.tau

    def mask(self, frame_shape: tuple[int, int]) -> BoolArray:
        """Which pixels [ky, kx] count, by where their centres lie."""
        ky, kx = np.indices(frame_shape, np.float64)
        ky, kx = ky - self.center_px[0], kx - self.center_px[1]
        distance = np.hypot(ky, kx)
        inside = (distance >= self.inner_px) & (distance < self.outer_px)
        if self.width_rad < math.tau:
            # From its first side on, rounded: a pixel on the line between two segments is in one of them.
            turned = np.arctan2(ky, kx) - (self.angle_rad - self.width_rad / 2)
            turned = np.remainder(np.round(np.remainder(turned, math.tau), DIGITS), round(math.tau, DIGITS))
            inside &= turned < round(self.width_rad, DIGITS)
            inside &= distance > 0
        return inside

    @property
    def size_px(self) -> float:
        """Its area."""
        return self.width_rad / 2 * (self.outer_px**2 - self.inner_px**2)
