"""Centre, radius and ellipticity of the bright disc, with what they are uncertain by, from a mean pattern."""

from __future__ import annotations

import math
from typing import Any

from numpy.typing import NDArray

from stream_rrvae.calibration.cells import Cells
from stream_rrvae.calibration.disc import look_for_disc
from stream_rrvae.calibration.edge_fit import ELLIPTIC, ROUND, FittedDisc, fit_with_errors
from stream_rrvae.found import PatternFound
from stream_rrvae.messages import BoolArray

SIGNIFICANT = 4.0  # standard errors: below it the disc is taken to be round
LEAST_STRETCH = 0.003  # (largest - smallest radius) / sum; what a fit to square pixels makes of a round disc


def fit_pattern(mean_pattern: NDArray[Any], usable: BoolArray | None = None, frames: int = 0) -> PatternFound:
    """The disc in `mean_pattern` [ky, kx], the mean of `frames`, where `usable`; it may be cut by the edge.

    An ellipse is fitted, and kept only where it is told from a circle: what it costs in certainty of the centre is
    not paid for nothing. Raises CalibrationError when there is no disc.
    """
    seen = look_for_disc(mean_pattern, usable)
    ellipse = fit_with_errors(seen.cells, seen.fit, ELLIPTIC)
    if _is_elliptic(ellipse):
        return _as_found(ellipse, seen.cells, ellipse, frames)
    return _as_found(fit_with_errors(seen.cells, seen.fit, ROUND), seen.cells, ellipse, frames)


def _is_elliptic(fit: FittedDisc) -> bool:
    stretch = math.hypot(*fit.disc.stretch)
    return stretch > max(LEAST_STRETCH, SIGNIFICANT * math.hypot(*fit.errors.stretch) / math.sqrt(2))


def _as_found(fit: FittedDisc, cells: Cells, ellipse: FittedDisc, frames: int) -> PatternFound:
    disc, errors, size_px = fit.disc, fit.errors, cells.size_px
    along_x, along_diagonal = disc.stretch
    stretch = math.hypot(along_x, along_diagonal)
    return PatternFound(
        center_px=(cells.to_px(disc.center[0]), cells.to_px(disc.center[1])),
        center_error_px=(errors.center[0] * size_px, errors.center[1] * size_px),
        radius_px=disc.radius * size_px,
        radius_error_px=errors.radius * size_px,
        axis_ratio=(1 + stretch) / (1 - stretch),
        axis_ratio_error=2 * math.hypot(*ellipse.errors.stretch) / math.sqrt(2),
        long_axis_rad=math.atan2(along_diagonal, along_x) / 2,
        frames=frames,
    )
