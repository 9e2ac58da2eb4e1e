"""Training rounds: what is held out, what is undone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.rrvae.learner import HarmonicLearner
from stream_rrvae.rrvae.preparation import whitened
from stream_rrvae.rrvae.training import TrainSpec, held_out

BASIS = BasisSpec()


def test_a_tenth_is_held_out_and_always_the_same() -> None:
    positions = np.arange(10_000)
    chosen = held_out(positions)
    assert 0.08 < chosen.mean() < 0.12
    assert np.array_equal(held_out(positions[5000:]), chosen[5000:])
    assert held_out(np.array([1])).tolist() == [True]


def learner(train: TrainSpec, n: int = 200) -> HarmonicLearner:
    features = np.random.default_rng(0).normal(size=(n, BASIS.n_features)).astype(np.float32)
    features[:, BASIS.n_radial] += 3.0
    return HarmonicLearner.create(whitened(features, np.arange(n), 1.0, 1.0), BASIS, 2, 0, "cpu", train=train)


def test_a_round_that_makes_it_worse_is_undone() -> None:
    x = np.random.default_rng(0).normal(size=(200, BASIS.n_features)).astype(np.float32)
    data = whitened(x, np.arange(200), 1.0, 1.0)
    model = learner(TrainSpec(learning_rate=30.0))
    before = model.arrays()
    report = model.train(data, 0.2, (0.5, 0.6))
    assert report.rolled_back
    weights = [name for name in before if name.startswith(("encoder", "decoder", "linear"))]
    assert all(np.array_equal(before[name], model.arrays()[name]) for name in weights)
    assert np.isfinite(report.heldout_loglikelihood)


def test_noise_does_not_become_signal() -> None:
    x = np.random.default_rng(1).normal(size=(400, BASIS.n_features)).astype(np.float32)
    data = whitened(x, np.arange(400), 1.0, 1.0)
    model = HarmonicLearner.create(data, BASIS, 2, 0, "cpu")
    report = model.train(data, 0.5, (0.0, 1.0))
    assert report.heldout_loglikelihood < 0.2
    assert torch.isfinite(torch.from_numpy(model.encode(data.x).latents)).all()


@pytest.mark.parametrize("n", [64, 100])
def test_fewer_positions_than_a_batch_are_enough(n: int) -> None:
    x = np.random.default_rng(2).normal(size=(n, BASIS.n_features)).astype(np.float32)
    report = learner(TrainSpec()).train(whitened(x, np.arange(n), 1.0, 1.0), 0.1, (0.0, 0.1))
    assert np.isfinite(report.heldout_loglikelihood)
