"""The latent manifold of the literature: which pattern goes with which latents, turned upright.

Where the literature decodes points of latent space, here the frames themselves are shown: those with such latents,
turned back by their rotation and averaged. So nothing is drawn where no frame is, and it needs no decoder.
As in Oxley et al., npj Comput. Mater. 7, 65 (2021).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.kernels.basis import BasisSpec, project_onto, to_complex
from stream_rrvae.messages import Float32Array
from stream_rrvae.plain import from_plain
from stream_rrvae.scan_store import ScanStore

SIDE_PX = 48  # of a drawn pattern
COLUMNS, ROWS = 7, 5  # of latent 1, of latent 2
MARGIN = 0.02  # of the positions, at each end of a latent, beyond the grid
UNUSED_SPREAD = 0.05  # of a latent, in units of one frame's noise: below it the model hardly uses it
LARGEST_SAMPLE = 1 << 15  # positions
FEWEST_FRAMES = 64
FEWEST_IN_CELL = 8  # frames, for their mean to be more than noise


@dataclass(frozen=True, slots=True)
class Manifold:
    """What frames around each pair of latents look like on average, turned upright, beside the scan's mean."""

    latent_1: Float32Array  # [columns] at the middle of each
    latent_2: Float32Array  # [rows]; one row, at its mean, where there is no second latent or it is not used
    patterns: (
        Float32Array  # [rows, columns, SIDE_PX, SIDE_PX] difference from the scan's mean, as a share of the disc's
    )
    # mean intensity; NaN outside the disc and where there are too few frames
    frames: NDArray[np.int64]  # [rows, columns] that have such latents


def manifold_of(store: ScanStore) -> Manifold | None:
    """The manifold of the store's latest maps; None where too few positions have latents or features no basis."""
    maps = store.read_maps()
    known = np.flatnonzero(np.isfinite(maps.latents).all(axis=0) & np.isfinite(maps.rotation))
    basis = from_plain(BasisSpec, store.features_info.get("basis", {}))
    if len(known) < FEWEST_FRAMES or basis.n_features != store.shape.n_features:
        return None
    known = known[:: -(-len(known) // LARGEST_SAMPLE)]
    features = store.features[known].astype(np.float32)
    upright = turned_back(features - features.mean(axis=0), maps.rotation[known], basis)
    latents = maps.latents[:, known]
    latent_1, column = _cells(latents[0], COLUMNS)
    latent_2, row = _cells(_second(latents), ROWS)
    shape = (len(latent_2), len(latent_1))
    cell = np.where((row >= 0) & (column >= 0), row * shape[1] + column, -1)
    frames, means = _means(upright, cell, shape[0] * shape[1], maps.confidence[known])
    return Manifold(latent_1, latent_2, _drawn(means, basis).reshape(*shape, SIDE_PX, SIDE_PX), frames.reshape(shape))


def turned_back(features: Float32Array, rotation: Float32Array, basis: BasisSpec) -> Float32Array:
    """`features` [n, n_features] of the patterns turned back by `rotation` [n] (rad, from kx towards ky)."""
    phases = np.exp(1j * np.arange(basis.max_order + 1) * rotation[:, None]).astype(np.complex64)
    turned = to_complex(features, basis) * phases[:, :, None]
    pairs = np.stack([turned[:, 1:].real, turned[:, 1:].imag], axis=3).reshape(len(features), -1)
    return np.concatenate([turned[:, 0].real, pairs], axis=1)


def _second(latents: Float32Array) -> Float32Array:
    """Latent 2 [n], all of it at its mean where it says nothing."""
    if len(latents) > 1 and latents[1].std() >= UNUSED_SPREAD:
        second: Float32Array = latents[1]
        return second
    level = float(latents[1].mean()) if len(latents) > 1 else 0.0
    return np.full(latents.shape[1], level, np.float32)


def _cells(latent: Float32Array, count: int) -> tuple[Float32Array, NDArray[np.int64]]:
    """Middles of equal cells over `latent` [n], one where it does not vary, and which of them each value is in."""
    low, high = np.quantile(latent, (MARGIN, 1.0 - MARGIN))
    if not high > low:
        return np.array([latent.mean()], np.float32), np.zeros(len(latent), np.int64)
    edges = np.linspace(low, high, count + 1)
    number = np.digitize(latent, edges) - 1
    inside = np.where((number < 0) | (number >= count), -1, number)
    return ((edges[1:] + edges[:-1]) / 2).astype(np.float32), inside.astype(np.int64)


def _means(
    upright: Float32Array, cell: NDArray[np.int64], count: int, weights: Float32Array
) -> tuple[NDArray[np.int64], Float32Array]:
    """Frames in each cell, and their mean [count, n_features] weighted by confidence, NaN for too few."""
    used = cell >= 0
    frames = np.bincount(cell[used], minlength=count)
    means = np.full((count, upright.shape[1]), np.nan, np.float32)
    for number in np.flatnonzero(frames >= FEWEST_IN_CELL):
        chosen = cell == number
        means[number] = np.average(upright[chosen], axis=0, weights=weights[chosen] + 1e-6)
    return frames, means


def _drawn(features: Float32Array, basis: BasisSpec) -> Float32Array:
    """Images [n, SIDE_PX, SIDE_PX] of `features` [n, n_features], the disc filling them; NaN outside."""
    middle = (SIDE_PX - 1) / 2
    everywhere = np.ones((SIDE_PX, SIDE_PX), np.bool_)
    disc = project_onto(basis, everywhere.shape, (middle, middle), SIDE_PX / 2 / basis.radius, everywhere)
    images = np.full((len(features), SIDE_PX * SIDE_PX), np.nan, np.float32)
    images[:, disc.pixels] = disc.scale * (features @ disc.weights.T)
    return images
