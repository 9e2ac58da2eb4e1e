"""Centre, radius and ellipticity of the bright disc, with what they are uncertain by, from a mean pattern."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.calibration.cells import Cells, in_cells
from stream_rrvae.calibration.disc import Seen, look_for_disc
from stream_rrvae.calibration.edge_fit import ELLIPTIC, ROUND, FittedDisc, SoftDisc, fit_with_errors
from stream_rrvae.found import PatternFound
from stream_rrvae.messages import BoolArray

SIGNIFICANT = 4.0  # standard errors: below it the disc is taken to be round
FINE_CELLS = 60.0  # cells a radius: an edge seen in coarser ones is not what the fit takes it for
LEAST_STRETCH = 0.003  # (largest - smallest radius) / sum; what a fit to square pixels makes of a round disc


def fit_pattern(mean_pattern: NDArray[Any], usable: BoolArray | None = None, frames: int = 0) -> PatternFound:
    """The disc in `mean_pattern` [ky, kx], the mean of `frames`, where `usable`; it may be cut by the edge.

    An ellipse is fitted, and kept only where it is told from a circle: what it costs in certainty of the centre is
    not paid for nothing. Raises CalibrationError when there is no disc.
    """
    seen = look_for_disc(mean_pattern, usable)
    size_px = max(1, min(seen.cells.size_px, round(seen.disc.radius_px / FINE_CELLS)))
    cells = in_cells(np.asarray(mean_pattern, np.float64), seen.good, size_px)
    start = _in_other_cells(seen, cells)
    circle = fit_with_errors(cells, start, ROUND)
    if _may_be_elliptic(circle):
        ellipse = fit_with_errors(cells, start, ELLIPTIC)
        return _as_found(ellipse if _is_elliptic(ellipse) else circle, cells, ellipse, frames)
    return _as_found(circle, cells, circle, frames)


def _in_other_cells(seen: Seen, cells: Cells) -> SoftDisc:
    (ky, kx), ratio = seen.disc.center_px, seen.cells.size_px / cells.size_px
    center = cells.to_cells(ky), cells.to_cells(kx)
    return replace(seen.fit, center=center, radius=seen.fit.radius * ratio, edge=seen.fit.edge * ratio)


def _may_be_elliptic(circle: FittedDisc) -> bool:
    """Whether the second fit is worth its time."""
    least = max(LEAST_STRETCH, SIGNIFICANT * math.hypot(*circle.errors.stretch) / math.sqrt(2))
    return math.hypot(*circle.leaning) > least / 2


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
