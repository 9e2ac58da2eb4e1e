"""The site's word over that of the stream; a recording keeps both, so that its replay needs neither again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from stream_rrvae.config import CalibrationSettings
from stream_rrvae.errors import FileFormatError
from stream_rrvae.messages import Calibration

NOTHING_SAID = CalibrationSettings()


def override(stream: Calibration, site: CalibrationSettings) -> Calibration:
    """The stream's calibration with the site's word over it."""
    said: dict[str, Any] = site.model_dump(exclude_none=True, exclude={"rotation", "descan"})
    rotation_deg = said.pop("detector_rotation_deg", None)
    if rotation_deg is not None:
        said["detector_rotation_rad"] = math.radians(rotation_deg)
    if "semiangle_mrad" in said and "mrad_per_px" in said:
        said["disc_radius_px"] = said["semiangle_mrad"] / said["mrad_per_px"]
    return replace(stream, **said)


def over_recorded(recorded: CalibrationSettings, now: CalibrationSettings) -> CalibrationSettings:
    """What a site said when a scan was recorded, with what it says now over it."""
    return CalibrationSettings(**{**given(recorded), **given(now)})


def given(site: CalibrationSettings) -> dict[str, Any]:
    """What of it was said, as plain values."""
    return site.model_dump(mode="json", exclude_none=True)


def site_of(plain: Mapping[str, Any]) -> CalibrationSettings:
    """The same from what `given` made. Raises FileFormatError."""
    try:
        return CalibrationSettings(**plain)
    except (ValidationError, TypeError) as error:
        raise FileFormatError(f"the geometry that was set when it was recorded cannot be read: {error}") from error
