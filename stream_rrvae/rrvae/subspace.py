"""The signal subspace: the radial shapes of each order that stand out of the noise.

Principal components of each order's coefficients a_m over the scan (steerable PCA). They commute with
turning, so nothing of the model changes; but a network that never sees the noise-only directions
cannot fit them, which is what makes models of a few thousand noisy frames collapse or overfit.

Source: Zhao, Shkolnisky & Singer, IEEE Trans. Comput. Imaging 2, 1 (2016), steerable PCA.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.kernels.basis import BasisSpec, to_complex
from stream_rrvae.messages import Float32Array

NOISE_MARGIN = 4.0  # above the largest eigenvalue of pure noise, in units of its own scatter sqrt(K / n)
SMALLEST_EXCESS = 0.1  # of the noise variance: the noise of real discs is not the identity to better than that
SMALLEST_SIGNAL = 0.25  # of one frame's noise variance, for a mode to be worth modelling in noise-free data


SignalModes = list[NDArray[np.complex128]]
"""For each order the radial shapes that hold signal, as columns [n_radial, n_kept]."""


def signal_modes(
    x: Float32Array,
    basis: BasisSpec,
    noise_variance: float,
    leading_order: int = 1,
    smallest_excess: float = SMALLEST_EXCESS,
) -> SignalModes:
    """The modes of prepared features `x` [n, n_features] that exceed the noise by `smallest_excess` of its variance.

    The strongest mode of `leading_order` is always among them: with it alone the model is the COM's, never nothing.
    """
    coefficients = to_complex(x, basis)
    threshold = _threshold(len(x), basis, noise_variance, smallest_excess)
    modes = []
    for order in range(basis.max_order + 1):
        values, vectors = _spectrum(coefficients[:, order], 1 if order == 0 else 2)
        kept = values > threshold
        kept[-1] |= order == leading_order
        modes.append(vectors[:, kept])
    return modes


def signal_subspace(x: Float32Array, basis: BasisSpec, noise_variance: float, leading_order: int = 1) -> Float32Array:
    """Projector [n_features, n_features] onto the modes of prepared features `x` [n, n_features]."""
    return projector_onto(signal_modes(x, basis, noise_variance, leading_order), basis)


def projector_onto(modes: SignalModes, basis: BasisSpec) -> Float32Array:
    """Projector [n_features, n_features] onto `modes`."""
    projector = np.zeros((basis.n_features, basis.n_features), np.float32)
    for order, kept in enumerate(modes):
        start, block = _block(kept @ kept.conj().T, order)
        projector[start : start + len(block), start : start + len(block)] = block
    return projector


def modes_of(projector: Float32Array, basis: BasisSpec, leading_order: int = 1) -> SignalModes:
    """The modes that `projector` [n_features, n_features] keeps: what `projector_onto` made it from, or their like."""
    k, orders = basis.n_radial, basis.max_order
    blocks = np.empty((orders + 1, k, k), np.complex128)
    blocks[0] = projector[:k, :k]
    turning = projector[k:, k:].reshape(orders, k, 2, orders, k, 2)
    for order in range(orders):
        blocks[order + 1] = turning[order, :, 0, order, :, 0] + 1j * turning[order, :, 1, order, :, 0]
    values, vectors = np.linalg.eigh(blocks)
    kept = values > 0.5
    kept[leading_order, -1] = True
    return [vectors[order][:, kept[order]] for order in range(orders + 1)]


def _threshold(n: int, basis: BasisSpec, noise_variance: float, smallest_excess: float) -> float:
    if noise_variance == 0.0:
        return SMALLEST_SIGNAL
    return noise_variance * (1.0 + max(NOISE_MARGIN * math.sqrt(basis.n_radial / n), smallest_excess))


def _spectrum(a: NDArray[np.complex64], components: int) -> tuple[NDArray[np.float64], NDArray[np.complex128]]:
    """Variances per real component, ascending, and radial shapes (columns) of coefficients `a` [n, n_radial]."""
    covariance = (a.T @ a.conj()).astype(np.complex128) / (components * len(a))
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(values), np.asarray(vectors)


def _block(projector: NDArray[np.complex128], order: int) -> tuple[int, NDArray[np.float64]]:
    """A complex projector of one order as a real one on its (re, im) pairs, and where it starts."""
    k = len(projector)
    if order == 0:
        return 0, projector.real
    block = np.empty((k, 2, k, 2))
    block[:, 0, :, 0] = block[:, 1, :, 1] = projector.real
    block[:, 0, :, 1], block[:, 1, :, 0] = -projector.imag, projector.imag
    return k * (2 * order - 1), block.reshape(2 * k, 2 * k)
