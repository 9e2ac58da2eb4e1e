"""What the scan itself says of a frame: features averaged over equivalent and neighbouring positions. An option.

1. Lattice: the maps of all coefficients are Fourier transformed over the scan. What repeats is a few wave vectors
   far above the noise, whose level is known; they are kept with their Wiener weight, the rest is left out.
2. Judged by frames that were not used: a random half of the frames predicts the other half. Where that is no better
   than predicting nothing (no lattice, positions shuffled), the context is off and every frame stands alone.
3. Deviations: where the residual, averaged over a few neighbours, is more than noise can be (chi-square), it is given
   back: vacancies and foreign atoms keep their own signal. Elsewhere what one frame says beyond the average is noise.

Averages are of complex coefficients, never of angles. The result is scaled like a frame of the dose that it is worth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import gaussian_filter
from scipy.stats import chi2

from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.messages import Float32Array
from stream_rrvae.rrvae.preparation import LARGEST_MODULATION, Prepared
from stream_rrvae.rrvae.subspace import signal_subspace

FEWEST_POSITIONS = 256
FALSE_WAVES = 0.01  # wave vectors of pure noise that may pass, expected in a whole scan
FALSE_DEVIATIONS = 1e-3  # share of the positions of a perfect lattice that may be called deviating
SIGNIFICANT = 4.0  # standard errors of the cross-validated gain
NEIGHBOURS_PX = (3.0, 1.5, 0.0)  # sigmas of the windows for deviations, in scan steps; 0 = the frame alone
STRONG_SHARE = 0.03  # of one frame's noise: modes below it cannot show in a window, but would hide what does
LARGEST_GAIN = 100.0  # in dose: beyond it distortions of the scan say more than counting noise


@dataclass(frozen=True, slots=True)
class Context:
    """`data` with the scan's help, or as it was where there is none.

    `gain_nats`: how much better a frame is predicted by the others than by nothing, cross-validated, a frame;
    `dose_gain`: how many frames an averaged one is worth; `deviating`: share of positions that differ from the lattice.
    """

    data: Prepared
    gain_nats: float
    dose_gain: float = 1.0
    deviating: float = 0.0

    @property
    def used(self) -> bool:
        """Whether anything but the frames themselves went into `data`."""
        return self.dose_gain > 1.0

    def figures(self) -> dict[str, float | list[float]]:
        """What is said beside the maps."""
        return {
            "context_used": float(self.used),
            "context_gain_nats": self.gain_nats,
            "context_dose_gain": self.dose_gain,
            "context_deviating_share": self.deviating,
        }

    def said(self) -> str:
        """The same for people."""
        if not self.used:
            return "the scan gives no context: frames stand alone"
        return (
            f"not of single frames: averaged over lattice and neighbours ({self.gain_nats:+.3g} nats a held-out frame)"
        )


def with_context(data: Prepared, scan_shape: tuple[int, int], basis: BasisSpec, seed: int = 0) -> Context:
    """`data` of a whole scan of `scan_shape` (y, x), averaged as far as cross-validation supports it."""
    if data.noise_variance == 0.0 or len(data.x) < FEWEST_POSITIONS:
        return Context(data, 0.0)
    gain, error = _cross_validated(data, scan_shape, seed)
    if not gain > SIGNIFICANT * error:
        return Context(data, gain)
    average, noise_share = _lattice_part(data.x, data.positions, scan_shape, data.noise_variance)
    modes = signal_subspace(average, basis, noise_share * data.noise_variance)
    strong = signal_subspace(average, basis, STRONG_SHARE * data.noise_variance)
    residual = ((data.x - average) @ strong).astype(np.float32)
    restored, deviating = _deviations(residual, data, scan_shape, round(float(np.trace(strong))))
    found = average @ modes + restored
    dose_gain = _dose_gain(found, noise_share)
    scaled = (found * math.sqrt(dose_gain)).astype(np.float32)
    return Context(replace(data, x=scaled, centring=None), gain, dose_gain, deviating)


def _cross_validated(data: Prepared, scan_shape: tuple[int, int], seed: int) -> tuple[float, float]:
    """Gain [nats a frame] of predicting one half of the frames by the other, and its standard error."""
    known = np.random.default_rng(seed).random(len(data.x)) < 0.5
    x, at = data.x, data.positions
    field = np.zeros_like(x)
    # Twice the half stands for the whole; its noise has twice the variance.
    field[known] = 2.0 * x[known]
    predicted, _ = _lattice_part(field, at, scan_shape, _variance_of_half(x, data.noise_variance))
    predicted, seen = predicted[~known], x[~known]
    gains = ((seen * predicted).sum(axis=1) - 0.5 * np.square(predicted).sum(axis=1)) / data.noise_variance
    return float(gains.mean()), float(gains.std() / math.sqrt(len(gains)))


def _variance_of_half(x: Float32Array, noise_variance: float) -> float:
    """Of a coefficient of a doubled half of the frames: noise, and the signal as far as the gaps make it noise."""
    return float(np.square(x, dtype=np.float64).mean()) + noise_variance


def _lattice_part(
    x: Float32Array, positions: NDArray[np.int64], scan_shape: tuple[int, int], noise_variance: float
) -> tuple[Float32Array, float]:
    """The repeating part of `x` [n, f] at its positions, and the share of the noise that is left in it."""
    n, features = x.shape
    field = np.zeros((scan_shape[0] * scan_shape[1], features), np.float32)
    field[positions] = x
    waves = fft.rfft2(field.reshape(*scan_shape, features), axes=(0, 1))
    power = np.square(np.abs(waves)).sum(axis=2) / (n * noise_variance)  # chi-square / 2 of 2 f degrees of freedom
    threshold = 0.5 * chi2.isf(FALSE_WAVES / power.size, 2 * features)
    weights = np.where(power > threshold, 1.0 - features / power, 0.0).astype(np.float32)
    weights[0, 0] = 0.0
    average = fft.irfft2(waves * weights[..., None], s=scan_shape, axes=(0, 1)).reshape(field.shape)
    noise_share = 2.0 * float(np.square(weights).sum()) / field.shape[0]
    return average[positions], max(noise_share, 1.0 / field.shape[0])


def _deviations(
    residual: Float32Array, data: Prepared, scan_shape: tuple[int, int], degrees: int
) -> tuple[Float32Array, float]:
    """The part of `residual` [n, f] that is more than noise, and the share of positions that have one."""
    restored, deviating = np.zeros_like(residual), np.zeros(len(residual), np.bool_)
    for window_px in NEIGHBOURS_PX:
        left = residual - restored
        smooth, noise_share, own = _smoothed(left, data.positions, scan_shape, window_px)
        surprise = np.square(smooth).sum(axis=1) / (noise_share * data.noise_variance)
        significant = surprise > chi2.isf(FALSE_DEVIATIONS, max(1, degrees))
        weight = np.where(significant, 1.0 - degrees / np.maximum(surprise, 1e-9), 0.0)
        others = smooth - own * left
        neighbours_tell = (weight[:, None] * others * (2.0 * (1.0 - own) * left - others)).sum() > 0.0
        if neighbours_tell or window_px == 0.0:
            restored += (weight[:, None] * smooth).astype(np.float32)
            deviating |= weight > 0.0
    return restored, float(deviating.mean())


def _smoothed(
    x: Float32Array, positions: NDArray[np.int64], scan_shape: tuple[int, int], window_px: float
) -> tuple[Float32Array, float, float]:
    """`x` averaged over neighbours, the share of noise left in it, and the weight of a position's own frame."""
    field = np.zeros((scan_shape[0] * scan_shape[1], x.shape[1]), np.float32)
    field[positions] = x
    point = np.zeros((49, 49), np.float32)
    point[24, 24] = 1.0
    window = gaussian_filter(point, window_px)
    sigma = (window_px, window_px, 0.0)
    smooth = gaussian_filter(field.reshape(*scan_shape, -1), sigma, mode="constant").reshape(field.shape)
    return smooth[positions], float(np.square(window).sum()), float(window[24, 24])


def _dose_gain(found: Float32Array, noise_share: float) -> float:
    power = float(np.square(found).sum(axis=1).mean())
    return max(1.0, min(1.0 / noise_share, LARGEST_GAIN, LARGEST_MODULATION**2 / max(power, 1e-9)))
