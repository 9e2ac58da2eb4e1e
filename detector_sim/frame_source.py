"""What every way of computing diffraction offers to the rest of the simulator."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


class FrameSource(Protocol):
    """Noise-free diffraction patterns at any probe positions."""

    def frames(self, positions_angstrom: Float, shifts_px: Float | None = None) -> NDArray[np.float32]:
        """Part of the beam in every pixel, [n, ky, kx], at positions [n, 2] (y, x) of the scan.

        `shifts_px` [n, 2] (ky, kx) moves whole patterns over the pixels (descan).
        """
        ...
