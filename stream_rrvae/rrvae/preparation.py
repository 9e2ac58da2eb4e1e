"""From the scan store to what a model is trained on: features without their mean, in units of their noise.

The mean over the scan is what does not turn with the specimen (edge of the disc, flat field,
residual astigmatism): a model of turning shapes must not see it. What is left is multiplied by
sqrt(electrons a frame), so that counting noise has unit variance in every coefficient.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.messages import Float32Array
from stream_rrvae.plain import from_plain
from stream_rrvae.scan_store import ScanStore

MEASURED = 1
SMALLEST_MODULATION = 0.05  # rms of prepared features below which frames are all alike (float16 rounding is 0.02)
LARGEST_MODULATION = 12.0  # beyond it the posterior of the angle is narrower than the grid of angles


@dataclass(frozen=True, slots=True)
class Prepared:
    """Features ready for a model: `x` [n, n_features] of the row-major `positions` [n]."""

    x: Float32Array
    positions: NDArray[np.int64]
    noise_variance: float  # of each coefficient: 1 for counted frames, 0 where none is in the data

    @property
    def modulation(self) -> float:
        """Rms length of a frame's features, noise included."""
        return math.sqrt(float(np.square(self.x, dtype=np.float64).sum()) / max(1, len(self.x)))


def basis_of(store: ScanStore) -> BasisSpec:
    """The basis of the store's features. Raises ValueError or TypeError when it does not fit them."""
    basis = from_plain(BasisSpec, store.features_info.get("basis"))
    if basis.n_features != store.shape.n_features:
        raise ValueError(f"the scan has {store.shape.n_features} features, its basis {basis.n_features}")
    return basis


def prepare(store: ScanStore, assumed_dose_electrons: float) -> Prepared:
    """Every measured position of `store`; frames without counts and NaN features are left out."""
    positions = np.flatnonzero(store.coverage == MEASURED)
    features = store.features[positions].astype(np.float32)
    usable = np.isfinite(features).all(axis=1)
    positions, features = positions[usable], features[usable]
    counted = np.issubdtype(np.dtype(store.start.pixel_type), np.integer)
    dose = _median_counts(store.sum[positions]) if counted else assumed_dose_electrons
    return whitened(features, positions, dose, noise_variance=1.0 if counted else 0.0)


def whitened(features: Float32Array, positions: NDArray[np.int64], dose: float, noise_variance: float) -> Prepared:
    """`features` [n, n_features] less their mean, times sqrt(`dose`) or less where the signal is too strong."""
    if not len(features):
        return Prepared(features, positions, noise_variance)
    centred = features - features.mean(axis=0, dtype=np.float64)
    power = float(np.square(centred).sum(axis=1).mean())
    signal = max(power - noise_variance * features.shape[1] / dose, 0.0)
    scale = math.sqrt(dose)
    if signal * dose > LARGEST_MODULATION**2:
        scale = LARGEST_MODULATION / math.sqrt(signal)
    return Prepared((centred * scale).astype(np.float32), positions, noise_variance * scale**2 / dose)


def _median_counts(sums: Float32Array) -> float:
    return max(1.0, float(np.median(sums))) if len(sums) else 1.0
