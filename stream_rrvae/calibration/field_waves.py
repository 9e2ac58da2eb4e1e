"""A map of vectors as plane waves: what of each wave lies along its direction, and what across it.

Each map is seen through several tapers that are orthogonal to one another (Riedel & Sidorenko, IEEE Trans. Signal
Process. 43, 188 (1995)): one alone would leave out what lies near the edges, half of the information.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

from stream_rrvae.calibration.descan import fit_surface, shifts_px
from stream_rrvae.errors import CalibrationError
from stream_rrvae.messages import BoolArray

SMALLEST_SIDE = 8  # positions
LARGEST_SIDE = 1024  # positions; of larger scans the middle is looked at
TAPERS = 2  # along each axis
SLOWEST_INDEX = 2.0  # periods over the map; slower waves are what the tapers make of its mean
# The power of a wave of noise in both components and all tapers, in units of its mean in one: a gamma distribution.
MEDIAN_OF_NOISE = 7.67
ABOVE_NOISE = 17.6  # 0.3 % of pure noise gets above it
WAVES_PER_PEAK = 8.0  # over which the tapers spread a plane wave
PEAK_REACH = 2  # waves beside a maximum that belong to it
OUTLIER = 6.0  # times the usual length of a vector

Float = NDArray[np.float64]
Complex = NDArray[np.complex128]


@dataclass(frozen=True, slots=True)
class Waves:
    """Waves [m] of a vector map (y, x) that stand above its noise, one of each +-k, by every taper [tapers, m].

    `toward_y`, `toward_x` is the unit vector along k in scan axes. `noise` is the mean power of noise in one component.
    """

    toward_y: Float
    toward_x: Float
    field_y: Complex
    field_x: Complex
    image: Complex  # of a map that is bright where the specimen scatters; 0 where none is given
    weights: Float  # [m] 0..1
    peaks: NDArray[np.intp]  # [m] which maximum of the power a wave belongs to
    noise: float

    @property
    def independent(self) -> float:
        """As many parts of the field tell of it: 1 for a lattice that shows in one direction only."""
        power = self.weights * (np.abs(self.field_y) ** 2 + np.abs(self.field_x) ** 2).sum(axis=0)
        return max(_participation(self.by_peak(power)), _participation(power) / WAVES_PER_PEAK)

    def by_peak(self, values: Float) -> Float:
        """Sums [peaks] of `values` [m]."""
        return np.asarray(np.bincount(self.peaks, weights=values), np.float64)


def _participation(power: Float) -> float:
    """Over how many of its items power is spread; none where all frames are equal."""
    squares = float(np.square(power).sum())
    return float(power.sum()) ** 2 / squares if squares else 0.0


def field_waves(com_y: Float, com_x: Float, image: Float | None, step: tuple[float, float]) -> Waves:
    """Waves of vector maps [y, x] (NaN = not measured); `step` (y, x) is a scan step's length, in any unit.

    What varies as slowly as descan is taken out first. Raises CalibrationError where there is nothing to go by.
    """
    measured = np.isfinite(com_y) & np.isfinite(com_x)
    rows, columns = _measured_part(measured)
    measured = measured[rows, columns]
    still = _without_outliers(*_without_descan(com_y[rows, columns], com_x[rows, columns]))
    maps = [_filled(part, measured) for part in still]
    if image is not None:
        shown = image[rows, columns]
        maps.append(_filled(_centred(shown), np.isfinite(shown)))
    return _chosen([_spectra(part) for part in maps], measured.shape, step)


def _measured_part(measured: BoolArray) -> tuple[slice, slice]:
    """Rows and columns that are mostly measured, the middle of them where they are many."""
    part = []
    for axis in (1, 0):
        share = measured.mean(axis=axis)
        there = np.flatnonzero(share >= 0.5 * share.max()) if share.any() else np.empty(0, np.int64)
        if there.size < SMALLEST_SIDE:
            raise CalibrationError(f"fewer than {SMALLEST_SIDE} scan lines or columns are measured so far")
        first, end = int(there[0]), int(there[-1]) + 1
        spare = max(0, end - first - LARGEST_SIDE)
        part.append(slice(first + spare // 2, end - (spare - spare // 2)))
    return part[0], part[1]


def _without_descan(com_y: Float, com_x: Float) -> tuple[Float, Float]:
    surface = fit_surface(com_y.ravel(), com_x.ravel(), (com_y.shape[0], com_y.shape[1]), "quadratic")
    if surface is None:
        raise CalibrationError("too few positions are measured so far")
    shift_y, shift_x = shifts_px(surface, (com_y.shape[0], com_y.shape[1]))
    return _centred(com_y - shift_y.reshape(com_y.shape)), _centred(com_x - shift_x.reshape(com_x.shape))


def _centred(values: Float) -> Float:
    known = np.isfinite(values)
    return np.asarray(values - (np.median(values[known]) if known.any() else 0.0))


def _without_outliers(y: Float, x: Float) -> tuple[Float, Float]:
    """Vectors no longer than a few times the usual: one nearly empty frame would be in every wave."""
    length = np.hypot(y, x)
    reach = OUTLIER * float(np.nanmedian(length))
    shorter = np.minimum(1.0, reach / np.maximum(length, 1e-30))
    return y * shorter, x * shorter


def _filled(values: Float, measured: BoolArray) -> Float:
    """What is not measured as the mean of what is around it; 0 in the middle of nothing."""
    known = np.where(measured, values, 0.0)
    if measured.all():
        return known
    near = ndimage.gaussian_filter(measured.astype(np.float64), 1.0)
    around = ndimage.gaussian_filter(known, 1.0) / np.maximum(near, 1e-3)
    return np.where(measured, known, around)


def _spectra(values: Float) -> Complex:
    """[tapers, ky, kx] of a map."""
    over_y, over_x = (_tapers(side) for side in values.shape)
    return np.stack([np.fft.rfft2(values * np.outer(y, x)) for y in over_y for x in over_x])


def _tapers(side: int) -> list[Float]:
    """Sines, which are orthogonal and end at 0."""
    places = np.pi * np.arange(1, side + 1) / (side + 1)
    return [np.sin(order * places) for order in range(1, TAPERS + 1)]


def _chosen(spectra: list[Complex], shape: tuple[int, ...], step: tuple[float, float]) -> Waves:
    index_y = np.fft.fftfreq(shape[0])[:, None] * shape[0]
    index_x = np.fft.rfftfreq(shape[1])[None, :] * shape[1]
    fast = np.hypot(index_y, index_x) > SLOWEST_INDEX
    fast &= (np.abs(index_y) < shape[0] / 2) & (index_x < shape[1] / 2)  # at the limit the sign of k is not known
    fast &= (index_x > 0) | (index_y > 0)  # one of each +-k
    power = (np.abs(spectra[0]) ** 2 + np.abs(spectra[1]) ** 2).sum(axis=0)
    noise = float(np.median(power[fast])) / MEDIAN_OF_NOISE
    weights = np.where(fast, np.maximum(0.0, 1 - ABOVE_NOISE * noise / np.maximum(power, 1e-300)), 0.0)
    kept = weights > 0
    if not kept.any():
        raise CalibrationError("no field stands out of the noise")
    ky, kx = np.broadcast_arrays(index_y / (shape[0] * step[0]), index_x / (shape[1] * step[1]))
    length = np.hypot(ky[kept], kx[kept])
    image = spectra[2][:, kept] if len(spectra) > 2 else np.zeros((len(spectra[0]), length.size), np.complex128)
    return Waves(
        ky[kept] / length, kx[kept] / length, spectra[0][:, kept], spectra[1][:, kept], image,
        weights[kept], _peaks(np.where(kept, power, 0.0), kept), noise,
    )  # fmt: skip


def _peaks(power: Float, kept: BoolArray) -> NDArray[np.intp]:
    """Which maximum of `power` [ky, kx] each kept wave is nearest to."""
    centred = np.fft.fftshift(ndimage.gaussian_filter(power, 1.0, mode="wrap"), axes=0)
    highest = (centred > 0) & (centred == ndimage.maximum_filter(centred, 2 * PEAK_REACH + 1))
    waves = np.argwhere(np.fft.fftshift(kept, axes=0))
    nearest = KDTree(np.argwhere(highest)).query(waves)[1]
    found = np.zeros(kept.shape, np.intp)
    found[tuple(waves.T)] = nearest
    return np.asarray(np.fft.ifftshift(found, axes=0)[kept])
