"""Coordinates in the signal subspace that still turn by phases: what a bank of shapes is compared in.

The modes that `subspace` keeps of each order become one complex number a mode (one real number for order 0), so a
frame of 100 features is 10 to 30 numbers, and turning it by theta multiplies those of order m by exp(-i m theta).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.messages import Float32Array
from stream_rrvae.rrvae.subspace import SignalModes


@dataclass(frozen=True, slots=True)
class Turning:
    """`axes` [n_features, n] orthonormal: `n_level` of order 0, then pairs (re, im) of `orders` [n_pairs]."""

    axes: Float32Array
    n_level: int
    orders: NDArray[np.int64]
    lead: Float32Array  # [2, n] real and imaginary part of the leading coefficient, of unit length
    leading_order: int

    @classmethod
    def of(cls, modes: SignalModes, basis: BasisSpec, lean: Float32Array, leading_order: int) -> Turning:
        """From the kept modes and the leading coefficient `lean` [2, n_features] as the subspace sees it."""
        columns, orders = [], []
        for order, vectors in enumerate(modes):
            for mode in vectors.T:
                columns.extend(_axes_of(mode, order, basis))
                orders.append(order)
        axes = np.stack(columns, axis=1).astype(np.float32)
        n_level = orders.count(0)
        return cls(axes, n_level, np.asarray(orders[n_level:]), lean @ axes, leading_order)

    def turned(self, x: Tensor, angle: Tensor) -> Tensor:
        """Coordinates `x` [..., n] turned by `angle` [...] (rad, from kx towards ky)."""
        real, imaginary = x[..., self.n_level :].reshape(*x.shape[:-1], -1, 2).unbind(-1)
        pairs = torch.complex(real, imaginary)
        phase = -angle[..., None] * torch.from_numpy(self.orders)
        turned = pairs * torch.polar(torch.ones_like(phase), phase).to(pairs.dtype)
        return torch.cat([x[..., : self.n_level], torch.view_as_real(turned).flatten(-2)], -1)

    def leading(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Length and direction (rad, `leading_order` times the angle) of the leading coefficient of `x` [b, n]."""
        real, imaginary = (x @ torch.from_numpy(self.lead).T).unbind(-1)
        return torch.hypot(real, imaginary), -torch.atan2(imaginary, real)


def _axes_of(mode: NDArray[np.complex128], order: int, basis: BasisSpec) -> list[NDArray[np.float64]]:
    k = basis.n_radial
    if order == 0:
        axis = np.zeros(basis.n_features)
        axis[:k] = mode.real
        return [axis]
    real, imaginary = np.zeros((2, basis.n_features))
    pairs = slice(k * (2 * order - 1), k * (2 * order + 1))
    real[pairs] = np.stack([mode.real, mode.imag], 1).ravel()
    imaginary[pairs] = np.stack([-mode.imag, mode.real], 1).ravel()
    return [real, imaginary]
