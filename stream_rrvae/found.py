"""What a scan itself shows of its calibration, with how certain that is: suggestions, not what is used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DescanKind = Literal["plane", "quadratic"]
Pair = tuple[float, float]


@dataclass(frozen=True, slots=True)
class PatternFound:
    """The disc on the detector, (ky, kx) in px; every `_error` is a standard error of counting noise alone."""

    center_px: Pair
    center_error_px: Pair
    radius_px: float  # mean over all directions
    radius_error_px: float
    axis_ratio: float  # largest over smallest radius; 1 where it is not told from round
    axis_ratio_error: float
    long_axis_rad: float  # atan2(ky, kx) in (-pi/2, pi/2], where the radius is largest
    frames: int = 0  # in the mean pattern


@dataclass(frozen=True, slots=True)
class RotationFound:
    """`messages.Calibration`'s rotation and flip as the COM maps show them."""

    rotation_rad: float  # in (-pi, pi]
    error_rad: float  # standard error, of the angle within half a turn
    flip: bool
    flip_confidence: float  # probability, 0.5 = not known; 1 where the flip was given
    direction_confidence: float  # probability that it is not half a turn off, 0.5 = not known
    curl_share: float  # part of the field's power that is left across: 0 = a field without curl, 0.5 = no field
    trusted: bool  # certain enough to be used without asking


@dataclass(frozen=True, slots=True)
class DescanFound:
    """How the pattern walks over the detector during the scan, in px (ky, kx) for each term; 0 on average.

    The first two terms are the walk from the first row to the last, and from the first column to the last; of
    "quadratic" the square of the row, row times column and the square of the column follow (sides being 1).
    """

    kind: DescanKind
    terms_px: tuple[Pair, ...]
    error_px: Pair | None  # of the walks over rows and columns: what halves of the scan disagree by; None = unknown
    certain: bool  # not so where the specimen's own field may well be the larger part of it


@dataclass(frozen=True, slots=True)
class CalibrationFound:
    """Everything that a scan shows so far; None = not found, and `note` says why."""

    positions: int = 0  # measured, when it was looked for
    pattern: PatternFound | None = None
    rotation: RotationFound | None = None
    descan: DescanFound | None = None
    note: str = ""
