"""From the scan store to what a model is trained on: features without their mean, in units of their noise.

The mean over the scan is what does not turn with the specimen (edge of the disc, flat field,
residual astigmatism), nor does a walk of the pattern over the detector (`descan`): a model of turning shapes must
not see them. What is left is multiplied by sqrt(electrons a frame), so that counting noise has unit variance in
every coefficient. Frames of so many counts that their noise says nothing are taken as noise-free.

A scan of less than one cell of its specimen has a mean field, which its mean would take with it: where the cell is
known, order 1 of such a scan counts from the beam centre instead, and what a detector adds to it stays in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.messages import BoolArray, Float32Array
from stream_rrvae.plain import from_plain
from stream_rrvae.rrvae.descan import Descan, without_descan
from stream_rrvae.rrvae.mean_lean import MeanLean, mean_lean
from stream_rrvae.scan_store import ScanStore

MEASURED = 1
SMALLEST_MODULATION = 0.05  # rms of prepared features below which frames are all alike (float16 rounding is 0.02)
LARGEST_MODULATION = 12.0  # beyond it the posterior of the angle is narrower than the grid of angles
NOISE_FREE_DOSES = 100.0  # times the assumed dose: the noise is a tenth of what is assumed


@dataclass(frozen=True, slots=True)
class Centring:
    """What a scan's features are less, `mean` [n_features], and then multiplied with."""

    mean: Float32Array
    scale: float

    def applied(self, features: Float32Array) -> Float32Array:
        """Prepared features of frames of that scan [n, n_features], descan left in."""
        return np.asarray((features - self.mean) * np.float32(self.scale), np.float32)


@dataclass(frozen=True, slots=True)
class Prepared:
    """Features ready for a model: `x` [n, n_features] of the row-major `positions` [n]."""

    x: Float32Array
    positions: NDArray[np.int64]
    noise_variance: float  # of each coefficient: 1 for counted frames, 0 where none is in the data
    descan: Descan = field(default_factory=Descan)  # what was taken out of them
    from_center: bool = False  # order 1 counts from the beam centre, not from the scan's mean
    centring: Centring | None = None  # how `x` was made, where it is all of one scan
    lean: MeanLean = field(default_factory=MeanLean)  # of the mean that was taken out

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


def prepare(
    store: ScanStore,
    assumed_dose_electrons: float,
    cell_nm: tuple[float, float] | None = None,
    among: BoolArray | None = None,
) -> Prepared:
    """Every measured position of `store`, or `among` some [n]; frames without counts and NaN features are left out.

    `cell_nm` (y, x) is the specimen's unit cell along the scan's axes, None = not known.
    """
    positions = np.flatnonzero(store.coverage == MEASURED if among is None else among & (store.coverage == MEASURED))
    positions, features = _usable(store, positions)
    basis = basis_of(store)
    features, descan = without_descan(features, positions, store.shape.scan_shape, basis, _radius_px(store))
    counts = store.bright_field[positions]
    dose, noise_variance = dose_and_noise(store.start.pixel_type, counts, assumed_dose_electrons)
    from_center = is_less_than_a_cell(store.start.calibration.scan_step_nm, store.shape.scan_shape, cell_nm)
    order_1 = slice(basis.n_radial, 3 * basis.n_radial) if from_center else None
    lean = mean_lean(features, positions, store.shape.scan_shape, basis, noise_variance / dose)
    data = whitened(features, positions, dose, noise_variance, order_1)
    return replace(data, descan=descan, from_center=from_center, lean=lean)


def prepared_alike(store: ScanStore, positions: NDArray[np.int64], data: Prepared) -> Prepared:
    """Other row-major `positions` [n] of the scan of which `data` is a part, prepared in the very same way."""
    assert data.centring is not None
    positions, features = _usable(store, positions)
    shape, basis = store.shape.scan_shape, basis_of(store)
    still = data.descan.taken_out(features, positions, shape, basis, _radius_px(store))
    return replace(data, x=data.centring.applied(still), positions=positions)


def is_less_than_a_cell(
    step_nm: tuple[float, float] | None, scan_shape: tuple[int, int], cell_nm: tuple[float, float] | None
) -> bool:
    """Whether a scan is narrower than the cell in any direction by more than half a step; False where not known."""
    if step_nm is None or cell_nm is None:
        return False
    return any((n + 0.5) * step < side for n, step, side in zip(scan_shape, step_nm, cell_nm, strict=True))


def com_beside(
    store: ScanStore, data: Prepared, positions: NDArray[np.int64] | None = None
) -> tuple[Float32Array, Float32Array]:
    """COM (y, x) [n] in px at `positions` (None: those of `data`), less what order 1 of `data` is without: mean and
    descan.
    """
    at = data.positions if positions is None else positions
    com = np.stack((store.com_y[at], store.com_x[at]), axis=1)
    com -= data.descan.shifts_px(at, store.shape.scan_shape)
    if not data.from_center:
        com -= np.nanmean(com, axis=0)
    return com[:, 0], com[:, 1]


def _usable(store: ScanStore, positions: NDArray[np.int64]) -> tuple[NDArray[np.int64], Float32Array]:
    """Those of `positions` that have features, and these."""
    features = store.features[positions].astype(np.float32)
    usable = np.isfinite(features).all(axis=1)
    return positions[usable], features[usable]


def _radius_px(store: ScanStore) -> float:
    return store.start.calibration.disc_radius_px or 1.0


def dose_and_noise(pixel_type: str, bright_field: Float32Array, assumed: float) -> tuple[float, float]:
    """Electrons a frame, counted in the disc (`bright_field` [n]) or `assumed`, and whether their noise is there (1/0).

    Features are made of the counts in the disc alone.
    """
    if not np.issubdtype(np.dtype(pixel_type), np.integer):
        return assumed, 0.0
    dose = max(1.0, float(np.median(bright_field))) if len(bright_field) else 1.0
    return (dose, 1.0) if dose < NOISE_FREE_DOSES * assumed else (assumed, 0.0)


def whitened(
    features: Float32Array,
    positions: NDArray[np.int64],
    dose: float,
    noise_variance: float,
    kept: slice | None = None,
) -> Prepared:
    """`features` [n, n_features] less their mean, times sqrt(`dose`) or less where the signal is too strong.

    Columns `kept` keep their mean.
    """
    if not len(features):
        return Prepared(features, positions, noise_variance)
    mean = features.mean(axis=0, dtype=np.float64).astype(np.float32)
    if kept is not None:
        mean[kept] = 0.0
    centred = features - mean
    power = float(np.vdot(centred, centred)) / len(centred)
    signal = max(power - noise_variance * features.shape[1] / dose, 0.0)
    scale = math.sqrt(dose)
    if signal * dose > LARGEST_MODULATION**2:
        scale = LARGEST_MODULATION / math.sqrt(signal)
    centred *= np.float32(scale)
    return Prepared(centred, positions, noise_variance * scale**2 / dose, centring=Centring(mean, scale))
