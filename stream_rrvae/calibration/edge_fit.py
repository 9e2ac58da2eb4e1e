"""Least-squares fit of a round or elliptic disc with a soft edge to a pattern."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfc

from stream_rrvae.calibration.cells import Cells
from stream_rrvae.calibration.damped_fit import damped_fit

WINDOW = 1.5  # radii around the first guess; further out diffracted discs may lie
OUTLIER = 6.0  # standard deviations: dead, hot and stuck pixels
SMALLEST_EXPECTED = 0.02  # of the plateau, so that the dark surroundings do not weigh without bound
LIT = 0.25  # of the plateau
SHARPEST_EDGE = 0.3  # cells; what is sharper looks the same
LARGEST_STRETCH = 0.4
LARGEST_LOG_ERROR = 10.0  # of the edge's width: it is not told by the pattern
ROUNDS = 3
STEPS = 40
TOLERANCE, ROUGH = 1e-5, 1e-3  # of the last round, and of those before, which only tell what is an outlier
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
    """A fit and the standard errors of its numbers; that of the edge is the factor by which it is uncertain.

    Of a round fit, `errors.stretch` is what that of an ellipse would be, `leaning` what its stretch would be, by one
    step towards it that outliers have some say in: the edge of an ellipse is many of them.
    """

    disc: SoftDisc
    errors: SoftDisc
    leaning: tuple[float, float]


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
    expected, slopes = _soft_with_slopes(fit, seen)
    # By the lit cells: in the dark, where counts are rare, most residuals are far smaller than their spread.
    sigma = sigma * _spread(((seen.values - expected) / sigma)[good & (expected > LIT)])
    residuals = (expected - seen.values) / sigma
    leaning = _leaning(fit, residuals, slopes / sigma)
    slopes *= np.where(good, 1 / sigma, 0.0)
    spreads = _inverse(slopes @ slopes.T)
    errors = np.sqrt(np.maximum(np.diag(spreads), 0.0))
    errors[:numbers] = np.sqrt(np.maximum(np.diag(_inverse(slopes[:numbers] @ slopes[:numbers].T)), 0.0))
    errors[3] = min(errors[3], LARGEST_LOG_ERROR)
    return FittedDisc(_as_disc(fit, guess.plateau), _as_disc(errors, guess.plateau), leaning)


def _leaning(fit: Vector, residuals: Vector, slopes: NDArray[np.float64]) -> tuple[float, float]:
    weighted = slopes / np.sqrt(1 + residuals**2)  # as in the first round, with no cell left out
    along_x, along_diagonal = (fit - _inverse(weighted @ slopes.T) @ (weighted @ residuals))[ROUND:].tolist()
    return along_x, along_diagonal


def _inverse(products: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.pinv(products), np.float64)


def _by_rounds(seen: _Seen, guess: SoftDisc, numbers: int) -> tuple[Vector, Vector, NDArray[np.bool_]]:
    """The fit, and what it took for the cells' standard deviations and for good cells [n]."""
    fit: Vector = np.array([*guess.center, guess.radius, np.log(guess.edge), 1.0, 0.0, *guess.stretch])
    good = np.ones(seen.values.size, np.bool_)
    sigma = good.astype(np.float64)
    for turn in range(ROUNDS):
        sigma = np.sqrt(np.maximum(_soft(fit, seen), SMALLEST_EXPECTED) / seen.weights)
        sigma *= _spread(((seen.values - _soft(fit, seen)) / sigma)[good])
        fit = _fitted(fit, seen, np.where(good, 1 / sigma, 0.0), guess.radius, numbers, turn)
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


def _fitted(fit: Vector, seen: _Seen, inverse_sigma: Vector, radius: float, numbers: int, turn: int) -> Vector:
    low, high = np.full(numbers, -np.inf), np.full(numbers, np.inf)
    low[3], high[3] = math.log(SHARPEST_EDGE), math.log(max(radius, 1.0)) + 1
    low[ROUND:], high[ROUND:] = -LARGEST_STRETCH, LARGEST_STRETCH

    def model(numbers_now: Vector) -> tuple[Vector, Vector]:
        expected, slopes = _soft_with_slopes(numbers_now, seen)
        return (expected - seen.values) * inverse_sigma, slopes * inverse_sigma

    return _with_all(
        damped_fit(model, fit[:numbers], low, high, TOLERANCE if turn == ROUNDS - 1 else ROUGH, STEPS, turn == 0)
    )


def _with_all(numbers: Vector) -> Vector:
    return np.concatenate([numbers, np.zeros(ELLIPTIC - numbers.size)])


def _soft(fit: Vector, seen: _Seen) -> Vector:
    dy, dx = seen.cy - fit[0], seen.cx - fit[1]
    r = np.maximum(np.sqrt(dy * dy + dx * dx), 1e-9)
    radius = fit[2] * _stretched(fit, *_twice_the_angle(dy, dx, r))
    return np.asarray(fit[4] * erfc((r - radius) / np.exp(fit[3])) / 2 + fit[5])


def _twice_the_angle(dy: Vector, dx: Vector, r: Vector) -> tuple[Vector, Vector]:
    """Cosine and sine of it."""
    over = 1 / r**2
    return (dx - dy) * (dx + dy) * over, 2 * dx * dy * over


def _stretched(fit: Vector, cosine: Vector, sine: Vector) -> Vector:
    """The edge's distance over the radius."""
    along_x, along_diagonal = _with_all(fit)[ROUND:]
    return np.asarray(1 + along_x * cosine + along_diagonal * sine)


def _soft_with_slopes(fit: Vector, seen: _Seen) -> tuple[Vector, NDArray[np.float64]]:
    """`_soft` and its derivatives by the numbers of `fit` [numbers, n].

    The edge's angle is taken not to move with the centre.
    """
    dy, dx = seen.cy - fit[0], seen.cx - fit[1]
    r = np.maximum(np.sqrt(dy * dy + dx * dx), 1e-9)
    edge, is_round = np.exp(fit[3]), fit.size == ROUND
    cosine, sine = (dx, dy) if is_round else _twice_the_angle(dy, dx, r)
    stretched = np.float64(1.0) if is_round else _stretched(fit, cosine, sine)
    u = (r - fit[2] * stretched) / edge
    slopes = np.empty((fit.size, r.size))
    bell = fit[4] / np.sqrt(np.pi) * np.exp(-np.minimum(u * u, 700.0))
    by_edge = bell / edge
    over_r = by_edge / r
    np.multiply(over_r, dy, out=slopes[0])
    np.multiply(over_r, dx, out=slopes[1])
    np.multiply(by_edge, stretched, out=slopes[2])
    np.multiply(bell, u, out=slopes[3])
    np.multiply(erfc(u), 0.5, out=slopes[4])
    slopes[5] = 1.0
    for row, turned in zip(slopes[ROUND:], (cosine, sine), strict=False):
        np.multiply(by_edge * fit[2], turned, out=row)
    return fit[4] * slopes[4] + fit[5], slopes


def _spread(residuals: Vector) -> float:
    """Standard deviation from the 68 % quantile of |residual|: blind to outliers, sound for few counts."""
    return max(float(np.quantile(np.abs(residuals), 0.683)), 1e-6) if residuals.size else 1.0
