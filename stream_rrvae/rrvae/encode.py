"""What a harmonic model says of frames: direction and spread of the exact posterior of theta, and z.

theta is the mean direction of its posterior (the estimate of least expected 1 - cos of the error), not
the mode: on the reference data it is 0.05 degrees nearer to the COM without noise and 1.4 at 1e4 electrons.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from stream_rrvae.messages import Float32Array
from stream_rrvae.rrvae.harmonic import N_ANGLES, HarmonicModel
from stream_rrvae.rrvae.model import Encoding
from stream_rrvae.rrvae.principal import principal_scores

CHUNK = 8192


@torch.no_grad()
def encode(model: HarmonicModel, x: Tensor) -> Encoding:
    """Encode projected features `x` [n, n_features]."""
    parts = [_encode_chunk(model, chunk) for chunk in torch.split(x, CHUNK)]
    vector, z, shape = (torch.cat(columns).cpu().numpy() for columns in zip(*parts, strict=True))
    decoded = shape if model.spec.readout == "decoded" else None
    response = _response(model, x[:: stride(len(x))])
    scores, explained = principal_scores(z, *response, model.spec.latents, decoded)
    order = model.leading_order
    return Encoding(
        rotation=(np.arctan2(vector[:, 1], vector[:, 0]) / order).astype(np.float32),
        confidence=np.minimum(np.hypot(vector[:, 0], vector[:, 1]), 1.0).astype(np.float32),
        latents=scores,
        explained=explained,
    )


def _encode_chunk(model: HarmonicModel, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean of exp(i order theta) over the posterior as [n, 2], the posterior means of z, and their shapes."""
    z = model.encode(x).mean
    shape = model.decode(z)
    angles = model.leading_order * torch.arange(N_ANGLES, device=x.device) * (2 * torch.pi / N_ANGLES)
    if model.spec.gauge == "data":
        real, imaginary = (x @ model.lean.T).unbind(1)
        return torch.nn.functional.normalize(torch.stack([real, -imaginary], 1)), z, shape
    posterior = torch.softmax(model.correlation(x, shape), 1)
    return posterior @ torch.stack([angles.cos(), angles.sin()], 1), z, shape


def _response(model: HarmonicModel, x: Tensor) -> tuple[Float32Array, Float32Array]:
    """Samples of z from the posteriors of some frames, and their shapes: what z does to the shape.

    Samples and not means: a latent that says nothing has means near 0 but samples over the whole prior,
    to which its decoder is flat.
    """
    posterior = model.encode(x)
    generator = torch.Generator(x.device).manual_seed(0)
    sample = torch.empty_like(posterior.mean).normal_(generator=generator)
    z = posterior.mean + sample * (0.5 * posterior.log_variance).exp()
    return z.cpu().numpy(), model.decode(z).cpu().numpy()


def stride(n: int) -> int:
    """Step that leaves at most `CHUNK` of n."""
    return max(1, -(-n // CHUNK))
