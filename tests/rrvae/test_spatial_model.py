"""The network of coordinates: turning, its bound, and what it learns."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from stream_rrvae.errors import CheckpointError
from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.rrvae.harmonic import turned
from stream_rrvae.rrvae.leading import center_of_mass
from stream_rrvae.rrvae.preparation import Prepared, whitened
from stream_rrvae.rrvae.spatial import SpatialModel, SpatialSpec
from stream_rrvae.rrvae.spatial_learner import SPATIAL_TRAINING, SpatialLearner

BASIS = BasisSpec()


@pytest.fixture
def network() -> SpatialModel:
    torch.manual_seed(0)
    return SpatialModel(SpatialSpec(BASIS, grid_px=32), center_of_mass(BASIS))


@pytest.fixture
def data(turning_scan: Any) -> Prepared:
    return whitened(turning_scan.features, np.arange(len(turning_scan.features)), 1e4, 0.0)


def test_decoded_shapes_turn_from_kx_to_ky_as_frames_do() -> None:
    torch.manual_seed(0)
    network = SpatialModel(SpatialSpec(BASIS, grid_px=64), center_of_mass(BASIS))
    z, angle = torch.randn(5, 2), torch.linspace(-3, 3, 5)
    with torch.no_grad():
        upright, decoded = network.decode(torch.zeros(5), z), network.decode(angle, z)
    assert decoded.shape == (5, BASIS.n_features)
    difference = (decoded - turned(upright, angle, BASIS)).norm(dim=1) / decoded.norm(dim=1)
    assert float(difference.max()) < 0.1  # a disc of square pixels is not quite round


def test_every_pixel_sees_only_its_own_rotated_place(network: SpatialModel) -> None:
    """A decoder that reads kx straight off: the image must be kx cos + ky sin, the frame leaning along theta."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.from_place.weight[0, 0] = 1e-2
        for layer in (network.decoder[1], network.decoder[3], network.decoder[5]):
            assert isinstance(layer, torch.nn.Linear)
            layer.weight[0, 0] = 1.0
    theta = 0.7
    features = network.decode(torch.tensor([theta]), torch.zeros(1, 2))[0]
    kx, ky = network.coordinates.unbind(1)
    expected = 1e-2 * (kx * math.cos(theta) + ky * math.sin(theta)) @ network.projection
    assert torch.allclose(features, expected, atol=1e-4)


def test_the_bound_counts_what_the_angle_and_the_shape_say(network: SpatialModel) -> None:
    x = torch.randn(6, BASIS.n_features)
    with torch.no_grad():
        posterior = network.encode(x)
        free, paid = (network.bound(x, torch.zeros(6, 3), weight) for weight in (0.0, 1.0))
    normal = torch.distributions.Normal
    of_shape = torch.distributions.kl_divergence(normal(posterior.mean, posterior.log_sd.exp()), normal(0.0, 1.0)).sum(
        1
    )
    of_angle = torch.distributions.kl_divergence(normal(0.0, posterior.angle_log_sd.exp()), normal(0.0, math.pi))
    assert torch.allclose(free - paid, of_shape + of_angle, atol=1e-4)
    shape = network.decode(posterior.angle, posterior.mean)
    assert torch.allclose(free, 0.5 * (x.square().sum(1) - (x - shape).square().sum(1)), atol=1e-3)


def test_the_literature_s_encoder_learns_and_comes_back_from_its_settings(data: Prepared) -> None:
    spec = SpatialSpec(BASIS, hidden=32, grid_px=12, angle="line")
    model = SpatialLearner(spec, center_of_mass(BASIS), 0, "cpu", SPATIAL_TRAINING)
    first = model.train(data, 0.2, (0.0, 0.1)).heldout_loglikelihood
    assert model.train(data, 2.0, (0.1, 1.0)).heldout_loglikelihood > first
    again = SpatialLearner.from_settings(model.settings(), "cpu")
    again.restore(model.arrays())
    assert np.array_equal(again.encode(data.x).rotation, model.encode(data.x).rotation)


OUT_OF_BOUNDS: list[dict[str, object]] = [
    {"grid_px": 10**6}, {"grid_px": 0}, {"latents": 0}, {"latents": 9}, {"hidden": 10**9}, {"angle": "other"},
    {"angle_prior_rad": 0.0}, {"angle_prior_rad": math.nan},
    {"basis": {"radius": math.nan}}, {"basis": {"n_radial": 0}},
]  # fmt: skip


@pytest.mark.parametrize("change", OUT_OF_BOUNDS)
def test_settings_out_of_bounds_build_no_model(change: dict[str, object]) -> None:
    plain = {"basis": {}, **change}
    with pytest.raises(CheckpointError):
        SpatialLearner.from_settings({"spec": plain, "leading_order": 1}, "cpu")


@pytest.mark.parametrize("settings", [{}, {"spec": None}, {"spec": {"hidden": "x"}}, {"spec": []}])
def test_settings_that_are_none_build_no_model(settings: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError):
        SpatialLearner.from_settings(settings, "cpu")


def test_weights_of_another_size_or_not_finite_are_refused(data: Prepared) -> None:
    model = SpatialLearner.create(data, BASIS, 2, 0, "cpu")
    arrays = dict(model.arrays())
    for name, value in (("heads.bias", np.zeros(3, np.float32)), ("heads.bias", np.full(6, np.nan, np.float32))):
        with pytest.raises(CheckpointError, match=r"heads\.bias"):
            model.restore({**arrays, name: value})
    del arrays["heads.bias"]
    with pytest.raises(CheckpointError, match="other weights"):
        model.restore(arrays)


def test_a_round_that_makes_it_worse_is_undone(data: Prepared) -> None:
    spec = SpatialSpec(BASIS, hidden=16, grid_px=8)
    model = SpatialLearner(spec, center_of_mass(BASIS), 0, "cpu", SPATIAL_TRAINING)
    model.train(data, 1.0, (0.0, 1.0))
    before = model.encode(data.x).rotation
    poisoned = data.x.copy()
    poisoned[::2] = np.nan
    report = model.train(replace(data, x=poisoned), 0.2, (0.5, 1.0))
    assert report.rolled_back
    assert np.array_equal(model.encode(data.x).rotation, before)
