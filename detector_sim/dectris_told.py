"""What both DECTRIS streams say at the start of a series, in fields of the same names."""

from __future__ import annotations

from typing import Any

from stream_rrvae.messages import Calibration, ScanStart
from stream_rrvae.plain import to_plain
from stream_rrvae.scan_path import RASTER

DESCRIPTION = "stream-rrvae simulated detector"
FRAME_TIME_S = 1e-4


def site_appendix(start: ScanStart) -> dict[str, Any] | None:
    """What a site would write to `header_appendix`; None when there is nothing to say."""
    known = start.calibration if start.calibration != Calibration() else None
    told = {name: value for name, value in (to_plain(known) or {}).items() if value is not None}
    data = {"scan_shape": list(start.scan_shape) if start.scan_shape else None, "calibration": told}
    data["metadata"] = dict(start.metadata)
    if start.path != RASTER:
        data["path"] = to_plain(start.path)
    if start.shard_count > 1:
        data["shard"] = {"id": start.shard_id, "count": start.shard_count, "lines": start.shard_lines}
    return {name: value for name, value in data.items() if value} or None


def detector_fields(start: ScanStart) -> dict[str, Any]:
    """Description, times, beam and saturation."""
    fields: dict[str, Any] = {
        "count_time": FRAME_TIME_S,
        "frame_time": FRAME_TIME_S,
        "detector_description": DESCRIPTION,
        "detector_serial_number": "S-00-0000",
    }
    if start.calibration.beam_center_px is not None:
        fields["beam_center_y"], fields["beam_center_x"] = start.calibration.beam_center_px
    if start.calibration.beam_energy_ev is not None:
        fields["incident_energy"] = start.calibration.beam_energy_ev
    if start.saturation is not None:
        fields["saturation_value"] = int(start.saturation)
    return fields
