"""The gauge of published maps: one convention, and no jumps from one version to the next.

Rotation is counted like atan2(com_y, com_x); where the model does not say itself what 0 is, it agrees with
the COM direction where the COM is largest. Latents come ordered by explained variance and in units
of their own (`principal`); the first is signed so that it falls where the COM magnitude rises, as in
Oxley et al. (2021). Where a convention does not decide, the previous version does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.maps.statistics import mean_vector, pearson, wrapped
from stream_rrvae.messages import Float32Array
from stream_rrvae.rrvae.model import Encoding

LARGEST_SHARE = 0.25  # of the positions, by COM magnitude, that set the offset of a rotation
NEAR_VARIANCE = 1.5  # latents whose explained variances differ by less keep the previous order
CLEAR_CORRELATION = 0.1  # below it a correlation decides nothing


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the gauge is fixed against, at the encoded positions [n]; NaN where there is none."""

    com_y: Float32Array
    com_x: Float32Array
    previous_rotation: Float32Array
    previous_latents: Float32Array  # [n_latents, n]


def locked_rotation(encoding: Encoding, fixed: bool, around: Surroundings) -> Float32Array:
    """The rotation [n] in the convention; as it is where the model has `fixed` its meaning."""
    if fixed:
        return encoding.rotation
    magnitude = np.hypot(around.com_y, around.com_x)
    weights = np.where(magnitude >= np.nanquantile(magnitude, 1 - LARGEST_SHARE), magnitude, 0.0)
    offset = mean_vector(encoding.rotation - np.arctan2(around.com_y, around.com_x), weights)
    if not abs(offset) > CLEAR_CORRELATION:
        offset = mean_vector(encoding.rotation - around.previous_rotation, encoding.confidence)
    if not math.isfinite(abs(offset)):
        return encoding.rotation
    return wrapped(encoding.rotation - np.angle(offset)).astype(np.float32)


def locked_latents(encoding: Encoding, around: Surroundings) -> Float32Array:
    """The latents as [n_latents, n] in the convention and as like the previous version as it allows."""
    latents = encoding.latents.T
    latents = latents[_order(latents, encoding.explained, around.previous_latents)]
    magnitude = np.hypot(around.com_y, around.com_x)
    signs = [
        _sign(latent, previous, magnitude if number == 0 else None)
        for number, (latent, previous) in enumerate(zip(latents, around.previous_latents, strict=True))
    ]
    return (latents * np.array(signs, np.float32)[:, None]).astype(np.float32)


def _order(latents: Float32Array, explained: NDArray[np.float64], previous: Float32Array) -> list[int]:
    order = list(range(len(latents)))
    for i in range(len(order) - 1):
        first, second = order[i], order[i + 1]
        if explained[first] >= NEAR_VARIANCE * explained[second]:
            continue
        like = {(a, b): abs(pearson(latents[a], previous[b])) for a in (first, second) for b in (i, i + 1)}
        if like[second, i] + like[first, i + 1] > like[first, i] + like[second, i + 1]:
            order[i], order[i + 1] = second, first
    return order


def _sign(latent: Float32Array, previous: Float32Array, magnitude: Float32Array | None) -> float:
    """+1 or -1, by the COM magnitude for the first latent, else by the previous version."""
    if magnitude is not None:
        slope = pearson(latent, magnitude)
        if abs(slope) > CLEAR_CORRELATION:
            return -math.copysign(1.0, slope)
    likeness = pearson(latent, previous)
    return -1.0 if likeness < 0.0 else 1.0
