"""Least-squares fit of a round or elliptic disc with a soft edge to a pattern."""

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
LIT = 0.25  # of the plateau
SHARPEST_EDGE = 0.3  # cells; what is sharper looks the same
LARGEST_STRETCH = 0.4
LARGEST_LOG_ERROR = 10.0  # of the edge's width: it is not told by the pattern
ROUNDS = 3
STEPS = 40
TOLERANCE = 1e-5
ROUND, ELLIPTIC = 6, 8  # numbers that are fitted

# [n] values of cells, or [8] center_y, center_x, radius, log edge, plateau, background, stretch along x, along x = y
Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SoftDisc:
    """plateau * erfc((r - R) / edge) / 2 + background, in units of cells, at angle phi = atan2(y, x) from the centre.

    R = radius * (1 + stretch[0] cos 2 phi + stretch[1] sin 2 phi), an ellipse to first order of the stretch.
    """

    center: tuple[float, float]
    radius: float
    edge: float
    plateau: float
    background: float
    stretch: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class FittedDisc:
    """A fit and the standard errors of its numbers; that of the edge is the factor by which it is uncertain."""

    disc: SoftDisc
    errors: SoftDisc


@dataclass(frozen=True, slots=True)
class _Seen:
    """Cells [n] that take part in the fit."""

    cy: Vector
    cx: Vector
    values: Vector  # over the guessed plateau
    weights: Vector


def fit_soft_disc(cells: Cells, guess: SoftDisc) -> SoftDisc:
    """The round soft disc nearest to `cells`, starting at `guess`; noise is taken to grow like counting noise.

    What lies far from the fit is left out of the next round, so single bad pixels have no say.
    """
    return _as_disc(_by_rounds(_near(cells, guess), guess, ROUND)[0], guess.plateau)


def fit_with_errors(cells: Cells, guess: SoftDisc, numbers: int) -> FittedDisc:
    """The same with the standard errors; `numbers` is ROUND or ELLIPTIC."""
    seen = _near(cells, guess)
    fit, sigma, good = _by_rounds(seen, guess, numbers)
    # By the lit cells: in the dark, where counts are rare, most residuals are far smaller than their spread.
    sigma = sigma * _spread(((seen.values - _soft(fit, seen)) / sigma)[good & (_soft(fit, seen) > LIT)])
    slopes = _misfit_slopes(fit[:numbers], seen, np.where(good, 1 / sigma, 0.0))
    errors = _with_all(np.sqrt(np.maximum(np.diag(np.linalg.pinv(slopes.T @ slopes)), 0.0)))
    errors[3] = min(errors[3], LARGEST_LOG_ERROR)
    return FittedDisc(_as_disc(fit, guess.plateau), _as_disc(errors, guess.plateau))


def _by_rounds(seen: _Seen, guess: SoftDisc, numbers: int) -> tuple[Vector, Vector, NDArray[np.bool_]]:
    """The fit, and what it took for the cells' standard deviations and for good cells [n]."""
    fit: Vector = np.array([*guess.center, guess.radius, np.log(guess.edge), 1.0, 0.0, *guess.stretch])
    good = np.ones(seen.values.size, np.bool_)
    sigma = good.astype(np.float64)
    for turn in range(ROUNDS):
        sigma = np.sqrt(np.maximum(_soft(fit, seen), SMALLEST_EXPECTED) / seen.weights)
        sigma *= _spread(((seen.values - _soft(fit, seen)) / sigma)[good])
        fit = _fitted(fit, seen, np.where(good, 1 / sigma, 0.0), guess.radius, numbers, robust=turn == 0)
        residuals = (seen.values - _soft(fit, seen)) / sigma
        good = np.abs(residuals) < OUTLIER * _spread(residuals)
    return fit, sigma, good


def _as_disc(numbers: Vector, plateau: float) -> SoftDisc:
    cy, cx, radius, log_edge, height, background, along_x, along_diagonal = numbers.tolist()
    stretch = (along_x, along_diagonal)
    return SoftDisc((cy, cx), radius, math.exp(log_edge), height * plateau, background * plateau, stretch)


