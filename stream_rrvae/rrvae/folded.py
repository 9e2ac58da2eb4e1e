"""The harmonic model with its weights folded into the modes that hold signal: what whole scans are encoded by.

A model sees only the modes of its subspace, 4 to 40 of 100 numbers a frame. Frames are taken into these coordinates
once (`turning`), and the first and last layers of its networks are multiplied with them beforehand: the same answers
for a fraction of the work. Training keeps the weights as they are, since the subspace moves from round to round.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from stream_rrvae.rrvae.harmonic import N_ANGLES, HarmonicModel
from stream_rrvae.rrvae.subspace import modes_of
from stream_rrvae.rrvae.turning import Turning

Layer = tuple[Tensor, Tensor]  # weight as it is multiplied from the right [inputs, outputs], bias


class Read(NamedTuple):
    """What the model says of b frames: `mean` and `log_variance` [b, inner] of z, `shape` [b, k] of its mean."""

    mean: Tensor
    log_variance: Tensor
    shape: Tensor


class FoldedModel:
    """`model` as it is now, in the coordinates of `axes` [n_features, k]."""

    @torch.no_grad()
    def __init__(self, model: HarmonicModel) -> None:
        lean = model.lean
        modes = modes_of(model.subspace.cpu().numpy(), model.spec.basis, model.leading_order)
        turning = Turning.of(modes, model.spec.basis, lean.cpu().numpy(), model.leading_order)
        self.axes = torch.from_numpy(turning.axes).to(lean.device)
        self.spec, self.leading_order, self._n_level = model.spec, model.leading_order, turning.n_level
        self._lead = torch.from_numpy(turning.lead.T.copy()).to(lean.device)
        self._orders = torch.from_numpy(turning.orders.astype(np.float32)).to(lean.device)
        self._table = torch.from_numpy(_angle_table(turning)).to(lean.device)
        first, second, last = _layers(model.encoder)
        self._encoder = (self.axes.T @ first[0], first[1]), second, last
        first, second, last = _layers(model.decoder)
        self._decoder = first, second, (last[0] @ self.axes, (last[1] + model.linear.bias) @ self.axes)
        self._linear = model.linear.weight.T @ self.axes

    def seen(self, x: Tensor) -> Tensor:
        """Coordinates [b, k] of prepared features `x` [b, n_features]."""
        return x @ self.axes

    def leaning(self, seen: Tensor) -> Tensor:
        """Unit vectors [b, 2] along which frames lean by themselves: the leading coefficient's cosine and sine."""
        real, imaginary = (seen @ self._lead).unbind(1)
        return functional.normalize(torch.stack([real, -imaginary], 1))

    def read(self, seen: Tensor) -> Read:
        """Posterior of z, and the shape of its mean."""
        answer = _through(self._encoder, self._upright(seen))
        inner = self.spec.inner
        mean, log_variance = answer[:, :inner], answer[:, inner:].clamp(-12.0, 4.0)
        return Read(mean, log_variance, self.decode(mean))

    def decode(self, z: Tensor) -> Tensor:
        """Shapes [b, k] for `z` [b, inner], in the model's gauge."""
        shape = _through(self._decoder, z).addmm_(z, self._linear)
        if self.spec.gauge == "free":
            return shape
        along, across = (shape @ self._lead).unbind(1)
        return shape.addmm_(torch.stack([functional.softplus(along) - along, -across], 1), self._lead.T)

    def correlation(self, seen: Tensor, shape: Tensor) -> Tensor:
        """<x, R_theta shape> [b, N_ANGLES] as of the model, less order 0, which is the same at every angle."""
        product = self._pairs(seen) * self._pairs(shape).conj()
        return torch.view_as_real(product).flatten(1) @ self._table

    def _upright(self, seen: Tensor) -> Tensor:
        """Frames turned back so that their own leading coefficients are real and positive."""
        real, imaginary = (seen @ self._lead).unbind(1)
        phase = (torch.atan2(imaginary, real) * (-1.0 / self.leading_order))[:, None] * self._orders
        turned = self._pairs(seen) * torch.complex(phase.cos(), phase.sin())
        return torch.cat([seen[:, : self._n_level], torch.view_as_real(turned).flatten(1)], 1)

    def _pairs(self, seen: Tensor) -> Tensor:
        return torch.view_as_complex(seen[:, self._n_level :].contiguous().view(len(seen), -1, 2))


def _layers(network: nn.Sequential) -> tuple[Layer, Layer, Layer]:
    first, second, last = (part for part in network if isinstance(part, nn.Linear))
    return tuple((part.weight.T, part.bias) for part in (first, second, last))  # type: ignore[return-value]


def _through(layers: tuple[Layer, Layer, Layer], x: Tensor) -> Tensor:
    for weight, bias in layers[:-1]:
        x = functional.silu(torch.addmm(bias, x, weight), inplace=True)
    weight, bias = layers[-1]
    return torch.addmm(bias, x, weight)


def _angle_table(turning: Turning) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """[2 pairs, N_ANGLES]: what real and imaginary part of each pair's product give at each angle."""
    phase = turning.orders[:, None] * (2 * math.pi / N_ANGLES) * np.arange(N_ANGLES)
    return np.stack([np.cos(phase), -np.sin(phase)], 1).reshape(-1, N_ANGLES).astype(np.float32)
