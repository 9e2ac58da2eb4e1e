"""The steerable basis: a pattern inside the bright disc as Fourier-Bessel coefficients.

a_mn = sum over pixels of x(r, phi) J_m(lambda_mn r / R) exp(-i m phi), m = 0..M, n = 1..K, with
lambda_mn the n-th zero of J_m and R the disc radius times `radius`. Turning the pattern by
+alpha multiplies a_mn by exp(-i m alpha), exactly, with no interpolation.

Source: Fourier-Bessel expansion on a disc, e.g. Zhao & Singer, J. Opt. Soc. Am. A 30, 871 (2013).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import jn_zeros, jv

from stream_rrvae.messages import BoolArray, Float32Array


@dataclass(frozen=True, slots=True)
class BasisSpec:
    """Which coefficients: orders 0..max_order, n_radial of each, out to `radius` semi-angles.

    Layout of a feature vector: the n_radial real numbers of m = 0, then for m = 1..max_order
    and n = 1..n_radial the pair (real part, imaginary part).
    """

    max_order: int = 6
    n_radial: int = 6
    radius: float = 1.0

    @property
    def n_features(self) -> int:
        """Real numbers a frame."""
        return self.n_radial * (2 * self.max_order + 1)


@dataclass(frozen=True, slots=True)
class Projection:
    """The basis on one detector: features = scale * (weights.T @ x[pixels]) / sum(x[pixels]) - offset.

    Columns of `weights` are orthonormal over the usable pixels and scale = sqrt(len(pixels)), so
    with N counts in the disc the noise covariance of the features is the identity over N (Poisson,
    flat disc). `offset` are the features of an evenly lit disc: what is left is the modulation.
    """

    spec: BasisSpec
    pixels: NDArray[np.int32]  # [p] row-major indices of the usable pixels inside the disc
    weights: Float32Array  # [p, n_features]
    scale: float
    offset: Float32Array  # [n_features]


def project_onto(
    spec: BasisSpec, frame_shape: tuple[int, int], center_px: tuple[float, float], radius_px: float, usable: BoolArray
) -> Projection:
    """The basis for a disc at `center_px` (ky, kx) of `radius_px`, on the pixels where `usable` [ky, kx]."""
    ky, kx = np.indices(frame_shape, dtype=np.float64)
    dy, dx = ky - center_px[0], kx - center_px[1]
    reach_px = radius_px * spec.radius
    inside = (np.hypot(dy, dx) < reach_px) & usable
    r = np.hypot(dy, dx)[inside] / reach_px
    phi = np.arctan2(dy, dx)[inside]
    weights = _orthonormal(_columns(spec, r, phi))
    scale = float(np.sqrt(r.size))
    offset = scale * weights.mean(axis=0)
    pixels = np.flatnonzero(inside).astype(np.int32)
    return Projection(spec, pixels, weights.astype(np.float32), scale, offset.astype(np.float32))


def to_complex(features: NDArray[np.floating], spec: BasisSpec) -> NDArray[np.complex64]:
    """Features [..., n_features] as coefficients a_mn [..., max_order + 1, n_radial]."""
    k = spec.n_radial
    values = np.asarray(features, np.float32)
    pairs = values[..., k:].reshape(*values.shape[:-1], spec.max_order, k, 2)
    coefficients = np.zeros((*values.shape[:-1], spec.max_order + 1, k), np.complex64)
    coefficients[..., 0, :] = values[..., :k]
    coefficients[..., 1:, :] = pairs[..., 0] + 1j * pairs[..., 1]
    return coefficients


def _columns(spec: BasisSpec, r: NDArray[np.float64], phi: NDArray[np.float64]) -> NDArray[np.float64]:
    """Basis functions [p, n_features] at polar positions, each of unit length."""
    columns = []
    for m in range(spec.max_order + 1):
        for zero in jn_zeros(m, spec.n_radial):
            radial = jv(m, zero * r)
            if m == 0:
                columns.append(radial)
            else:
                columns.extend((radial * np.cos(m * phi), -radial * np.sin(m * phi)))
    matrix = np.stack(columns, axis=1)
    return np.asarray(matrix / np.linalg.norm(matrix, axis=0))


def _orthonormal(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """The orthonormal set nearest to `columns` (Loewdin): keeps every function as turnable as pixels allow."""
    values, vectors = np.linalg.eigh(columns.T @ columns)
    return np.asarray(columns @ (vectors / np.sqrt(values)) @ vectors.T)
