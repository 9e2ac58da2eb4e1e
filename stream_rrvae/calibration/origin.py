"""Where each value of a scan's calibration comes from, and what else a scan's store is told of it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from stream_rrvae.calibration.override import override
from stream_rrvae.calibration.site import SiteWord
from stream_rrvae.config import CalibrationSettings
from stream_rrvae.messages import Calibration

FITTED = ("beam_center_px", "disc_radius_px")
ROTATION = "detector_rotation_rad"
SETTINGS_NAMES = {ROTATION: "detector_rotation_deg"}
ORIGIN, DESCAN, SITE = "calibration_origin", "descan", "site"  # in a store's `features_info`


def told_to_store(stream: Calibration, word: SiteWord, settled: Calibration) -> dict[str, Any]:
    """Origins, what is done about descan and the site's file, by their names in a store's `features_info`."""
    told = {ORIGIN: origins(stream, word.settings, word.from_file, settled), DESCAN: word.settings.descan or "none"}
    return {**told, SITE: word.file} if word.file else told


def origins(
    stream: Calibration, settings: CalibrationSettings, from_file: CalibrationSettings, settled: Calibration
) -> dict[str, str]:
    """Of each known value of `settled`: "settings", "site file", "stream", "fitted" or "derived" (from the others)."""
    overridden, found = override(stream, settings), dict[str, str]()
    for field in fields(Calibration):
        name, value = field.name, getattr(settled, field.name)
        if value is None or (name == "detector_flip" and settled.detector_rotation_rad is None and not value):
            continue
        of_settings = SETTINGS_NAMES.get(name, name)
        if getattr(overridden, name) != value:
            found[name] = "fitted" if name in FITTED else "derived"
        elif getattr(from_file, of_settings, None) is not None:
            found[name] = "site file"
        elif getattr(settings, of_settings, None) is not None:
            found[name] = "settings"
        elif getattr(stream, name) == value:
            found[name] = "stream"
        else:
            found[name] = "derived"
    return found
