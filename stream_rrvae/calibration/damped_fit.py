"""Least squares for few numbers and many residuals, within bounds.

Levenberg and Marquardt's method by the normal equations: with eight numbers and 30,000 residuals a step costs one
product of matrices where a general solver takes the residuals apart, which here was most of a fit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DAMPED_FIRST, DAMPED_LEAST, DAMPED_MOST = 1e-3, 1e-9, 1e9
LEAST_TOLD = 1e-100  # sum of squares of slopes: below it nothing is told of a number
EASED, RAISED = 0.1, 10.0  # the damping, behind a step that helped and one that did not

Vector = NDArray[np.float64]
Model = Callable[[Vector], tuple[Vector, Vector]]  # numbers -> residuals [n] and their slopes [numbers, n]


@dataclass(frozen=True, slots=True)
class _Sums:
    """Over the residuals: what is to be least, and its halved first and second derivatives by the numbers."""

    cost: float
    pull: Vector  # [numbers]
    held: NDArray[np.float64]  # [numbers, numbers]


def damped_fit(
    model: Model, start: Vector, low: Vector, high: Vector, tolerance: float, steps: int, robust: bool = False
) -> Vector:
    """The numbers within `low` and `high` where the sum of squares of what `model` gives is least, near `start`.

    `robust`: the sum of 2 (sqrt(1 + residual^2) - 1) instead, on which outliers have less hold. Ends when a step gains
    less than `tolerance` of the sum, or moves less than that of the numbers, or after so many `steps`.
    """
    at = np.clip(start, low, high)
    with np.errstate(over="ignore", invalid="ignore"):  # where a step leads far off; it is not taken then
        here, damped = _sums(model(at), robust), DAMPED_FIRST
        for _ in range(steps):
            free = ~((at <= low) & (here.pull > 0) | (at >= high) & (here.pull < 0))
            aimed = at - _step(here, free, damped)
            tried = np.clip(aimed, low, high)
            there = _sums(model(tried), robust)
            if not (there.cost <= here.cost and np.isfinite(there.held).all()):
                if damped > DAMPED_MOST:
                    break
                damped *= RAISED
                continue
            gained, moved = here.cost - there.cost, np.abs(tried - at)
            at, here, damped = tried, there, max(damped * EASED, DAMPED_LEAST)
            has_ended = gained <= tolerance * here.cost or (moved <= tolerance * (tolerance + np.abs(at))).all()
            if has_ended and (aimed == tried).all():  # what a bound cut short tells nothing
                break
    return at


def _sums(seen: tuple[Vector, Vector], robust: bool) -> _Sums:
    residuals, slopes = seen
    squares = residuals**2
    if not robust:
        return _Sums(float(squares.sum()), slopes @ residuals, slopes @ slopes.T)
    length = np.sqrt(1 + squares)
    weighted = slopes / length
    return _Sums(float((2 * (length - 1)).sum()), weighted @ residuals, weighted @ slopes.T)


def _step(at: _Sums, free: NDArray[np.bool_], damped: float) -> Vector:
    """Of what the residuals say nothing, and of what is held by a bound, nothing is moved."""
    diagonal = np.diag(at.held)
    told = (diagonal > LEAST_TOLD) & free
    scale = np.where(told, 1 / np.sqrt(np.where(told, diagonal, 1.0)), 0.0)
    scaled = at.held * np.outer(scale, scale)
    scaled[np.diag_indices_from(scaled)] += np.where(told, damped, 1.0)
    return np.asarray(np.linalg.solve(scaled, at.pull * scale) * scale)
