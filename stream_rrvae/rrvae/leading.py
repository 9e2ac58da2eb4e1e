"""The leading coefficient: the number whose phase says which way a pattern leans.

For order 1 it is the centre of mass of the pattern inside the disc, as a linear function of the
coefficients: known beforehand, the same for every scan, and what theta is compared with. Where a
specimen has no first order (patterns symmetric under a half turn), another order takes its place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import jnp_zeros, jv

from stream_rrvae.kernels.basis import BasisSpec, to_complex
from stream_rrvae.messages import Float32Array

SMALLEST_SHARE = 0.05  # of the modulation, for the first order to set the gauge


@dataclass(frozen=True, slots=True)
class Leading:
    """Order m and the unit vectors [n_features] that give real and imaginary part of the coefficient."""

    order: int
    real: Float32Array
    imaginary: Float32Array


def center_of_mass(basis: BasisSpec) -> Leading:
    """The first moment of the pattern: sum over the disc of x r exp(-i phi), in the basis."""
    r = (np.arange(4096) + 0.5) / 4096
    overlaps = []
    for zero in jnp_zeros(1, basis.n_radial):
        radial = jv(1, zero * r)
        overlaps.append((radial * r * r).sum() / np.sqrt((radial * radial * r).sum()))
    return _along(basis, 1, np.asarray(overlaps, np.complex128))


def strongest_mode(x: Float32Array, basis: BasisSpec, order: int) -> Leading:
    """The radial shape that explains most of order `order` in prepared features `x` [n, n_features]."""
    coefficients = to_complex(x, basis)[:, order]
    _, vectors = np.linalg.eigh(coefficients.T @ coefficients.conj())
    return _along(basis, order, vectors[:, -1])


def leading_of(x: Float32Array, basis: BasisSpec, noise_variance: float) -> Leading:
    """The COM, or where order 1 is all but absent in `x` [n, n_features] the strongest order's first mode."""
    power = (np.abs(to_complex(x, basis)[:, 1:]) ** 2).sum(axis=2).mean(axis=0)
    signal = np.maximum(power - 2 * basis.n_radial * noise_variance, 0.0)
    if signal[0] >= SMALLEST_SHARE * signal.sum():
        return center_of_mass(basis)
    return strongest_mode(x, basis, int(signal.argmax()) + 1)


def _along(basis: BasisSpec, order: int, vector: np.ndarray[tuple[int, ...], np.dtype[np.complex128]]) -> Leading:
    """u^H a_m for a unit vector u [n_radial] as two real projections of the feature vector."""
    unit = vector / np.linalg.norm(vector)
    start = basis.n_radial * (2 * order - 1)
    real, imaginary = np.zeros((2, basis.n_features), np.float32)
    pairs = slice(start, start + 2 * basis.n_radial)
    real[pairs] = np.stack([unit.real, unit.imag], 1).ravel()
    imaginary[pairs] = np.stack([-unit.imag, unit.real], 1).ravel()
    return Leading(order, real, imaginary)
