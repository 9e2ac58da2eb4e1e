"""Latents in a gauge of their own: along the principal directions of the shape's change, in its units.

A prior N(0, 1) leaves z free to turn, flip and stretch from one training to the next. What z *does* to
the shape is not free: c(z) = mean + B z + rest, and the principal components of z B are ordered by
the variance they explain and measured in the features' unit, one frame's noise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.messages import Float32Array


def principal_scores(
    means: Float32Array,
    samples: Float32Array,
    shapes: Float32Array,
    kept: int | None = None,
    decoded: Float32Array | None = None,
) -> tuple[Float32Array, NDArray[np.float64]]:
    """The first `kept` (None = all) scores [n, kept] of posterior means [n, inner] and their variances, largest first.

    B is fitted to `shapes` [k, n_features] decoded at `samples` [k, inner] of z. With `decoded` [n, n_features], the
    shapes of the means, scores are those of the whole shape along the same directions and not of its linear part.
    """
    centred = means.astype(np.float64) - means.mean(axis=0, dtype=np.float64)
    varied = samples.astype(np.float64) - samples.mean(axis=0, dtype=np.float64)
    change = shapes.astype(np.float64) - shapes.mean(axis=0, dtype=np.float64)
    slope = np.linalg.lstsq(varied, change, rcond=None)[0]
    _, directions = np.linalg.eigh(slope.T @ (centred.T @ centred) @ slope)
    change = centred @ slope if decoded is None else decoded - decoded.mean(axis=0, dtype=np.float64)
    scores = np.zeros((len(means), kept or means.shape[1]))
    best = directions[:, : -scores.shape[1] - 1 : -1]  # fewer where shapes have fewer coordinates
    scores[:, : best.shape[1]] = change @ best
    scores = scores[:, np.argsort(-scores.var(axis=0), kind="stable")]
    return scores.astype(np.float32), scores.var(axis=0)
