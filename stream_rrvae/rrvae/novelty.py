"""Which positions a model does not describe: the map `misfit`, and the share outside the model's distribution.

What is left of a frame, turned upright, beside its decoded shape has a covariance: noise, and what the model leaves out
everywhere. In its units the left-over is a squared Mahalanobis distance, chi-square distributed for pure noise; its
cube root is all but normal (Wilson & Hilferty, PNAS 17, 684, 1931). `misfit` is that cube root beyond the scan's
median, in units of the scan's upper spread. A position is novel when its misfit lies beyond the 99.9 % quantile of a
normal law, or when more than half of a usual frame's modulation is left over and that is no noise: so a scan is told
of which no frame is unlike the rest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from stream_rrvae.messages import BoolArray, Float32Array
from stream_rrvae.rrvae.model import Model
from stream_rrvae.rrvae.preparation import Prepared
from stream_rrvae.rrvae.quality import Quality
from stream_rrvae.rrvae.spatial_learner import SpatialLearner

NOMINAL_SHARE = 1e-3  # of the frames of a perfect model
SIGMAS = float(norm.isf(NOMINAL_SHARE))
LARGEST_UNEXPLAINED = 0.5  # of a usual frame's modulation
USUAL_SHARE = 0.95  # of the positions, those that fit best, say what is usual
UPPER_SHARE = 0.75  # the quantile that says how far the usual reaches
SMALLEST_VARIANCE = 1e-3  # of a coefficient, in units of one frame's noise: below it rounding says more
FRAMES_PER_FEATURE = 8  # for a covariance; with fewer, all directions are alike
LARGEST_SAMPLE = 1 << 14  # positions that say what is usual; also how many are looked at together

Left = NDArray[np.float64]  # [n, n_features]


@dataclass(frozen=True, slots=True)
class Novelty:
    """At n positions: `misfit` in standard deviations of a usual one, NaN where not looked, and which are novel."""

    misfit: Float32Array
    unlike: BoolArray

    def figures(self) -> Quality:
        """`out_of_distribution_share` for the read-outs."""
        looked = np.isfinite(self.misfit)
        return {"out_of_distribution_share": float(self.unlike[looked].mean())} if looked.any() else {}


def novelty(model: Model, data: Prepared) -> Novelty | None:
    """How badly `model` describes each position of `data`; None without any.

    What is usual is learnt from a sample of `LARGEST_SAMPLE`; the spatial model, which draws pixels, sees no others.
    """
    if not len(data.x):
        return None
    sample = _sample_of(data)
    of_sample = model.left_over(data.x[sample]).astype(np.float64)
    usual = _usual(of_sample, data)
    looked = sample if isinstance(model, SpatialLearner) else np.arange(len(data.x))
    found = _nothing_of(data)
    for rows in np.array_split(looked, -(-len(looked) // LARGEST_SAMPLE)):
        is_sample = np.array_equal(rows, sample)
        left = of_sample if is_sample else model.left_over(data.x[rows]).astype(np.float64)
        found.misfit[rows], found.unlike[rows] = usual.look_at(left)
    return found


def usual_of(model: Model, data: Prepared) -> Usual:
    """What `model` leaves over at usual positions of `data`, which has one at least."""
    return _usual(model.left_over(data.x[_sample_of(data)]).astype(np.float64), data)


def novelty_beside(usual: Usual, model: Model, others: Prepared, step: int) -> Novelty:
    """How badly `model` describes `others`, of the scan that `usual` is of; the spatial model sees each `step`-th."""
    found = _nothing_of(others)
    looked = np.arange(0, len(others.x), step if isinstance(model, SpatialLearner) else 1)
    for rows in np.array_split(looked, max(1, -(-len(looked) // LARGEST_SAMPLE))):
        if rows.size:
            found.misfit[rows], found.unlike[rows] = usual.look_at(model.left_over(others.x[rows]).astype(np.float64))
    return found


def _sample_of(data: Prepared) -> NDArray[np.int64]:
    return np.arange(0, len(data.x), max(1, -(-len(data.x) // LARGEST_SAMPLE)))


def _nothing_of(data: Prepared) -> Novelty:
    return Novelty(np.full(len(data.x), np.nan, np.float32), np.zeros(len(data.x), np.bool_))


@dataclass(frozen=True, slots=True)
class Usual:
    """What is left over at usual positions: its mean and principal axes, and the median and spread of the distance.

    `noise` and `modulation` are the mean squares of a frame's noise, with a margin, and of what else it holds.
    """

    mean: NDArray[np.float64]
    axes: NDArray[np.float64]
    inverse_variances: NDArray[np.float64]
    noise: float
    modulation: float
    root: float = 0.0
    spread: float = 1.0

    def look_at(self, left: Left) -> tuple[Float32Array, BoolArray]:
        """The misfit [n] of what was left over, and what is novel."""
        misfit = self.sigmas(left).astype(np.float32)
        unexplained = np.square(left).sum(axis=1) - self.noise > LARGEST_UNEXPLAINED * self.modulation
        return misfit, (misfit > SIGMAS) | unexplained

    def roots(self, left: Left) -> NDArray[np.float64]:
        """Cube roots [n] of the squared Mahalanobis distances."""
        return np.asarray(np.cbrt(np.square((left - self.mean) @ self.axes) @ self.inverse_variances))

    def sigmas(self, left: Left) -> NDArray[np.float64]:
        """Beyond the median, in spreads [n]."""
        return (self.roots(left) - self.root) / self.spread


def _usual(left: Left, data: Prepared) -> Usual:
    """By the covariance of those that fit best, and by the median and upper quantile of all."""
    degrees = left.shape[1]
    metric = _metric(left, data)
    root, upper = (float(value) for value in np.quantile(metric.roots(left), (0.5, UPPER_SHARE)))
    noise = float(np.cbrt(degrees)) * math.sqrt(2.0 / (9.0 * degrees))
    return replace(metric, root=root, spread=max((upper - root) / float(norm.ppf(UPPER_SHARE)), noise))


def _metric(left: Left, data: Prepared) -> Usual:
    n, features = left.shape
    variance = data.noise_variance
    smallest_variance = max(variance, SMALLEST_VARIANCE)
    noise = variance * (features + SIGMAS * math.sqrt(2.0 * features))
    modulation = max(data.modulation**2 - variance * features, 0.0)
    if n < FRAMES_PER_FEATURE * features:
        flat = np.full(features, 1.0 / smallest_variance)
        return Usual(np.zeros(features), np.eye(features), flat, noise, modulation)
    size = np.square(left).sum(axis=1)
    usual = left[size <= np.quantile(size, USUAL_SHARE)]
    variances, axes = np.linalg.eigh(np.cov(usual.T))
    return Usual(usual.mean(axis=0), axes, 1.0 / np.maximum(variances, smallest_variance), noise, modulation)
