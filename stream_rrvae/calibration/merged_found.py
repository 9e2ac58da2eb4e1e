"""What the shards of one scan found of its calibration, as one finding: each saw other lines, so their noise is apart.

Values are averaged by their standard errors, and probabilities of yes or no multiplied as odds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from stream_rrvae.calibration.rotation import MOST_CERTAIN, TRUSTED, TRUSTED_ERROR_RAD
from stream_rrvae.found import CalibrationFound, DescanFound, PatternFound, RotationFound

LEAST_ERROR = 1e-9


def merged_found(parts: Sequence[CalibrationFound | None]) -> CalibrationFound | None:
    """One finding of those that there are; None = no shard has looked yet."""
    told = [part for part in parts if part is not None]
    if not told:
        return None
    patterns = [part.pattern for part in told if part.pattern is not None]
    rotations = [part.rotation for part in told if part.rotation is not None]
    descans = [part.descan for part in told if part.descan is not None]
    return CalibrationFound(
        positions=sum(part.positions for part in told),
        pattern=_pattern(patterns) if patterns else None,
        rotation=_rotation(rotations) if rotations else None,
        descan=_descan(descans) if descans else None,
        note="; ".join(dict.fromkeys(part.note for part in told if part.note)),
    )


def _mean(values: Sequence[float], errors: Sequence[float]) -> tuple[float, float]:
    """Mean by inverse variance, and its standard error."""
    weights = 1.0 / np.maximum(errors, LEAST_ERROR) ** 2
    return float(np.average(values, weights=weights)), float(1.0 / math.sqrt(weights.sum()))


def _pattern(parts: Sequence[PatternFound]) -> PatternFound:
    ky, ky_error = _mean([part.center_px[0] for part in parts], [part.center_error_px[0] for part in parts])
    kx, kx_error = _mean([part.center_px[1] for part in parts], [part.center_error_px[1] for part in parts])
    radius, radius_error = _mean([part.radius_px for part in parts], [part.radius_error_px for part in parts])
    most = max(parts, key=lambda part: part.frames)  # an ellipse is told from a circle or not: no mean of both
    return PatternFound(
        (ky, kx), (ky_error, kx_error), radius, radius_error, most.axis_ratio, most.axis_ratio_error,
        most.long_axis_rad, sum(part.frames for part in parts),
    )  # fmt: skip


def _rotation(parts: Sequence[RotationFound]) -> RotationFound:
    flip, of_flip = _voted([part.flip for part in parts], [part.flip_confidence for part in parts])
    alike = [part for part in parts if part.flip == flip]
    best = min(alike, key=lambda part: part.error_rad)
    # Within half a turn, from the most certain one on; then which of both halves.
    off = [_halved(part.rotation_rad - best.rotation_rad) for part in alike]
    angle, error = _mean(off, [part.error_rad for part in alike])
    same = [math.cos(part.rotation_rad - best.rotation_rad) > 0 for part in alike]
    is_same, of_direction = _voted(same, [part.direction_confidence for part in alike])
    turned = best.rotation_rad + angle + (0.0 if is_same else math.pi)
    share = float(np.average([part.curl_share for part in alike]))
    trusted = min(of_flip, of_direction) >= TRUSTED and error <= TRUSTED_ERROR_RAD
    return RotationFound(math.pi - (math.pi - turned) % math.tau, error, flip, of_flip, of_direction, share, trusted)


def _voted(yes: Sequence[bool], confidences: Sequence[float]) -> tuple[bool, float]:
    """What independent witnesses say together, and how probable that is."""
    odds = sum((1 if said else -1) * _log_odds(sure) for said, sure in zip(yes, confidences, strict=True))
    return odds >= 0, min(1.0 / (1.0 + math.exp(-abs(odds))), max(MOST_CERTAIN, *confidences))


def _log_odds(probability: float) -> float:
    bounded = min(max(probability, 1.0 - MOST_CERTAIN), MOST_CERTAIN)
    return math.log(bounded / (1.0 - bounded))


def _halved(angle_rad: float) -> float:
    """The angle within half a turn, in [-pi/2, pi/2)."""
    return (angle_rad + math.pi / 2) % math.pi - math.pi / 2


def _descan(parts: Sequence[DescanFound]) -> DescanFound:
    """The mean of those of one kind: each is of lines that lie all over the scan."""
    alike = [part for part in parts if part.kind == parts[0].kind]
    terms = np.mean([part.terms_px for part in alike], axis=0)
    errors = [part.error_px for part in alike if part.error_px is not None]
    error = np.sqrt(np.square(errors).sum(axis=0)) / len(errors) if errors else None
    return DescanFound(
        parts[0].kind,
        tuple((float(y), float(x)) for y, x in terms),
        None if error is None else (float(error[0]), float(error[1])),
        all(part.certain for part in alike),
    )
