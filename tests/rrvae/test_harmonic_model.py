"""The model's mathematics: turning, the exact posterior of the angle, the gauge, gradients."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.distributions import Normal
from torch.distributions import kl_divergence as reference

from stream_rrvae.kernels.basis import BasisSpec, project_onto
from stream_rrvae.rrvae.harmonic import N_ANGLES, Gauge, HarmonicModel, HarmonicSpec, kl_divergence, turned
from stream_rrvae.rrvae.leading import center_of_mass, leading_of

BASIS = BasisSpec()


def model_of(gauge: Gauge = "decoder") -> HarmonicModel:
    torch.manual_seed(0)
    return HarmonicModel(HarmonicSpec(BASIS, gauge=gauge), center_of_mass(BASIS))


def noise(n: int, seed: int = 0) -> Tensor:
    return torch.randn(n, BASIS.n_features, generator=torch.Generator().manual_seed(seed))


def test_turned_features_are_those_of_the_turned_pattern() -> None:
    k = np.arange(64) - 31.5
    ky, kx = np.meshgrid(k, k, indexing="ij")

    def blob(angle: float) -> NDArray[np.float64]:
        return np.asarray(np.exp(-((kx - 10 * np.cos(angle)) ** 2 + (ky - 10 * np.sin(angle)) ** 2) / 40))

    basis = project_onto(BASIS, (64, 64), (31.5, 31.5), 30.0, np.ones((64, 64), np.bool_))
    features = [torch.from_numpy(basis.weights.T @ blob(a).ravel()[basis.pixels])[None].float() for a in (0.3, 1.2)]
    expected, found = features[1], turned(features[0], torch.tensor([0.9]), BASIS)
    assert (found - expected).norm() < 0.01 * expected.norm()


@pytest.mark.parametrize("steps", [1, 17, 100])
def test_posterior_turns_with_the_pattern(steps: int) -> None:
    model, x, shape = model_of(), noise(5), noise(5, seed=1)
    alpha = 2 * math.pi * steps / N_ANGLES
    before = model.correlation(x, shape)
    after = model.correlation(turned(x, torch.full((5,), alpha), BASIS), shape)
    assert torch.allclose(after, before.roll(steps, dims=1), atol=1e-3)


@torch.no_grad()
def test_marginal_likelihood_is_that_of_brute_force() -> None:
    model, x, shape = model_of(), noise(4), 0.5 * noise(4, seed=1)
    angles = np.linspace(0, 2 * np.pi, 5000, endpoint=False)
    for frame, c, found in zip(x, shape, model.log_likelihood(x, shape), strict=True):
        rotations = turned(c.expand(len(angles), -1), torch.from_numpy(angles).float(), BASIS).double()
        relative = -0.5 * (frame - rotations).square().sum(1) + 0.5 * frame.double().square().sum()
        brute = torch.logsumexp(relative, 0) - math.log(len(angles))
        assert float(found) == pytest.approx(float(brute), abs=1e-3)


@torch.no_grad()
def test_latents_do_not_see_how_a_frame_is_turned() -> None:
    model, x = model_of(), noise(6)
    angle = torch.tensor([0.1, 1.0, -2.0, 3.0, 0.5, -0.7])
    assert torch.allclose(model.encode(turned(x, angle, BASIS)).mean, model.encode(x).mean, atol=1e-4)


@torch.no_grad()
def test_every_decoded_shape_leans_along_x() -> None:
    model = model_of()
    along, across = (model.decode(10 * torch.randn(1000, 2)) @ model.lean.T).unbind(1)
    assert float(along.min()) > 0.0
    assert float(across.abs().max()) < 1e-4


@torch.no_grad()
def test_free_gauge_lets_shapes_lean_anywhere() -> None:
    model = model_of("free")
    across = (model.decode(10 * torch.randn(1000, 2)) @ model.lean.T)[:, 1]
    assert float(across.abs().max()) > 0.1


@torch.no_grad()
def test_gauge_holds_in_a_subspace() -> None:
    model = model_of()
    columns = torch.linalg.qr(torch.randn(BASIS.n_features, BASIS.n_features))[0][:, :30]
    model.set_subspace((columns @ columns.T).numpy())
    shape = model.decode(torch.randn(100, 2))
    assert torch.allclose(shape, shape @ model.subspace, atol=1e-4)


def test_gradient_reaches_every_weight() -> None:
    model, x = model_of(), 3 * noise(64)
    posterior = model.encode(x)
    z = posterior.mean + (0.5 * posterior.log_variance).exp() * torch.randn_like(posterior.mean)
    loss = (kl_divergence(posterior) - model.log_likelihood(x, model.decode(z))).mean()
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    for name, weight in model.named_parameters():
        assert weight.grad is not None and float(weight.grad.abs().max()) > 0, name


@torch.no_grad()
def test_kl_is_that_of_torch() -> None:
    posterior = model_of().encode(3 * noise(8))
    spread = (0.5 * posterior.log_variance).exp()
    expected = reference(Normal(posterior.mean, spread), Normal(torch.zeros(()), torch.ones(()))).sum(1)
    assert torch.allclose(kl_divergence(posterior), expected, atol=1e-5)


def test_leading_coefficient_is_the_center_of_mass() -> None:
    k = np.arange(64) - 31.5
    ky, kx = np.meshgrid(k, k, indexing="ij")
    basis = project_onto(BASIS, (64, 64), (31.5, 31.5), 31.0, np.ones((64, 64), np.bool_))
    leading = center_of_mass(BASIS)
    pattern = np.exp(-((kx - 4) ** 2 + (ky - 7) ** 2) / (2 * 6.0**2)).ravel()[basis.pixels]
    features = basis.weights.T @ pattern
    moment_y, moment_x = pattern @ ky.ravel()[basis.pixels], pattern @ kx.ravel()[basis.pixels]
    found = -math.atan2(features @ leading.imaginary, features @ leading.real)
    assert found == pytest.approx(math.atan2(moment_y, moment_x), abs=0.02)


def test_another_order_leads_where_there_is_no_first() -> None:
    x = np.zeros((50, BASIS.n_features), np.float32)
    x[:, BASIS.n_radial * 3] = 1.0  # m = 2
    assert leading_of(x, BASIS, 0.0).order == 2
