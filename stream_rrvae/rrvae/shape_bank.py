"""A bank of upright shapes with weights: what the exact posterior over shape and angle is taken over.

Where the harmonic model's encoder answers with one shape a frame, the bank weighs every shape at every angle by
its likelihood. Rotation, confidence and latents are means over that posterior: the least squared error that a
single frame allows under these shapes, at about 20 times the cost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from stream_rrvae.kernels.shape_posterior import ShapeTable, posterior_means, posterior_sums
from stream_rrvae.messages import Float32Array
from stream_rrvae.rrvae.harmonic import N_ANGLES
from stream_rrvae.rrvae.model import Encoding
from stream_rrvae.rrvae.turning import Turning


@dataclass(frozen=True, slots=True)
class Sums:
    """What an expectation step leaves for each shape of a bank: frames turned back onto it, and how many."""

    frames: Float32Array  # [k, n]
    weights: Float32Array  # [k]
    loglikelihood: float  # of all frames together, nats beyond pure noise


@dataclass(frozen=True, slots=True)
class ShapeBank:
    """`shapes` [k, n] in the coordinates of `turning`, upright, by ascending leading coefficient; `log_weights` [k]."""

    turning: Turning
    shapes: Float32Array
    log_weights: Float32Array

    def encode(self, features: Float32Array, latents: int) -> Encoding:
        """Posterior means for prepared `features` [n, n_features]."""
        return self.encode_seen(features @ self.turning.axes, latents)

    def encode_seen(self, seen: Float32Array, latents: int) -> Encoding:
        """The same for frames in the coordinates of `turning`, `seen` [n, n]."""
        scores = self._scores(latents)
        means = np.empty((len(seen), 2 + latents), np.float32)
        posterior_means(seen, self._leading(seen), self._table(), scores, means)
        order = np.argsort(-means[:, 2:].var(axis=0), kind="stable")
        return Encoding(
            rotation=(np.arctan2(means[:, 1], means[:, 0]) / self.turning.leading_order).astype(np.float32),
            confidence=np.minimum(np.hypot(means[:, 0], means[:, 1]), 1.0),
            latents=means[:, 2 + order],
            explained=means[:, 2 + order].var(axis=0, dtype=np.float64),
        )

    def upright_means(self, features: Float32Array) -> tuple[Float32Array, Float32Array]:
        """Posterior means of the angle [n] (rad) and of the upright shape [n, n_features] of prepared `features`."""
        means = np.empty((len(features), 2 + self.shapes.shape[1]), np.float32)
        posterior_means(*self._seen(features), self._table(), np.ascontiguousarray(self.shapes), means)
        angle = np.arctan2(means[:, 1], means[:, 0]) / self.turning.leading_order
        return angle.astype(np.float32), means[:, 2:] @ self.turning.axes.T

    def expect(self, features: Float32Array) -> Sums:
        """The expectation step over prepared `features` [n, n_features]."""
        frames, weights = np.zeros_like(self.shapes), np.zeros(len(self.shapes), np.float32)
        total = posterior_sums(*self._seen(features), self._table(), frames, weights)
        return Sums(frames, weights, total)

    def loglikelihood(self, features: Float32Array) -> float:
        """Mean over frames, nats beyond pure noise."""
        nothing = np.empty((len(self.shapes), 0), np.float32)
        means = np.empty((len(features), 2), np.float32)
        return posterior_means(*self._seen(features), self._table(), nothing, means) / max(1, len(features))

    def _seen(self, features: Float32Array) -> tuple[Float32Array, Float32Array]:
        """Coordinates [n, n] of frames, and length and direction [n, 2] of their leading coefficient."""
        x = features @ self.turning.axes
        return x, self._leading(x)

    def _leading(self, seen: Float32Array) -> Float32Array:
        length, direction = self.turning.leading(torch.from_numpy(seen))
        return np.stack([length.numpy(), direction.numpy()], axis=1)

    def _scores(self, latents: int) -> Float32Array:
        """Each shape along the principal directions of the bank [k, latents], in units of one frame's noise."""
        weights = np.exp(self.log_weights.astype(np.float64))
        change = self.shapes - (weights @ self.shapes) / weights.sum()
        _, directions = np.linalg.eigh((change.T * weights) @ change)
        scores = np.zeros((len(self.shapes), latents), np.float32)
        kept = min(latents, change.shape[1])
        scores[:, :kept] = change @ directions[:, : -kept - 1 : -1]
        return scores

    def _table(self) -> ShapeTable:
        turning, shapes = self.turning, np.ascontiguousarray(self.shapes, np.float32)
        rows, row_of = np.unique(turning.orders, return_inverse=True)
        angles = rows[:, None] * np.tile(np.arange(N_ANGLES), 2) * (2 * np.pi / N_ANGLES)
        lengths = np.hypot(*(shapes @ turning.lead.T).T).astype(np.float32)
        bias = (self.log_weights - 0.5 * np.square(shapes).sum(axis=1)).astype(np.float32)
        return ShapeTable(
            shapes,
            lengths,
            bias,
            row_of.astype(np.int32),
            np.cos(angles).astype(np.float32),
            np.sin(angles).astype(np.float32),
            turning.n_level,
            int(np.searchsorted(rows, turning.leading_order)),
            turning.leading_order == 1,
        )


def bank_of(turning: Turning, shapes: Float32Array, log_weights: Float32Array) -> tuple[ShapeBank, NDArray[np.intp]]:
    """The bank of `shapes` [k, n] in any position, and which of them each of its upright shapes is."""
    seen = torch.from_numpy(np.ascontiguousarray(shapes, np.float32))
    length, direction = turning.leading(seen)
    upright = turning.turned(seen, -direction / turning.leading_order).numpy()
    order = np.argsort(length.numpy(), kind="stable")
    return ShapeBank(turning, upright[order], log_weights[order].astype(np.float32)), order
