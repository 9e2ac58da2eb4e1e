"""How the detector is turned and mirrored against the scan, from the COM maps of a scan alone.

The COM is the gradient of a potential, so in scan axes it has no curl: every wave of it lies along its own direction
(in other words: the curl is least and the divergence largest). That leaves a half turn open, which the beam's being
drawn towards nuclei settles: the divergence is negative where the specimen scatters most, as dark field shows it.
Skewness of the divergence is not asked: for graphene, seen at the resolution of a probe, it has the wrong sign.

The four ways (mirrored or not, a half turn or not) are weighed against each other as least-squares fits whose noise is
not known: log-likelihood = -n ln(part that is not explained), n being the number of independent waves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.calibration.field_waves import TAPERS, Waves, field_waves
from stream_rrvae.found import RotationFound

TRUSTED_ERROR_RAD = math.radians(2.0)
TRUSTED = 0.95  # probability of flip and of direction
MOST_CERTAIN = 0.9999  # no scan says more: models have limits that data do not show
LEAST_UNEXPLAINED = 0.01  # what no fit gets below, whatever the noise
MOST_INDEPENDENT = 20.0

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Turned:
    """The best angle for one choice of flip, by the power along and across the waves before turning."""

    flip: bool
    angle_rad: float
    error_rad: float
    curl_share: float
    likeness: float  # of minus the divergence with the image: -1..1


def find_rotation(
    com_y: Float,
    com_x: Float,
    image: Float | None = None,
    step: tuple[float, float] = (1.0, 1.0),
    flip: bool | None = None,
) -> RotationFound:
    """The detector's rotation and flip from COM maps [y, x] in detector axes, NaN = not measured.

    `image` [y, x] is bright where the specimen scatters; without it the half turn stays open. `step` (y, x) is the
    scan step, `flip` what is known of the flip. Raises CalibrationError where there is nothing to go by.
    """
    waves = field_waves(com_y, com_x, image, step)
    ways = [_best_turn(waves, mirrored) for mirrored in ((False, True) if flip is None else (flip,))]
    scores = np.array([[_log_likelihood(way, sign, waves) for sign in (1, -1)] for way in ways])
    odds = np.exp(scores - scores.max())
    chosen, turned_round = np.unravel_index(int(odds.argmax()), odds.shape)
    way = ways[int(chosen)]
    of_flip = 1.0 if flip is not None else min(float(odds[chosen].sum() / odds.sum()), MOST_CERTAIN)
    of_direction = min(float(odds[chosen, turned_round] / odds[chosen].sum()), MOST_CERTAIN)
    return RotationFound(
        rotation_rad=_wrapped(way.angle_rad + math.pi * float(turned_round)),
        error_rad=way.error_rad,
        flip=way.flip,
        flip_confidence=of_flip,
        direction_confidence=of_direction,
        curl_share=way.curl_share,
        trusted=min(of_flip, of_direction) >= TRUSTED and way.error_rad <= TRUSTED_ERROR_RAD,
    )


def curl_curve(com_y: Float, com_x: Float, step: tuple[float, float], flip: bool, angles_rad: Float) -> Float:
    """Share of the field's power across its waves [angles] after turning back by each of `angles_rad`."""
    along, across = _along_and_across(waves := field_waves(com_y, com_x, None, step), flip)
    c, s = np.cos(angles_rad), np.sin(angles_rad)
    w = waves.weights
    # The power across after turning, as a quadratic form: see `_best_turn`.
    left = [(w * part).sum() for part in (np.abs(across) ** 2, np.abs(along) ** 2, 2 * (along * across.conj()).real)]
    return np.asarray((c**2 * left[0] + s**2 * left[1] - c * s * left[2]) / (left[0] + left[1]))


def _along_and_across(waves: Waves, flip: bool) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Each wave along and across the direction it should have on a detector that is not turned."""
    toward_y = -waves.toward_y if flip else waves.toward_y
    along = waves.toward_x * waves.field_x + toward_y * waves.field_y
    across = waves.toward_x * waves.field_y - toward_y * waves.field_x
    return along, across


def _best_turn(waves: Waves, flip: bool) -> _Turned:
    """Least power across, in closed form: it is a quadratic form in the cosine and sine of the angle."""
    along, across = _along_and_across(waves, flip)
    w = waves.weights
    both = float((w * (along * across.conj()).real).sum())
    more_along = float((w * (np.abs(along) ** 2 - np.abs(across) ** 2)).sum())
    angle = math.atan2(2 * both, more_along) / 2
    c, s = math.cos(angle), math.sin(angle)
    along, across = along * c + across * s, across * c - along * s
    noise = waves.noise * float(w.sum()) * TAPERS**2
    left, all_ = float((w * np.abs(across) ** 2).sum()) - noise, float((w * _power(waves)).sum()) - 2 * noise
    share = min(max(left / all_, 0.0), 1.0) if all_ > 0 else 0.5
    return _Turned(flip, angle, _error(waves, along, across), share, _likeness(waves, along))


def _error(waves: Waves, along: NDArray[np.complex128], across: NDArray[np.complex128]) -> float:
    """Standard error of the angle: what noise alone makes of it, or what the peaks disagree by if that is more."""
    pull = waves.by_peak((waves.weights * (along * across.conj()).real).sum(axis=0))
    hold = float((waves.weights * (np.abs(along) ** 2 - np.abs(across) ** 2)).sum())
    if hold <= 0:
        return math.pi / 2
    by_noise = math.sqrt(waves.noise * TAPERS**2 / (2 * hold))
    by_peaks = math.sqrt(float(np.square(pull).sum()) * pull.size / max(pull.size - 1, 1)) / hold
    return min(max(by_noise, by_peaks), math.pi / 2)


def _power(waves: Waves) -> Float:
    return np.asarray(np.abs(waves.field_y) ** 2 + np.abs(waves.field_x) ** 2)


def _likeness(waves: Waves, along: NDArray[np.complex128]) -> float:
    """How far the phases of the image agree with those of minus the divergence, -i `along`: -1..1.

    Not their amplitudes: how dark field falls off with the frequency is another matter than how a field does.
    """
    products = (waves.weights * waves.image * (-1j * along).conj()).ravel()
    sizes = float(np.abs(products).sum())
    return float(products.real.sum()) / sizes if sizes > 0 else 0.0


def _log_likelihood(way: _Turned, sign: int, waves: Waves) -> float:
    likeness = max(0.0, sign * way.likeness)
    unexplained = max(way.curl_share, LEAST_UNEXPLAINED) * max(1 - likeness**2, LEAST_UNEXPLAINED)
    return -min(waves.independent, MOST_INDEPENDENT) * math.log(unexplained)


def _wrapped(angle_rad: float) -> float:
    """The same angle in (-pi, pi]."""
    return math.pi - (math.pi - angle_rad) % (2 * math.pi)
