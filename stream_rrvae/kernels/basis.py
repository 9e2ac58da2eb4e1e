"""The steerable basis: a pattern inside the bright disc as Fourier-Bessel coefficients.

a_mn = sum over pixels of x(r, phi) J_m(lambda_mn r / R) exp(-i m phi), m = 0..M, n = 1..K, with
lambda_mn the n-th zero of the derivative of J_m above 0 and R the disc radius times `radius`: functions that
do not vanish at the edge of the disc, where most of the centre of mass is. Turning the pattern by
+alpha multiplies a_mn by exp(-i m alpha), exactly, with no interpolation.

Source: Fourier-Bessel expansion on a disc, e.g. Zhao & Singer, J. Opt. Soc. Am. A 30, 871 (2013).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.special import jnp_zeros, jv

from stream_rrvae.errors import CalibrationError
from stream_rrvae.messages import BoolArray, Float32Array

# Of the functions and their layout: features of another definition mean something else. Change it with them.
DEFINITION = "Fourier-Bessel, zero slope at the edge, 1"
EIGENVALUE_FLOOR = 1e-3  # of the largest; the Gram matrix of a well sampled disc is nearly the identity
RADIAL_KNOTS = 1025
# Rounded to a byte, weights can be multiplied exactly and fast; that changes the features of a modulation by less
# than 0.1 %, and none of an evenly lit disc.
LARGEST_WEIGHT = 127


@dataclass(frozen=True, slots=True)
class BasisSpec:
    """Which coefficients: orders 0..max_order, n_radial of each, out to `radius` semi-angles.

    Layout of a feature vector: the n_radial real numbers of m = 0, then for m = 1..max_order
    and n = 1..n_radial the pair (real part, imaginary part).
    """

    max_order: int = 12
    n_radial: int = 4
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
    Pixels of one bin share their weights, so that a kernel may sum each bin first.
    """

    spec: BasisSpec
    pixels: NDArray[np.int32]  # [p] row-major indices of the usable pixels inside the disc
    bins: NDArray[np.int32]  # [p] bin of each of these pixels; row-major over the disc
    bin_weights: Float32Array  # [n_bins, n_features]; 0 where a bin has no usable pixel
    bin_steps: Float32Array  # [n_features]: all weights of a function are whole multiples of its step, up to 127
    scale: float
    offset: Float32Array  # [n_features]

    @property
    def weights(self) -> Float32Array:
        """Weights of every pixel [p, n_features]."""
        return self.bin_weights[self.bins]


def project_onto(
    spec: BasisSpec,
    frame_shape: tuple[int, int],
    center_px: tuple[float, float],
    radius_px: float,
    usable: BoolArray,
    bin_px: int = 1,
) -> Projection:
    """The basis for a disc at `center_px` (ky, kx) of `radius_px`, on the pixels where `usable` [ky, kx].

    `bin_px` > 1 makes it constant over squares of so many pixels (see `number_bins`). Where the usable
    pixels cannot carry all functions, the projection is onto what they can carry. Raises
    CalibrationError when there is no usable pixel in the disc.
    """
    disc = inside_disc(frame_shape, center_px, radius_px * spec.radius)
    inside = disc & usable
    if not inside.any():
        raise CalibrationError(f"no usable pixel within {radius_px * spec.radius:.4g} px of {center_px}")
    numbers = number_bins(disc, bin_px)
    ky, kx = np.nonzero(inside)
    dy, dx = ky - center_px[0], kx - center_px[1]
    columns = _columns(spec, np.hypot(dy, dx) / (radius_px * spec.radius), np.arctan2(dy, dx))
    bins = numbers[inside]
    counts = np.bincount(bins, minlength=int(numbers.max()) + 1)
    weights = _orthonormal(_bin_means(columns, bins, counts), counts)
    steps = (np.abs(weights).max(axis=0) / LARGEST_WEIGHT).astype(np.float32)
    weights = np.rint(weights / np.where(steps > 0, steps, 1)) * steps
    scale = float(np.sqrt(bins.size))
    offset = scale * (counts @ weights) / bins.size
    pixels = np.flatnonzero(inside).astype(np.int32)
    return Projection(spec, pixels, bins, weights.astype(np.float32), steps, scale, offset.astype(np.float32))


def inside_disc(frame_shape: tuple[int, int], center_px: tuple[float, float], radius_px: float) -> BoolArray:
    """Pixels [ky, kx] whose centre is nearer to `center_px` than `radius_px`."""
    ky, kx = np.ogrid[: frame_shape[0], : frame_shape[1]]
    return np.asarray(np.hypot(ky - center_px[0], kx - center_px[1]) < radius_px)


def number_bins(disc: BoolArray, bin_px: int) -> NDArray[np.int32]:
    """Bin of each pixel [ky, kx] of `disc`, -1 outside: squares of `bin_px`, counted row by row from its corner."""
    numbers = np.full(disc.shape, -1, np.int32)
    if not disc.any():
        return numbers
    ky, kx = np.nonzero(disc)
    cells = ((ky - ky.min()) // bin_px) * disc.shape[1] + (kx - kx.min()) // bin_px
    numbers[disc] = np.unique(cells, return_inverse=True)[1]
    return numbers


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
    """Basis functions [p, n_features] at polar positions, r in 0..1."""
    columns: list[NDArray[np.float64]] = []
    for m in range(spec.max_order + 1):
        radials = _radials(m, spec.n_radial)(r)
        if m == 0:
            columns.extend(radials.T)
        else:
            cosine, sine = np.cos(m * phi), np.sin(m * phi)
            for radial in radials.T:
                columns.extend((radial * cosine, -radial * sine))
    return np.stack(columns, axis=1)


@lru_cache(maxsize=64)
def _radials(m: int, n_radial: int) -> CubicSpline:
    """J_m(lambda_mn r), n = 1..n_radial: 10 times faster than Bessel functions of every pixel, and right to 1e-8."""
    knots = np.linspace(0.0, 1.0, RADIAL_KNOTS)
    return CubicSpline(knots, jv(m, jnp_zeros(m, n_radial) * knots[:, None]))


def _bin_means(columns: NDArray[np.float64], bins: NDArray[np.int32], counts: NDArray[np.intp]) -> NDArray[np.float64]:
    """Mean of each column over the pixels of each bin [n_bins, n_features], 0 for a bin without pixels."""
    sums = np.stack([np.bincount(bins, column, counts.size) for column in columns.T], axis=1)
    return np.asarray(sums / np.maximum(counts, 1)[:, None])


def _orthonormal(columns: NDArray[np.float64], counts: NDArray[np.intp]) -> NDArray[np.float64]:
    """The set orthonormal under `counts` that is nearest to `columns` (Loewdin): as turnable as pixels allow.

    Directions that the pixels cannot tell from others get no weight instead of a huge one.
    """
    lengths = np.sqrt(counts @ columns**2)
    unit = columns / np.where(lengths > EIGENVALUE_FLOOR * lengths.max(), lengths, np.inf)
    values, vectors = np.linalg.eigh(unit.T @ (counts[:, None] * unit))
    kept = values > EIGENVALUE_FLOOR * values[-1]
    inverse_root = np.where(kept, 1 / np.sqrt(np.where(kept, values, 1.0)), 0.0)
    return np.asarray(unit @ (vectors * inverse_root) @ vectors.T)
