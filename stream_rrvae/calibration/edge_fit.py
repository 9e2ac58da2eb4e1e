"""Least-squares fit of a disc with a soft edge to a pattern."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.special import erfc

from stream_rrvae.calibration.cells import Cells

WINDOW = 1.5  # radii around the first guess; further out diffracted discs may lie
OUTLIER = 6.0  # standard deviations: dead, hot and stuck pixels
SMALLEST_EXPECTED = 0.02  # of the plateau, so that the dark surroundings do not weigh without bound
SHARPEST_EDGE = 0.3  # cells; what is sharper looks the same
ROUNDS = 3
STEPS = 40
TOLERANCE = 1e-5

Vector = NDArray[np.float64]  # [n] values of cells, or [6] center_y, center_x, radius, log edge, plateau, background


@dataclass(frozen=True, slots=True)
class SoftDisc:
    """plateau * erfc((r - radius) / edge) / 2 + background, in units of cells."""

    center: tuple[float, float]
    radius: float
    edge: float
    plateau: float
    background: float


@dataclass(frozen=True, slots=True)
class _Seen:
    """Cells [n] that take part in the fit."""

    cy: Vector
    cx: Vector
    values: Vector  # over the guessed plateau
    weights: Vector


def fit_soft_disc(cells: Cells, guess: SoftDisc) -> SoftDisc:
    """The soft disc nearest to `cells`, starting at `guess`; noise is taken to grow like counting noise.

    What lies far from the fit is left out of the next round, so single bad pixels have no say.
    """
    seen = _near(cells, guess)
    fit: Vector = np.array([*guess.center, guess.radius, np.log(guess.edge), 1.0, 0.0])
    good = np.ones(seen.values.size, np.bool_)
    for turn in range(ROUNDS):
        sigma = np.sqrt(np.maximum(_soft(fit, seen), SMALLEST_EXPECTED) / seen.weights)
        sigma *= _spread(((seen.values - _soft(fit, seen)) / sigma)[good])
        fit = _fitted(fit, seen, np.where(good, 1 / sigma, 0.0), guess.radius, robust=turn == 0)
        residuals = (seen.values - _soft(fit, seen)) / sigma
        good = np.abs(residuals) < OUTLIER * _spread(residuals)
    cy, cx, radius, log_edge, plateau, background = fit.tolist()
    return SoftDisc((cy, cx), radius, math.exp(log_edge), plateau * guess.plateau, background * guess.plateau)


def _near(cells: Cells, guess: SoftDisc) -> _Seen:
    grid = np.indices(cells.means.shape).astype(np.float64)
    cy, cx = grid[0], grid[1]
    near = np.hypot(cy - guess.center[0], cx - guess.center[1]) < WINDOW * guess.radius + 3
    near &= cells.weights > 0
    return _Seen(cy[near], cx[near], cells.means[near] / guess.plateau, cells.weights[near])


def _fitted(fit: Vector, seen: _Seen, inverse_sigma: Vector, radius: float, robust: bool) -> Vector:
    low, high = np.full(6, -np.inf), np.full(6, np.inf)
    low[3], high[3] = math.log(SHARPEST_EDGE), math.log(max(radius, 1.0)) + 1
    result = least_squares(
        _misfit,
        np.clip(fit, low + 1e-9, high - 1e-9),
        jac=_misfit_slopes,
        args=(seen, inverse_sigma),
        bounds=(low, high),
        loss="soft_l1" if robust else "linear",
        x_scale=np.array([1.0, 1.0, 1.0, 0.5, 0.1, 0.1]),
        xtol=TOLERANCE,
        ftol=TOLERANCE,
        max_nfev=STEPS,
    )
    return np.asarray(result.x)


def _misfit(fit: Vector, seen: _Seen, inverse_sigma: Vector) -> Vector:
    return np.asarray((_soft(fit, seen) - seen.values) * inverse_sigma)


def _misfit_slopes(fit: Vector, seen: _Seen, inverse_sigma: Vector) -> NDArray[np.float64]:
    return np.asarray(_slopes(fit, seen) * inverse_sigma[:, None])


def _soft(fit: Vector, seen: _Seen) -> Vector:
    r = np.hypot(seen.cy - fit[0], seen.cx - fit[1])
    return np.asarray(fit[4] * erfc((r - fit[2]) / np.exp(fit[3])) / 2 + fit[5])


def _slopes(fit: Vector, seen: _Seen) -> NDArray[np.float64]:
    """Derivatives of `_soft` by its six parameters [n, 6]."""
    dy, dx = seen.cy - fit[0], seen.cx - fit[1]
    r = np.maximum(np.hypot(dy, dx), 1e-9)
    edge = np.exp(fit[3])
    u = (r - fit[2]) / edge
    bell = fit[4] * np.exp(-np.minimum(u**2, 700.0)) / np.sqrt(np.pi)
    by_radius = bell / edge
    columns = (by_radius * dy / r, by_radius * dx / r, by_radius, bell * u, erfc(u) / 2, np.ones(r.size))
    return np.stack(columns, axis=1)


def _spread(residuals: Vector) -> float:
    """Standard deviation from the 68 % quantile of |residual|: blind to outliers, sound for few counts."""
    return max(float(np.quantile(np.abs(residuals), 0.683)), 1e-6)
