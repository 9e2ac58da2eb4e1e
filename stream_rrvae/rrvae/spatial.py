"""The spatial model, the literature's: a network of coordinates draws the shape at every rotated pixel.

x = P f(R_-theta k; z) + noise of identity covariance: f is an MLP evaluated at each pixel k of a small Cartesian
grid over the disc, P projects that image onto the basis of the prepared features x (see `preparation`). Comparing
coefficients and not pixels makes the squared error the right likelihood. theta is one more latent with an
amortised normal posterior; as in the sources its mean is free and only its spread costs divergence.

Sources: Bepler et al., NeurIPS 2019, arXiv:1909.11663 (spatial-VAE); Oxley et al., npj Comput. Mater. 7, 65
(2021) and AtomAI 0.8's rVAE without translation, whose sizes and activations are the defaults.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from stream_rrvae.kernels.basis import BasisSpec, project_onto
from stream_rrvae.rrvae.harmonic import turned
from stream_rrvae.rrvae.leading import Leading

Angle = Literal["upright", "line"]
LOG_SPREAD_BOUNDS = (-7.0, 2.0)
FIRST_GAIN, FIRST_LOG_SPREAD = 3.0, -2.0  # of the latents' posterior


@dataclass(frozen=True, slots=True)
class SpatialSpec:
    """What builds a model; all of it is kept in a checkpoint.

    `angle` says what the encoder sees. "line": the frame, and it gives theta as any number, like the literature.
    "upright": what the harmonic model's encoder sees, the frame turned back by the phase of its leading
    coefficient; theta is that phase and a correction. Turning a frame then turns theta and nothing else.
    """

    basis: BasisSpec
    latents: int = 2
    hidden: int = 128
    grid_px: int = 16
    angle: Angle = "upright"
    angle_prior_rad: float = math.pi


class Posterior(NamedTuple):
    """Normal posterior: of theta [b] (rad, mean anywhere on the line) and of z [b, latents]."""

    angle: Tensor
    angle_log_sd: Tensor
    mean: Tensor
    log_sd: Tensor

    def sample(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """theta [b] and z [b, latents] for standard normal `noise` [b, 1 + latents]."""
        return self.angle + noise[:, 0] * self.angle_log_sd.exp(), self.mean + noise[:, 1:] * self.log_sd.exp()


class SpatialModel(nn.Module):
    """Encoder from prepared features, decoder by coordinates."""

    lean: Tensor  # [2, n_features], real and imaginary part of the leading coefficient
    coordinates: Tensor  # [p, 2], (kx, ky) of the grid's pixels in the disc, in disc radii
    projection: Tensor  # [p, n_features]

    def __init__(self, spec: SpatialSpec, leading: Leading) -> None:
        super().__init__()
        self.spec = spec
        self.leading_order = leading.order
        n, hidden = spec.basis.n_features, spec.hidden
        self.encoder = nn.Sequential(nn.Linear(n, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh())
        self.heads = nn.Linear(hidden, 2 + 2 * spec.latents)
        self.from_place = nn.Linear(2, hidden)
        self.from_latents = nn.Linear(spec.latents, hidden, bias=False)
        self.decoder = nn.Sequential(
            nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, 1)
        )
        self._begin_with_sure_latents()
        coordinates, projection = _grid(spec.basis, spec.grid_px)
        self.register_buffer("lean", torch.from_numpy(np.stack([leading.real, leading.imaginary])))
        self.register_buffer("coordinates", coordinates, persistent=False)
        self.register_buffer("projection", projection, persistent=False)

    def encode(self, x: Tensor) -> Posterior:
        """Posteriors for prepared features `x` [b, n_features]."""
        phase = self._phase(x)
        heads = self.heads(self.encoder(turned(x, -phase, self.spec.basis)))
        angle, angle_log_sd, mean, log_sd = heads.split([1, 1, self.spec.latents, self.spec.latents], 1)
        bounds = LOG_SPREAD_BOUNDS
        return Posterior(phase + angle[:, 0], angle_log_sd[:, 0].clamp(*bounds), mean, log_sd.clamp(*bounds))

    def decode(self, angle: Tensor, z: Tensor) -> Tensor:
        """Features [b, n_features] of the shapes of `z` [b, latents] turned by `angle` [b] (rad, from kx to ky)."""
        cos, sin = angle.cos(), angle.sin()
        back = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
        # Turning the network's first layer instead of every coordinate is the same and saves the largest product.
        place = self.coordinates @ (back @ self.from_place.weight.T)
        image = self.decoder(place + self.from_place.bias + self.from_latents(z)[:, None])
        features: Tensor = image[..., 0] @ self.projection
        return features

    def bound(self, x: Tensor, noise: Tensor, kl_weight: float) -> Tensor:
        """Lower bound [b] of log p(x) in nats beyond that of pure noise; `noise` [b, 1 + latents] is normal."""
        posterior = self.encode(x)
        shape = self.decode(*posterior.sample(noise))
        return (x * shape).sum(1) - 0.5 * shape.square().sum(1) - kl_weight * self._divergence(posterior)

    @torch.no_grad()
    def _begin_with_sure_latents(self) -> None:
        # Latents that begin as noise are ignored by the decoder, and then stay noise.
        latents = self.spec.latents
        self.heads.weight[2 : 2 + latents] *= FIRST_GAIN
        self.heads.bias[2 + latents :] = FIRST_LOG_SPREAD

    def _phase(self, x: Tensor) -> Tensor:
        """How far each frame is turned by its own leading coefficient [b] (rad); 0 where the encoder is to find it."""
        if self.spec.angle == "line":
            return x.new_zeros(len(x))
        real, imaginary = (x @ self.lean.T).unbind(1)
        return -torch.atan2(imaginary, real) / self.leading_order

    def _divergence(self, posterior: Posterior) -> Tensor:
        prior, spread, log_sd = self.spec.angle_prior_rad, posterior.angle_log_sd, posterior.log_sd
        of_angle = math.log(prior) - spread + 0.5 * (2 * spread).exp() / prior**2 - 0.5
        of_shape = 0.5 * (posterior.mean.square() + (2 * log_sd).exp() - 1.0) - log_sd
        return of_angle + of_shape.sum(1)


def _grid(basis: BasisSpec, side_px: int) -> tuple[Tensor, Tensor]:
    """Coordinates of the pixels in the disc and the orthonormal basis on them."""
    center = (side_px - 1) / 2
    usable = np.ones((side_px, side_px), np.bool_)
    # The basis reaches out to `radius` semi-angles: here that is the edge of the grid.
    projection = project_onto(basis, (side_px, side_px), (center, center), side_px / 2 / basis.radius, usable)
    ky, kx = np.divmod(projection.pixels, side_px)
    coordinates = (np.stack([kx, ky], 1) - center) / (side_px / 2)
    return torch.from_numpy(coordinates.astype(np.float32)), torch.from_numpy(projection.weights.copy())
