"""The posterior over shapes and angles against every combination written out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_rrvae.kernels.shape_posterior import ShapeTable, posterior_means, posterior_sums
from stream_rrvae.messages import Float32Array

N_ANGLES = 64
ORDERS = np.array([1, 1, 3, 5])  # of the pairs; one number of order 0 before them
ANGLES = 2 * np.pi * np.arange(N_ANGLES) / N_ANGLES


def turned(x: NDArray[Any], angle: float) -> NDArray[Any]:
    pairs = (x[..., 1::2] + 1j * x[..., 2::2]) * np.exp(-1j * ORDERS * angle)
    out = x.copy()
    out[..., 1::2], out[..., 2::2] = pairs.real, pairs.imag
    return out


@dataclass(frozen=True)
class Case:
    """A bank whose leading coefficient is the first pair, and frames that are its shapes turned, with noise."""

    table: ShapeTable
    log_weights: NDArray[np.float64]
    x: NDArray[np.float32]
    lead: NDArray[np.float32]

    def posterior(self) -> tuple[NDArray[np.float64], float]:
        """p(k, theta | x) [n, k, angles] and the summed log-likelihood, the long way."""
        logs = np.empty((len(self.x), len(self.table.shapes), N_ANGLES))
        for j, angle in enumerate(ANGLES):
            there = turned(self.table.shapes.astype(float), angle)
            logs[:, :, j] = self.x @ there.T - 0.5 * (there**2).sum(axis=1) + self.log_weights - np.log(N_ANGLES)
        largest = logs.max(axis=(1, 2), keepdims=True)
        evidence = np.exp(logs - largest).sum(axis=(1, 2), keepdims=True)
        return np.exp(logs - largest) / evidence, float((largest + np.log(evidence)).sum())


@pytest.fixture(params=[0.3, 3.0, 12.0])
def case(request: pytest.FixtureRequest) -> Case:
    """From shapes that drown in the noise to some that stand far out of it."""
    rng = np.random.default_rng(5)
    drawn = rng.normal(size=(40, 9))
    drawn[:, 1], drawn[:, 2] = request.param * rng.uniform(0, 1, 40), 0.0
    shapes: Float32Array = drawn[np.argsort(drawn[:, 1])].astype(np.float32)
    x = np.stack([turned(shapes[rng.integers(0, 40)], rng.uniform(-3, 3)) for _ in range(50)])
    x = (x + rng.normal(size=x.shape)).astype(np.float32)
    log_weights = np.log(rng.dirichlet(np.ones(40)))
    bias = (log_weights - 0.5 * (shapes.astype(float) ** 2).sum(axis=1)).astype(np.float32)
    rows = np.array([1, 3, 5])[:, None] * np.tile(ANGLES, 2)
    cos, sin = np.cos(rows).astype(np.float32), np.sin(rows).astype(np.float32)
    table = ShapeTable(shapes, shapes[:, 1].copy(), bias, np.array([0, 0, 1, 2], np.int32), cos, sin, 1, 0, True)
    lead = np.stack([np.hypot(x[:, 1], x[:, 2]), -np.arctan2(x[:, 2], x[:, 1])], axis=1)
    return Case(table, log_weights, x, lead)


def test_means_are_those_of_every_combination(case: Case) -> None:
    values = np.arange(40, dtype=np.float32)[:, None]
    means = np.empty((len(case.x), 3), np.float32)
    total = posterior_means(case.x, case.lead, case.table, values, means)
    posterior, expected = case.posterior()
    assert total == pytest.approx(expected, abs=0.02)
    wanted = [posterior.sum(axis=1) @ np.cos(ANGLES), posterior.sum(axis=1) @ np.sin(ANGLES)]
    assert np.allclose(means[:, :2], np.stack(wanted, axis=1), atol=2e-3)
    assert np.allclose(means[:, 2], posterior.sum(axis=2) @ values[:, 0], atol=0.05)


def test_sums_turn_frames_back_onto_their_shapes(case: Case) -> None:
    sums, weights = np.zeros_like(case.table.shapes), np.zeros(40, np.float32)
    posterior_sums(case.x, case.lead, case.table, sums, weights)
    posterior, _ = case.posterior()
    wanted = sum(posterior[:, :, j].T @ turned(case.x.astype(float), -angle) for j, angle in enumerate(ANGLES))
    assert np.allclose(sums, wanted, atol=0.05)
    assert np.allclose(weights, posterior.sum(axis=(0, 2)), atol=0.01)


def test_a_frame_far_from_every_shape_is_still_weighed(case: Case) -> None:
    far = 50.0 * np.abs(case.x[:1]) + 40.0
    lead = np.array([[np.hypot(far[0, 1], far[0, 2]), -np.arctan2(far[0, 2], far[0, 1])]], np.float32)
    means = np.empty((1, 2), np.float32)
    assert np.isfinite(posterior_means(far, lead, case.table, np.empty((40, 0), np.float32), means))
    assert np.isfinite(means).all()
