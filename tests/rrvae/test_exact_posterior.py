"""The exact decoder: what its bank says, how its fit climbs, and what a checkpoint of it must hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from stream_rrvae.errors import CheckpointError, ConfigError
from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.maps.statistics import pearson, wrapped
from stream_rrvae.rrvae.checkpoint import Checkpoint, checkpoint_of
from stream_rrvae.rrvae.exact_learner import ExactLearner
from stream_rrvae.rrvae.preparation import Prepared, whitened
from stream_rrvae.rrvae.training import TrainSpec

BASIS = BasisSpec()


@pytest.fixture(scope="module")
def noisy(turning_scan: Any) -> Prepared:
    noise = np.random.default_rng(2).normal(size=turning_scan.features.shape) / 100.0
    features = (turning_scan.features + noise).astype(np.float32)
    return whitened(features, np.arange(len(features)), 1e4, 1.0)


@pytest.fixture(scope="module")
def fitted(noisy: Prepared) -> tuple[ExactLearner, list[float]]:
    """A model after its rough training and three rounds of the fit, with the held-out likelihood after each."""
    torch.set_num_threads(1)
    model = ExactLearner.create(noisy, BASIS, 2, 0, "cpu")
    shares = [(0.0, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 1.0)]
    return model, [model.train(noisy, 0.5, share).heldout_loglikelihood for share in shares]


def test_the_fit_raises_the_likelihood_of_frames_it_has_not_seen(fitted: tuple[ExactLearner, list[float]]) -> None:
    _, heldout = fitted
    assert heldout[-1] > heldout[0]


def test_rotation_and_lean_are_found_through_the_noise(
    fitted: tuple[ExactLearner, list[float]], noisy: Prepared, turning_scan: Any
) -> None:
    found = fitted[0].encode(noisy.x)
    error = np.abs(wrapped(found.rotation - turning_scan.angle))
    assert np.degrees(np.average(error, weights=turning_scan.lean)) < 15.0
    assert abs(pearson(found.latents[:, 0], turning_scan.lean)) > 0.82  # 0.85 from order 1 alone
    assert found.confidence[turning_scan.lean > 4].mean() > 0.9


def test_a_rough_round_that_was_undone_is_told(noisy: Prepared) -> None:
    model = ExactLearner.create(noisy, BASIS, 2, 0, "cpu", train=TrainSpec(learning_rate=100.0))
    assert model.train(noisy, 0.3, (0.0, 0.2)).rolled_back
    assert not model.train(noisy, 0.3, (0.9, 1.0)).rolled_back  # the fit has a rate of its own


def test_every_shape_of_the_bank_stands_upright(fitted: tuple[ExactLearner, list[float]]) -> None:
    bank = fitted[0].bank
    assert bank is not None
    length, direction = bank.turning.leading(torch.from_numpy(bank.shapes))
    assert np.all(np.diff(length.numpy()) >= 0)
    assert np.abs(direction.numpy()[length.numpy() > 0.1]).max() < 1e-4


@pytest.fixture
def stored(fitted: tuple[ExactLearner, list[float]]) -> Checkpoint:
    return checkpoint_of(fitted[0], {"program": "test"})


@pytest.mark.parametrize("name", ["bank.shapes", "bank.log_weights", "bank.axes", "bank.lead"])
def test_a_bank_that_does_not_fit_is_refused(stored: Checkpoint, name: str) -> None:
    without = {key: array for key, array in stored.arrays.items() if key != name}
    poisoned = {**stored.arrays, name: np.full_like(stored.arrays[name], np.nan)}
    for arrays in (without, {**without, name: np.zeros(3, np.float32)}, poisoned):
        with pytest.raises(CheckpointError):
            replace(stored, arrays=arrays).model("cpu")


@pytest.mark.parametrize(
    "change", [{"shapes": 10**9}, {"shapes": 0}, {"orders": [99]}, {"orders": "1"}, {"orders": []}]
)
def test_a_bank_out_of_bounds_is_refused(stored: Checkpoint, change: dict[str, object]) -> None:
    with pytest.raises(CheckpointError):
        replace(stored, settings={**stored.settings, **change}).model("cpu")


@pytest.mark.parametrize("has_cuda", [False, True])
def test_it_computes_on_the_cpu_of_any_machine(
    stored: Checkpoint, noisy: Prepared, monkeypatch: pytest.MonkeyPatch, has_cuda: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_cuda)
    for setting in ("auto", "cpu"):
        created = ExactLearner.create(noisy, BASIS, 2, 0, setting)
        restored = ExactLearner.from_settings(stored.settings, setting)
        for model in (created, restored):
            assert {weights.device.type for weights in model.network.parameters()} == {"cpu"}
    with pytest.raises(ConfigError, match="use auto or cpu"):
        ExactLearner.create(noisy, BASIS, 2, 0, "cuda")
    with pytest.raises(ConfigError, match="use auto or cpu"):
        ExactLearner.from_settings(stored.settings, "cuda")
