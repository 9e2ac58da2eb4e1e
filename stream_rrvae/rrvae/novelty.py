"""Which positions a model does not describe: the share of a scan outside the model's distribution.

What is left of a frame, turned upright, beside its decoded shape has a covariance: noise, and what the model leaves out
everywhere. In its units the left-over is a squared Mahalanobis distance, chi-square distributed for pure noise; its
cube root is all but normal (Wilson & Hilferty, PNAS 17, 684, 1931). A position is novel when that lies beyond
the 99.9 % quantile of a normal law with the median and upper spread of the scan, or when more than half of a usual
frame's modulation is left over and that is no noise: so a scan is told of which no frame is unlike the rest.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import norm

from stream_rrvae.messages import BoolArray
from stream_rrvae.rrvae.harmonic import N_ANGLES, HarmonicModel, turned
from stream_rrvae.rrvae.learner import HarmonicLearner
from stream_rrvae.rrvae.model import Model
from stream_rrvae.rrvae.preparation import Prepared
from stream_rrvae.rrvae.quality import Quality
from stream_rrvae.rrvae.spatial import SpatialModel
from stream_rrvae.rrvae.spatial_learner import SpatialLearner

NOMINAL_SHARE = 1e-3  # of the frames of a perfect model
SIGMAS = float(norm.isf(NOMINAL_SHARE))
LARGEST_UNEXPLAINED = 0.5  # of a usual frame's modulation
USUAL_SHARE = 0.95  # of the positions, those that fit best, say what is usual
UPPER_SHARE = 0.75  # the quantile that says how far the usual reaches
SMALLEST_VARIANCE = 1e-3  # of a coefficient, in units of one frame's noise: below it rounding says more
FRAMES_PER_FEATURE = 8  # for a covariance; with fewer, all directions are alike
LARGEST_SAMPLE = 1 << 14  # positions looked at for the share

Left = NDArray[np.float64]  # [n, n_features]


def novelty_figures(model: Model, data: Prepared) -> Quality:
    """`out_of_distribution_share` of `data` for the read-outs; empty for a model that does not say its shapes."""
    step = max(1, -(-len(data.x) // LARGEST_SAMPLE))
    sample = Prepared(data.x[::step], data.positions[::step], data.noise_variance)
    found = novel(model, sample)
    return {} if found is None else {"out_of_distribution_share": float(found.mean())}


def novel(model: Model, data: Prepared) -> BoolArray | None:
    """Which positions [n] of `data` are not described by `model`; None where it does not say its shapes."""
    if not isinstance(model, HarmonicLearner | SpatialLearner):
        return None
    left = _left_over(model.network, data)
    unlike = _beyond(_distance(left, data.noise_variance), data.x.shape[1])
    return np.asarray(unlike | _unexplained(left, data))


def _distance(left: Left, noise_variance: float) -> NDArray[np.float64]:
    """Squared Mahalanobis distance [n] of the left-overs, by the covariance of those that fit best."""
    n, features = left.shape
    if n < FRAMES_PER_FEATURE * features:
        return np.asarray(np.square(left).sum(axis=1) / max(noise_variance, SMALLEST_VARIANCE))
    size = np.square(left).sum(axis=1)
    usual = left[size <= np.quantile(size, USUAL_SHARE)]
    variances, axes = np.linalg.eigh(np.cov(usual.T))
    scaled = (left - usual.mean(axis=0)) @ axes
    return np.asarray(np.square(scaled) @ (1.0 / np.maximum(variances, max(noise_variance, SMALLEST_VARIANCE))))


def _beyond(distance: NDArray[np.float64], degrees: int) -> BoolArray:
    root = np.cbrt(distance)
    usual, upper = np.quantile(root, (0.5, UPPER_SHARE))
    noise = float(np.cbrt(degrees)) * math.sqrt(2.0 / (9.0 * degrees))
    spread = max((upper - usual) / float(norm.ppf(UPPER_SHARE)), noise)
    return np.asarray(root > usual + SIGMAS * spread)


def _unexplained(left: Left, data: Prepared) -> BoolArray:
    degrees, variance = data.x.shape[1], data.noise_variance
    noise = variance * (degrees + SIGMAS * math.sqrt(2.0 * degrees))
    modulation = max(data.modulation**2 - variance * degrees, 0.0)
    return np.asarray(np.square(left).sum(axis=1) - noise > LARGEST_UNEXPLAINED * modulation)


@torch.no_grad()
def _left_over(network: HarmonicModel | SpatialModel, data: Prepared) -> Left:
    """Prepared features less their decoded shape [n, n_features], turned back to where the model has 0."""
    x = torch.from_numpy(np.ascontiguousarray(data.x)).to(next(network.parameters()).device)
    found = _harmonic(network, x) if isinstance(network, HarmonicModel) else _spatial(network, x)
    return np.asarray(found.double().cpu().numpy(), np.float64)


def _harmonic(network: HarmonicModel, x: torch.Tensor) -> torch.Tensor:
    shape = network.decode(network.encode(x @ network.subspace).mean)
    angle = network.correlation(x, shape).argmax(1) * (2 * math.pi / N_ANGLES)
    return turned(x, -angle, network.spec.basis) - shape


def _spatial(network: SpatialModel, x: torch.Tensor) -> torch.Tensor:
    parts = []
    for rows in torch.split(x, 512):  # every one is drawn in pixels
        posterior = network.encode(rows)
        left = rows - network.decode(posterior.angle, posterior.mean)
        parts.append(turned(left, -posterior.angle, network.spec.basis))
    return torch.cat(parts)
