"""Latents in a gauge of their own: along the principal directions of the shape's change, in its units.

A prior N(0, 1) leaves z free to turn, flip and stretch from one training to the next. What z *does* to
the shape is not free: c(z) = mean + B z + rest, and the principal components of z B are ordered by
the variance they explain and measured in the features' unit, one frame's noise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.messages import Float32Array
from stream_rrvae.rrvae.weights import check_weights

PREFIX = "gauge."


@dataclass(frozen=True, slots=True)
class LatentGauge:
    """Latents are what is said of a frame (z, or its shape) less `centre` [d], along `directions` [d, latents]."""

    centre: NDArray[np.float64]
    directions: NDArray[np.float64]

    def scores(self, said: Float32Array) -> Float32Array:
        """Latents [n, latents] of `said` [n, d]."""
        return ((said - self.centre) @ self.directions).astype(np.float32)

    def through(self, axes: NDArray[np.floating]) -> LatentGauge:
        """The same for what is said in the coordinates of orthonormal `axes` [d, k], or (transposed) back."""
        turn = axes.astype(np.float64)
        return LatentGauge(self.centre @ turn, turn.T @ self.directions)

    def arrays(self) -> dict[str, Float32Array]:
        """For a checkpoint."""
        held = {"centre": self.centre, "directions": self.directions}
        return {PREFIX + name: np.ascontiguousarray(value, np.float32) for name, value in held.items()}


def principal_gauge(
    means: Float32Array,
    samples: Float32Array,
    shapes: Float32Array,
    kept: int | None = None,
    decoded: Float32Array | None = None,
) -> LatentGauge:
    """The gauge in which the first `kept` (None = all) latents of posterior means [n, inner] come largest first.

    B is fitted to `shapes` [k, n_features] decoded at `samples` [k, inner] of z. With `decoded` [n, n_features], the
    shapes of the means, it is for the whole shape along the same directions and not for its linear part.
    """
    centre = means.mean(axis=0, dtype=np.float64)
    centred = means - centre
    varied = samples.astype(np.float64) - samples.mean(axis=0, dtype=np.float64)
    change = shapes.astype(np.float64) - shapes.mean(axis=0, dtype=np.float64)
    slope = np.linalg.lstsq(varied, change, rcond=None)[0]
    _, directions = np.linalg.eigh(slope.T @ (centred.T @ centred) @ slope)
    kept = kept or means.shape[1]
    best = np.zeros((len(directions), kept))
    largest = directions[:, : -kept - 1 : -1]  # fewer where shapes have fewer coordinates
    best[:, : largest.shape[1]] = largest
    if decoded is None:
        return _in_order(LatentGauge(centre, slope @ best), means)
    return _in_order(LatentGauge(decoded.mean(axis=0, dtype=np.float64), best), decoded)


def principal_scores(
    means: Float32Array, samples: Float32Array, shapes: Float32Array
) -> tuple[Float32Array, NDArray[np.float64]]:
    """Latents [n, inner] of posterior means [n, inner] in their `principal_gauge`, and their variances."""
    scores = principal_gauge(means, samples, shapes).scores(means)
    return scores, scores.var(axis=0, dtype=np.float64)


def split_off_gauge(
    arrays: Mapping[str, Float32Array], shape: tuple[int, int]
) -> tuple[LatentGauge | None, dict[str, Float32Array]]:
    """The gauge among a checkpoint's `arrays`, with directions of `shape`, None for none; and the rest of them.

    Raises CheckpointError for a gauge that does not fit.
    """
    held = {name.removeprefix(PREFIX): array for name, array in arrays.items() if name.startswith(PREFIX)}
    rest = {name: array for name, array in arrays.items() if not name.startswith(PREFIX)}
    if not held:
        return None, rest
    check_weights(held, {"centre": shape[:1], "directions": shape})
    return LatentGauge(held["centre"].astype(np.float64), held["directions"].astype(np.float64)), rest


def _in_order(gauge: LatentGauge, said: Float32Array) -> LatentGauge:
    order = np.argsort(-gauge.scores(said).var(axis=0, dtype=np.float64), kind="stable")
    return LatentGauge(gauge.centre, gauge.directions[:, order])
