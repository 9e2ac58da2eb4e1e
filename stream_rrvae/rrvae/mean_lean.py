"""Whether the mean over a scan leans by itself: then directions, which count from it, are not the field's own.

Over whole cells of a crystal the field averages to nothing and so does order 1 of its patterns. What is left of it in
the mean is the field of part of a cell, or the detector's (an uneven or tilted response). Frames alone do not tell
which; but a scan that is seen to repeat in two directions holds whole cells, and there the lean is not the field's.
A disc that is not where it is thought to be is no lean: the part of order 1 that a shift makes, its edge, is left out
(as in `descan`).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.messages import Float32Array
from stream_rrvae.rrvae.descan import edge_per_px

FEWEST_POSITIONS = 16
SIGNIFICANT = 4.0  # standard errors
LARGEST_LEAN = 0.1  # a mean of that length turns directions by some 5 degrees on average
ROUNDING = 1e-6  # of the mean's square: what varies less is that of float16
REPEATS = 0.7  # correlation of a scan with itself, shifted by a period
ONE_PEAK = 0.3  # correlation down to which shifts belong to the same peak
LEAST_OVERLAP = 0.25  # of the scan with itself, shifted
LARGEST_SIDE = 256  # positions that are looked at for periods
LEAST_SINE = 0.25  # between two periods

Complex = NDArray[np.complex128]


@dataclass(frozen=True, slots=True)
class MeanLean:
    """`ratio`: length of the mean's order 1 in rms lengths of what varies; NaN = noise hides it, or too few frames.

    `unexplained`: it is large, and the scan is not seen to hold whole cells.
    """

    ratio: float = math.nan
    unexplained: bool = False

    def figures(self) -> dict[str, float | list[float]]:
        """`mean_lean` for the read-outs; empty where it is not known."""
        return {"mean_lean": self.ratio} if math.isfinite(self.ratio) else {}


def mean_lean(
    features: Float32Array,
    positions: NDArray[np.int64],
    scan_shape: tuple[int, int],
    basis: BasisSpec,
    noise_variance: float,
) -> MeanLean:
    """The lean of the mean of `features` [n, n_features] at row-major `positions` [n]; `noise_variance` of each."""
    n = len(features)
    if n < FEWEST_POSITIONS:
        return MeanLean()
    first = _without_edge(features, basis)
    mean = first.mean(axis=0)
    first -= mean
    values, modes = np.linalg.eigh(first.T @ first.conj() / n)
    mode, noise = modes[:, -1].conj(), 2.0 * noise_variance
    signal = float(values[-1]) - noise
    length = abs(complex(mean @ mode))
    if signal <= max(SIGNIFICANT * noise / math.sqrt(n), ROUNDING * length**2):
        return MeanLean()
    ratio = length / math.sqrt(signal)
    is_large = ratio > LARGEST_LEAN and length > SIGNIFICANT * math.sqrt(noise / n)
    return MeanLean(ratio, is_large and not _repeats(first @ mode, positions, scan_shape, signal))


def _without_edge(features: Float32Array, basis: BasisSpec) -> Complex:
    """Order 1 of `features` [n, n_radial] without what a shift of the disc does to it."""
    pairs = features[:, basis.n_radial : 3 * basis.n_radial].reshape(len(features), basis.n_radial, 2)
    first = (pairs[..., 0] + 1j * pairs[..., 1]).astype(np.complex128)
    edge = edge_per_px(basis, 1.0)
    edge /= np.linalg.norm(edge)
    return np.asarray(first - np.outer(first @ edge, edge))


def _repeats(field: Complex, positions: NDArray[np.int64], scan_shape: tuple[int, int], power: float) -> bool:
    """Whether `field` [n], of that `power`, is like itself when shifted, in two directions at least."""
    there = np.zeros(scan_shape, np.complex128)
    there.flat[positions] = 1.0
    whole = np.zeros(scan_shape, np.complex128)
    whole.flat[positions] = field
    middle = tuple(slice((side - min(side, LARGEST_SIDE)) // 2, (side + LARGEST_SIDE) // 2) for side in scan_shape)
    overlap = _shifted_products(there[middle])
    enough = overlap > LEAST_OVERLAP * overlap.max()
    likeness = np.where(enough, _shifted_products(whole[middle]) / np.maximum(overlap, 1.0) / power, 0.0)
    peaks, count = ndimage.label(likeness > ONE_PEAK)
    center = np.array(likeness.shape) // 2
    others = [number for number in range(1, count + 1) if number != peaks[tuple(center)]]
    at = np.array(ndimage.maximum_position(likeness, peaks, others)).reshape(-1, 2) - center
    heights = np.asarray(ndimage.maximum(likeness, peaks, others))
    periods = at[heights > REPEATS] if len(others) else at
    return any(_are_apart(a, b) for a, b in itertools.combinations(periods, 2))


def _shifted_products(field: Complex) -> NDArray[np.float64]:
    """Sum over positions of `field` [y, x] times itself shifted, for every shift; no shift is in the middle."""
    size = [fft.next_fast_len(2 * side) for side in field.shape]
    return np.asarray(fft.fftshift(fft.ifft2(np.square(np.abs(fft.fft2(field, size)))).real))


def _are_apart(a: NDArray[np.int64], b: NDArray[np.int64]) -> bool:
    cross = abs(float(a[0] * b[1] - a[1] * b[0]))
    return cross > LEAST_SINE * float(np.linalg.norm(a) * np.linalg.norm(b))
