"""What every registered model keeps to."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from stream_rrvae.errors import ConfigError
from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.maps.statistics import angle_agreement, pearson
from stream_rrvae.rrvae import training
from stream_rrvae.rrvae.harmonic import turned
from stream_rrvae.rrvae.learner import HarmonicLearner, torch_device
from stream_rrvae.rrvae.model import Model
from stream_rrvae.rrvae.preparation import Prepared, whitened
from stream_rrvae.rrvae.registry import factory, model_names

BASIS = BasisSpec()
SECONDS = {"spatial": 4.0}  # of training, where the 1.5 of a quick model are not enough


@pytest.fixture(scope="module")
def data(turning_scan: Any) -> Prepared:
    return whitened(turning_scan.features, np.arange(len(turning_scan.features)), 1e4, 0.0)


@pytest.fixture(scope="module", params=model_names())
def trained(request: pytest.FixtureRequest, data: Prepared) -> Model:
    torch.set_num_threads(1)
    model = factory(request.param).create(data, BASIS, 2, 0, "cpu")
    with pytest.MonkeyPatch.context() as patched:  # seconds of its own work: a busy machine must not train less
        patched.setattr(time, "perf_counter", time.thread_time)
        patched.setattr(training, "perf_counter", time.thread_time)
        report = model.train(data, SECONDS.get(request.param, 1.5), (0.0, 1.0))
    assert report.frames > 0 and np.isfinite(report.heldout_loglikelihood)
    return model


def test_training_finds_turn_and_shape(trained: Model, data: Prepared, turning_scan: Any) -> None:
    found = trained.encode(data.x)
    rotation = angle_agreement(found.rotation, turning_scan.angle, turning_scan.lean)
    assert rotation.sense == 1
    assert np.degrees(rotation.error_rad) < 5.0
    assert not trained.fixes_rotation or abs(rotation.offset_rad) < 0.1
    assert abs(pearson(found.latents[:, 0], turning_scan.lean)) > 0.95


def test_encoding_is_whole_and_in_its_ranges(trained: Model, data: Prepared) -> None:
    found = trained.encode(data.x)
    n = len(data.x)
    assert found.rotation.shape == found.confidence.shape == (n,) and found.latents.shape == (n, 2)
    assert np.abs(found.rotation).max() <= np.pi and found.confidence.min() >= 0 and found.confidence.max() <= 1
    assert np.isfinite(found.latents).all()
    assert (np.diff(found.explained) <= 0).all()


def test_rotation_follows_a_turned_frame(trained: Model, data: Prepared) -> None:
    angle = torch.full((len(data.x),), 0.8)
    after = trained.encode(turned(torch.from_numpy(data.x), angle, BASIS).numpy())
    before = trained.encode(data.x)
    change = np.angle(np.exp(1j * (after.rotation - before.rotation - 0.8)))
    assert np.abs(change[before.confidence > 0.5]).max() < 0.02
    assert np.allclose(after.latents, before.latents, atol=0.02)


def test_one_frame_can_be_encoded(trained: Model, data: Prepared) -> None:
    assert np.isfinite(trained.encode(data.x[:1]).rotation).all()


def test_model_is_built_again_from_its_settings_and_weights(trained: Model, data: Prepared) -> None:
    again = factory(trained.name).from_settings(trained.settings(), "cpu")
    again.restore(trained.arrays())
    assert np.array_equal(again.encode(data.x).rotation, trained.encode(data.x).rotation)
    assert (again.basis, again.latents, again.fixes_rotation) == (BASIS, 2, trained.fixes_rotation)


def test_latents_of_a_settled_model_do_not_depend_on_what_is_encoded_beside(trained: Model, data: Prepared) -> None:
    settled = factory(trained.name).from_settings(trained.settings(), "cpu")
    settled.restore(trained.arrays())
    settled.settle(data.x)
    large = data.x[np.argsort(np.square(data.x).sum(axis=1))[200:]]
    whole = {row.tobytes(): latents for row, latents in zip(data.x, settled.encode(data.x).latents, strict=True)}
    expected = np.stack([whole[row.tobytes()] for row in large])
    np.testing.assert_allclose(settled.encode(large).latents, expected, atol=1e-3)
    np.testing.assert_array_equal(settled.encode(large, own_gauge=True).latents, trained.encode(large).latents)
    again = factory(trained.name).from_settings(trained.settings(), "cpu")
    again.restore(settled.arrays())
    np.testing.assert_allclose(again.encode(large).latents, expected, atol=1e-3)
    if trained.name != "exact":  # whose bank of shapes is what latents count from
        assert np.abs(trained.encode(large).latents - expected).max() > 0.1
        settled.train(data, 0.05, (0.9, 1.0))
        assert settled.arrays().keys() == trained.arrays().keys()


@pytest.mark.parametrize("name", model_names())
@pytest.mark.parametrize("latents", [1, 3, 8])
def test_any_number_of_latents_comes_out_in_order(data: Prepared, name: str, latents: int) -> None:
    model = factory(name).create(data, BASIS, latents, 0, "cpu")
    model.train(data, 0.2, (0.0, 1.0))
    found = model.encode(data.x)
    assert found.latents.shape == (len(data.x), latents) and np.isfinite(found.latents).all()
    assert (np.diff(found.explained) <= 1e-6 * found.explained[0]).all()


@pytest.mark.parametrize("name", model_names())
def test_fewer_frames_than_a_batch_can_be_learnt(data: Prepared, name: str) -> None:
    few = replace(data, x=data.x[:20], positions=data.positions[:20])
    model = factory(name).create(few, BASIS, 2, 0, "cpu")
    assert np.isfinite(model.train(few, 0.2, (0.0, 1.0)).heldout_loglikelihood)
    assert np.isfinite(model.encode(few.x).latents).all()


@pytest.mark.parametrize("name", model_names())
def test_a_frame_far_outside_poisons_no_weights(data: Prepared, name: str) -> None:
    x = data.x.copy()
    x[::50] = 6e4
    spoilt = replace(data, x=x)
    model = factory(name).create(spoilt, BASIS, 2, 0, "cpu")
    model.train(spoilt, 0.3, (0.0, 1.0))
    assert all(np.isfinite(values).all() for values in model.arrays().values())
    found = model.encode(data.x)
    assert np.isfinite(found.rotation).all() and np.isfinite(found.latents).all()


def test_same_seed_gives_the_same_model(data: Prepared) -> None:
    for name in model_names():
        first, second = (factory(name).create(data, BASIS, 2, 3, "cpu").arrays() for _ in range(2))
        assert all(np.array_equal(first[key], second[key]) for key in first)


def test_free_gauge_is_left_to_the_com(data: Prepared) -> None:
    assert not HarmonicLearner.create(data, BASIS, 2, 0, "cpu", "free").fixes_rotation


def test_unknown_models_are_named_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match="harmonic"):
        factory("unheard-of")


def test_absent_cuda_is_said_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert torch_device("auto") == torch_device("cpu") == "cpu"
    with pytest.raises(ConfigError, match="CUDA"):
        torch_device("cuda")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="NOT CHECKED on a GPU: torch finds no CUDA device")
def test_cuda_gives_what_the_cpu_gives(trained: Model, data: Prepared) -> None:
    if trained.name == "exact":
        pytest.skip("the exact decoder computes on the CPU")
    on_gpu = factory(trained.name).from_settings(trained.settings(), "cuda")
    on_gpu.restore(trained.arrays())
    here, there = trained.encode(data.x), on_gpu.encode(data.x)
    assert np.abs(np.angle(np.exp(1j * (here.rotation - there.rotation))))[here.confidence > 0.5].max() < 0.01
    assert on_gpu.train(data, 1.5, (0.0, 1.0)).frames > 0
