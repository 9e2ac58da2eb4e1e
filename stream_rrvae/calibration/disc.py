"""Where the bright disc lies on the detector, from a mean pattern."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.errors import CalibrationError
from stream_rrvae.messages import BoolArray


@dataclass(frozen=True, slots=True)
class Disc:
    """The bright-field disc."""

    center_px: tuple[float, float]  # (ky, kx)
    radius_px: float


def find_disc(mean_pattern: NDArray[Any], usable: BoolArray | None = None) -> Disc:
    """The disc in `mean_pattern` [ky, kx], on the pixels where `usable`. Raises CalibrationError when there is none."""
    pattern = np.asarray(mean_pattern, np.float64)
    good = np.isfinite(pattern) if usable is None else np.isfinite(pattern) & usable
    if not good.any() or not pattern[good].max() > 0:
        raise CalibrationError("there is no bright disc: the mean pattern is empty")
    values = np.where(good, pattern, 0.0)
    plateau = np.median(values[values > 0.5 * np.quantile(values[good], 0.98)])
    ky, kx = np.nonzero(values > 0.5 * plateau)
    return Disc((float(ky.mean()), float(kx.mean())), float(np.sqrt(ky.size / np.pi)))
