"""Whether the rotation that a scan shows is used: where settings say so, nobody else knows it and it is certain."""

from __future__ import annotations

from dataclasses import replace

from stream_rrvae.config import CalibrationSettings
from stream_rrvae.found import CalibrationFound, RotationFound
from stream_rrvae.messages import Calibration


def rotation_to_use(found: CalibrationFound | None, settings: CalibrationSettings) -> RotationFound | None:
    """What may be used of it; None = nothing."""
    if settings.rotation != "find" or found is None or found.rotation is None or not found.rotation.trusted:
        return None
    return found.rotation


def with_found(calibration: Calibration, found: CalibrationFound | None, settings: CalibrationSettings) -> Calibration:
    """`calibration`, turned as `found` where that is to be used and it does not say anything itself."""
    rotation = rotation_to_use(found, settings)
    if rotation is None or calibration.detector_rotation_rad is not None:
        return calibration
    return replace(calibration, detector_rotation_rad=rotation.rotation_rad, detector_flip=rotation.flip)
