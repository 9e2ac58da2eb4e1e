"""The harmonic model: one shape c(z) in Fourier-Bessel coefficients, turned by theta, plus unit noise.

x = R_theta c(z) + noise of identity covariance, with x the prepared features of a frame (see
`preparation`). Turning by theta multiplies c_mn by exp(-i m theta), so the log-likelihood at every
angle at once is a short Fourier sum over m; it is marginalised over theta exactly (on a grid of
angles), never guessed by a network. z has a normal prior and an amortised normal posterior.

Gauge: without more, theta -> theta + g(z) changes nothing in the likelihood. With gauge "decoder"
the leading coefficient of the decoded shape (its COM, see `leading`) is real and positive for
every z, so theta has one meaning: the direction in which the decoded shape leans.

Sources: Oxley et al., npj Comput. Mater. 7, 65 (2021) for the rrVAE; Nasiri & Bepler, NeurIPS 2022
(TARGET-VAE) for the exact posterior over angles; Kingma & Welling (2014) for the bound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.messages import Float32Array
from stream_rrvae.rrvae.leading import Leading

Gauge = Literal["decoder", "free", "data"]
Readout = Literal["linear", "decoded"]  # latents as the linear part of what z does to the shape, or all of it
N_ANGLES = 128


@dataclass(frozen=True, slots=True)
class HarmonicSpec:
    """What builds a model; all of it is kept in a checkpoint."""

    basis: BasisSpec
    latents: int = 2
    hidden: int = 64
    gauge: Gauge = "decoder"
    # Shapes of one rotation form a curved surface that a plane of z holds only with cuts: one more number.
    spare: int = 0
    readout: Readout = "linear"

    @property
    def inner(self) -> int:
        """How many numbers z has; `latents` of its principal scores are published."""
        return self.latents + self.spare


@dataclass(frozen=True, slots=True)
class Posterior:
    """Normal posterior of z: `mean` and `log_variance` [b, inner]."""

    mean: Tensor
    log_variance: Tensor


class HarmonicModel(nn.Module):
    """Encoder, decoder and the exact posterior of the angle; `leading` sets the gauge.

    The model lives in a subspace that commutes with turning (`set_subspace`; at first everything).
    """

    leading: Tensor  # [2, n_features], real and imaginary part of the leading coefficient
    lean: Tensor  # the same, as seen in the subspace, of unit length
    subspace: Tensor  # [n_features, n_features], a projector
    table: Tensor  # [2 M + 1, N_ANGLES]

    def __init__(self, spec: HarmonicSpec, leading: Leading) -> None:
        super().__init__()
        self.spec = spec
        self.leading_order = leading.order
        n = spec.basis.n_features
        self.encoder = _mlp(n, spec.hidden, 2 * spec.inner)
        self.decoder = _mlp(spec.inner, spec.hidden, n)
        self.linear = nn.Linear(spec.inner, n)
        self.register_buffer("leading", torch.from_numpy(np.stack([leading.real, leading.imaginary])))
        self.register_buffer("lean", self.leading.clone())
        self.register_buffer("subspace", torch.eye(n))
        self.register_buffer("table", torch.from_numpy(_angle_table(spec.basis.max_order)), persistent=False)

    def set_subspace(self, projector: Float32Array) -> None:
        """Confine shapes to the range of `projector` [n_features, n_features]; the caller projects the frames."""
        self.subspace.copy_(torch.from_numpy(projector))
        seen = self.leading @ self.subspace
        self.lean.copy_(seen / seen.norm(dim=1, keepdim=True).clamp_min(1e-12))

    def encode(self, x: Tensor) -> Posterior:
        """Posterior of z for prepared features `x` [b, n_features]; turning x changes nothing in it."""
        mean, log_variance = self.encoder(self.upright(x)).chunk(2, dim=1)
        return Posterior(mean, log_variance.clamp(-12.0, 4.0))

    def decode(self, z: Tensor) -> Tensor:
        """Shapes c(z) [b, n_features] for `z` [b, inner], in the model's gauge."""
        shape: Tensor = (self.linear(z) + self.decoder(z)) @ self.subspace
        return shape if self.spec.gauge == "free" else self._lean_along_x(shape)

    def correlation(self, x: Tensor, shape: Tensor) -> Tensor:
        """<x, R_theta shape> [b, N_ANGLES] on the grid theta_j = 2 pi j / N_ANGLES."""
        return self.harmonics(x, shape) @ self.table

    def log_likelihood(self, x: Tensor, shape: Tensor) -> Tensor:
        """log p(x | z) [b] in nats beyond that of pure noise, marginalised over theta."""
        if self.spec.gauge == "data":
            return (self.upright(x) * shape).sum(1) - 0.5 * shape.square().sum(1)
        correlation = self.correlation(x, shape)
        return torch.logsumexp(correlation, 1) - math.log(N_ANGLES) - 0.5 * shape.square().sum(1)

    def upright(self, x: Tensor) -> Tensor:
        """`x` turned back so that its own leading coefficient is real and positive."""
        real, imaginary = (x @ self.lean.T).unbind(1)
        angle = -torch.atan2(imaginary, real) / self.leading_order
        return turned(x, -angle, self.spec.basis)

    def harmonics(self, x: Tensor, shape: Tensor) -> Tensor:
        """P_m = sum_n a_mn conj(c_mn) as [b, 2 M + 1]: P_0, then real parts, then imaginary parts."""
        k, orders = self.spec.basis.n_radial, self.spec.basis.max_order
        a, c = (v[:, k:].reshape(-1, orders, k, 2) for v in (x, shape))
        level = (x[:, :k] * shape[:, :k]).sum(1, keepdim=True)
        real = (a * c).sum((2, 3))
        imaginary = (a[..., 1] * c[..., 0] - a[..., 0] * c[..., 1]).sum(2)
        return torch.cat([level, real, imaginary], 1)

    def _lean_along_x(self, shape: Tensor) -> Tensor:
        along, across = (shape @ self.lean.T).unbind(1)
        change = torch.stack([functional.softplus(along) - along, -across], 1)
        return shape + change @ self.lean


def turned(x: Tensor, angle: Tensor, basis: BasisSpec) -> Tensor:
    """Features `x` [b, n_features] of the patterns turned by `angle` [b] (rad, from kx towards ky)."""
    k, orders = basis.n_radial, basis.max_order
    phase = angle[:, None] * torch.arange(1, orders + 1, device=x.device)
    cos, sin = phase.cos()[..., None], phase.sin()[..., None]
    real, imaginary = x[:, k:].reshape(-1, orders, k, 2).unbind(3)
    pairs = torch.stack([cos * real + sin * imaginary, cos * imaginary - sin * real], 3)
    return torch.cat([x[:, :k], pairs.flatten(1)], 1)


def kl_divergence(posterior: Posterior) -> Tensor:
    """KL(q(z|x) || N(0, 1)) [b] in nats."""
    mean, log_variance = posterior.mean, posterior.log_variance
    return 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).sum(1)


def _angle_table(max_order: int) -> Float32Array:
    angles = 2 * np.pi * np.arange(N_ANGLES) / N_ANGLES
    phase = np.arange(1, max_order + 1)[:, None] * angles
    return np.concatenate([np.ones((1, N_ANGLES)), np.cos(phase), -np.sin(phase)]).astype(np.float32)


def _mlp(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, outputs)
    )