def _near(cells: Cells, guess: SoftDisc) -> _Seen:
    grid = np.indices(cells.means.shape).astype(np.float64)
    cy, cx = grid[0], grid[1]
    near = np.hypot(cy - guess.center[0], cx - guess.center[1]) < WINDOW * guess.radius + 3
    near &= cells.weights > 0
    return _Seen(cy[near], cx[near], cells.means[near] / guess.plateau, cells.weights[near])


def _fitted(fit: Vector, seen: _Seen, inverse_sigma: Vector, radius: float, numbers: int, robust: bool) -> Vector:
    low, high = np.full(numbers, -np.inf), np.full(numbers, np.inf)
    low[3], high[3] = math.log(SHARPEST_EDGE), math.log(max(radius, 1.0)) + 1
    low[ROUND:], high[ROUND:] = -LARGEST_STRETCH, LARGEST_STRETCH
    result = least_squares(
        _misfit,
        np.clip(fit[:numbers], low + 1e-9, high - 1e-9),
        jac=_misfit_slopes,
        args=(seen, inverse_sigma),
        bounds=(low, high),
        loss="soft_l1" if robust else "linear",
        x_scale=np.array([1.0, 1.0, 1.0, 0.5, 0.1, 0.1, 0.05, 0.05])[:numbers],
        xtol=TOLERANCE,
        ftol=TOLERANCE,
        max_nfev=STEPS,
    )
    return _with_all(result.x)


def _with_all(numbers: Vector) -> Vector:
    return np.concatenate([numbers, np.zeros(ELLIPTIC - numbers.size)])


def _misfit(fit: Vector, seen: _Seen, inverse_sigma: Vector) -> Vector:
    return np.asarray((_soft(fit, seen) - seen.values) * inverse_sigma)


def _misfit_slopes(fit: Vector, seen: _Seen, inverse_sigma: Vector) -> NDArray[np.float64]:
    return np.asarray(_slopes(fit, seen)[:, : fit.size] * inverse_sigma[:, None])


def _soft(fit: Vector, seen: _Seen) -> Vector:
    r, radius, _, _ = _polar(fit, seen)
    return np.asarray(fit[4] * erfc((r - radius) / np.exp(fit[3])) / 2 + fit[5])


def _polar(fit: Vector, seen: _Seen) -> tuple[Vector, Vector, Vector, Vector]:
    """Distance from the centre, the edge's distance there, cosine and sine of twice the angle."""
    dy, dx = seen.cy - fit[0], seen.cx - fit[1]
    r = np.maximum(np.hypot(dy, dx), 1e-9)
    cosine, sine = (dx**2 - dy**2) / r**2, 2 * dx * dy / r**2
    along_x, along_diagonal = _with_all(fit)[ROUND:]
    return r, fit[2] * (1 + along_x * cosine + along_diagonal * sine), cosine, sine


def _slopes(fit: Vector, seen: _Seen) -> NDArray[np.float64]:
    """Derivatives of `_soft` by its eight parameters [n, 8]; the edge's angle is taken not to move with the centre."""
    dy, dx = seen.cy - fit[0], seen.cx - fit[1]
    r, radius, cosine, sine = _polar(fit, seen)
    edge = np.exp(fit[3])
    u = (r - radius) / edge
    bell = fit[4] * np.exp(-np.minimum(u**2, 700.0)) / np.sqrt(np.pi)
    by_edge = bell / edge
    columns = (
        by_edge * dy / r, by_edge * dx / r, by_edge * radius / fit[2], bell * u, erfc(u) / 2, np.ones(r.size),
        by_edge * fit[2] * cosine, by_edge * fit[2] * sine,
    )  # fmt: skip
    return np.stack(columns, axis=1)


def _spread(residuals: Vector) -> float:
    """Standard deviation from the 68 % quantile of |residual|: blind to outliers, sound for few counts."""
    return max(float(np.quantile(np.abs(residuals), 0.683)), 1e-6) if residuals.size else 1.0
