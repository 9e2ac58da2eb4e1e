"""Descan: the whole pattern walks over the detector while the probe scans; to be gone before a model sees features.

A shift of the bright disc changes features along one direction of order 1, known beforehand: that of its edge. What a
specimen does to the first order lies inside the disc. So a plane over scan positions is fitted to the edge's part
alone, by weights that see as little of everything else as the data allow (best linear unbiased estimate):
even where a scan covers no whole unit cell the plane takes no signal of the specimen with it. A field that grows
evenly over the scan moves the disc as descan does and leaves the features too; COM maps keep both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import jnp_zeros, jv

from stream_rrvae.kernels.basis import BasisSpec, to_complex
from stream_rrvae.messages import Float32Array

SIGNIFICANT = 4.0  # standard errors of a slope
SMALLEST_RADII = 0.002  # of the disc, over the scan; less does no harm
FEWEST_POSITIONS = 16  # more than the weights and the plane have numbers
SMALLEST_VARIANCE = 1e-3  # of the mean variance: below it rounding says more

Complex = NDArray[np.complex128]


@dataclass(frozen=True, slots=True)
class Descan:
    """How far the disc walks in px, (ky, kx), from the scan's first row to its last, and from first to last column."""

    over_rows_px: tuple[float, float] = (0.0, 0.0)
    over_columns_px: tuple[float, float] = (0.0, 0.0)
    middle: tuple[float, float] | None = None  # of the positions by which it was found, as shares of rows and columns

    def figures(self) -> dict[str, float | list[float]]:
        """`descan_px`: ky and kx over the rows, ky and kx over the columns; empty where there is none."""
        walk = [*self.over_rows_px, *self.over_columns_px]
        return {"descan_px": walk} if any(walk) else {}

    def shifts_px(self, positions: NDArray[np.int64], scan_shape: tuple[int, int]) -> NDArray[np.float64]:
        """Shift (ky, kx) [n, 2] at row-major `positions` [n], 0 in the `middle` (None: in theirs)."""
        walk = np.array([self.over_rows_px, self.over_columns_px])
        return np.asarray(_ramps(positions, scan_shape, self.middle) @ walk)

    def taken_out(
        self,
        features: Float32Array,
        positions: NDArray[np.int64],
        scan_shape: tuple[int, int],
        basis: BasisSpec,
        disc_radius_px: float,
    ) -> Float32Array:
        """`features` [n, n_features] at `positions` without it."""
        if not self.figures():
            return features
        shift_y, shift_x = self.shifts_px(positions, scan_shape).T
        return _shifted_back(features, shift_x - 1j * shift_y, basis, edge_per_px(basis, disc_radius_px))


def without_descan(
    features: Float32Array,
    positions: NDArray[np.int64],
    scan_shape: tuple[int, int],
    basis: BasisSpec,
    disc_radius_px: float,
) -> tuple[Float32Array, Descan]:
    """`features` [n, n_features] of a scan store without the part of a walking disc, where that is significant."""
    if len(features) < FEWEST_POSITIONS:
        return features, Descan()
    edge = edge_per_px(basis, disc_radius_px)
    ramps = _ramps(positions, scan_shape)
    first = to_complex(features, basis)[:, 1].astype(np.complex128)
    slopes, errors = _slopes(first - first.mean(axis=0), ramps, edge)
    slopes[np.abs(slopes) <= np.maximum(SIGNIFICANT * errors, SMALLEST_RADII * disc_radius_px)] = 0.0
    if not slopes.any():
        return features, Descan()
    rows, columns = ((float(-slope.imag), float(slope.real)) for slope in slopes)
    middle = _shares(positions, scan_shape).mean(axis=0)
    descan = Descan(rows, columns, (float(middle[0]), float(middle[1])))
    return _shifted_back(features, ramps @ slopes, basis, edge), descan


def _shifted_back(features: Float32Array, shifts: Complex, basis: BasisSpec, edge: NDArray[np.float64]) -> Float32Array:
    """`features` less what `shifts` kx - i ky [n] in px add to order 1."""
    walk = np.outer(shifts, edge)
    start, pairs = basis.n_radial, np.stack([walk.real, walk.imag], axis=2).reshape(len(walk), -1)
    still = features.copy()
    still[:, start : start + pairs.shape[1]] -= pairs.astype(np.float32)
    return still


def _ramps(
    positions: NDArray[np.int64], scan_shape: tuple[int, int], middle: tuple[float, float] | None = None
) -> NDArray[np.float64]:
    """Row and column of `positions` as [n, 2], the scan's sides being 1, less the `middle`, None = their means."""
    at = _shares(positions, scan_shape)
    return np.asarray(at - (at.mean(axis=0) if middle is None else middle))


def _shares(positions: NDArray[np.int64], scan_shape: tuple[int, int]) -> NDArray[np.float64]:
    return np.asarray(np.stack(np.divmod(positions, scan_shape[1]), axis=1) / np.maximum(np.array(scan_shape) - 1, 1))


def _slopes(
    first: Complex, ramps: NDArray[np.float64], edge: NDArray[np.float64]
) -> tuple[Complex, NDArray[np.float64]]:
    """Shift kx - i ky [2] in px over the scan's sides, and its standard errors, from order 1 [n, n_radial]."""
    inverse = np.linalg.pinv(ramps.T @ ramps)
    planes = inverse @ (ramps.T @ first)
    rest = first - ramps @ planes
    weights = _weights(rest, edge)
    return planes @ weights, (rest @ weights).std() * np.sqrt(np.diag(inverse) / 2)


def _weights(rest: Complex, edge: NDArray[np.float64]) -> Complex:
    """Weights [n_radial] that give 1 for `edge` and as little as can be for `rest` [n, n_radial]."""
    covariance = rest.T @ rest.conj() / len(rest)
    floor = SMALLEST_VARIANCE * np.trace(covariance).real / len(edge)
    inverse = np.linalg.solve(covariance + max(floor, 1e-30) * np.eye(len(edge)), edge)
    return np.asarray(inverse.conj() / (edge @ inverse).real)


def edge_per_px(basis: BasisSpec, disc_radius_px: float) -> NDArray[np.float64]:
    """What a shift of an even disc by 1 px along kx adds to order 1 [n_radial], all of it real.

    A strip of light along the edge, |cos phi| px wide, is lost on one side; what appears on the other lies outside
    a basis that ends at the edge.
    """
    r = (np.arange(4096) + 0.5) / 4096
    zeros = jnp_zeros(1, basis.n_radial)
    lengths = np.sqrt((jv(1, zeros[:, None] * r) ** 2 * r).mean(axis=1))
    seen = 0.5 if basis.radius == 1.0 else 1.0
    return np.asarray(seen * jv(1, zeros / basis.radius) / lengths / disc_radius_px)
