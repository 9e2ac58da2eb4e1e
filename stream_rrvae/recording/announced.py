"""What a file says of its scan, as the announcement that a detector would have made."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from stream_rrvae.calibration.override import NOTHING_SAID, given, override, site_of
from stream_rrvae.config import CalibrationSettings
from stream_rrvae.errors import FileFormatError, WireError
from stream_rrvae.messages import ScanStart
from stream_rrvae.plain import from_plain
from stream_rrvae.recording.description import Description
from stream_rrvae.wire.protocol import DEFAULT_LIMIT_BYTES
from stream_rrvae.wire.start_limits import check_calibration, check_metadata, check_start, sanitised_id


def announced(name: str, description: Description, wanted: tuple[int, int] | None) -> tuple[ScanStart, tuple[str, ...]]:
    """The start, its scan shape settled, and what to tell the user. Raises FileFormatError."""
    shape, notes = _scan_shape(name, description, wanted)
    fields: dict[str, Any] = {
        "scan_id": sanitised_id(Path(name).stem) or "scan",
        "series": 0,
        "frames_expected": shape[0] * shape[1],
        "channels": list(description.channels),
        **description.start,
        "frame_shape": list(description.frame_shape),
        "pixel_type": description.pixel_type,
        "scan_shape": list(shape),
        "pixel_mask": description.pixel_mask,
    }
    fields["metadata"], ignored = _metadata(fields.get("metadata", {}))
    try:
        return check_start(from_plain(ScanStart, fields), DEFAULT_LIMIT_BYTES), (*description.notes, *notes, *ignored)
    except (WireError, TypeError, ValueError) as error:
        raise FileFormatError(f"what {name} says of its scan is not acceptable: {error}") from error


def recorded_site(name: str, description: Description, start: ScanStart) -> tuple[CalibrationSettings, tuple[str, ...]]:
    """The geometry that was set when it was recorded, and a word of it. Raises FileFormatError."""
    try:
        site = site_of(description.site)
    except FileFormatError as error:
        return NOTHING_SAID, (str(error),)
    try:
        check_calibration(override(start.calibration, site))
    except WireError as error:
        raise FileFormatError(
            f"the geometry that was set when {name} was recorded is not acceptable: {error}"
        ) from error
    said = ", ".join(f"{key} {value}" for key, value in given(site).items())
    return site, (f"with the geometry that was set when it was recorded, unless set again: {said}",) if said else ()


def _metadata(said: Any) -> tuple[Any, tuple[str, ...]]:
    """As it is, or nothing and a word of it: the pixels are good without."""
    try:
        check_metadata(said)
    except WireError as error:
        return {}, (f"its metadata is not acceptable and left out: {error.detail}",)
    return said, ()


def _scan_shape(
    name: str, description: Description, wanted: tuple[int, int] | None
) -> tuple[tuple[int, int], tuple[str, ...]]:
    stored = description.shape
    if len(stored) == 4:
        if wanted not in (None, stored[:2]):
            raise FileFormatError(f"{name} is a scan of {stored[0]}x{stored[1]}, not {wanted[0]}x{wanted[1]}")
        return (stored[0], stored[1]), ()
    shape = wanted or description.scan_shape
    if shape is None:
        raise FileFormatError(f"{name} holds {stored[0]} frames in a row: say the scan's shape with --scan-shape YxX")
    n_positions, n_frames = math.prod(shape), _last_number(description) + 1
    text = f"{shape[0]}x{shape[1]}"
    if n_positions > n_frames and not description.may_be_short:
        raise FileFormatError(f"{name} holds {n_frames} frames, fewer than {text}")
    if n_positions > n_frames:
        return shape, (f"{n_frames} frames for {text} positions: the rest counts as missing",)
    if n_positions < n_frames and description.numbers is None:
        return shape, (f"{n_frames} frames for {text} positions: the last {n_frames - n_positions} are left out",)
    return shape, ()


def _last_number(description: Description) -> int:
    if description.numbers is None:
        return description.shape[0] - 1
    return int(description.numbers.max()) if description.numbers.size else -1
