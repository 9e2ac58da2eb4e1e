"""What a file says of its scan, as the announcement that a detector would have made."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from stream_rrvae.calibration.override import NOTHING_SAID, given, override, site_of
from stream_rrvae.config import AS_TOLD, CalibrationSettings, ScanSettings
from stream_rrvae.errors import FileFormatError, WireError
from stream_rrvae.messages import ScanStart
from stream_rrvae.plain import from_plain, to_plain
from stream_rrvae.recording.description import Description
from stream_rrvae.scan_path import ScanPath
from stream_rrvae.wire.protocol import DEFAULT_LIMIT_BYTES
from stream_rrvae.wire.start_limits import check_calibration, check_metadata, check_start, sanitised_id


def announced(
    name: str, description: Description, wanted: tuple[int, int] | None, said: ScanSettings = AS_TOLD
) -> tuple[ScanStart, tuple[str, ...]]:
    """The start, its scan shape settled, and what to tell the user. Raises FileFormatError.

    `said` is the site's word on which way the scan goes.
    """
    path = _path(name, description, said)
    shape, notes = _scan_shape(name, description, wanted, path)
    fields: dict[str, Any] = {
        "scan_id": sanitised_id(Path(name).stem) or "scan",
        "series": 0,
        "frames_expected": path.frames_due(shape, _last_number(description) + 1),
        "channels": list(description.channels),
        **description.start,
        "frame_shape": list(description.frame_shape),
        "pixel_type": description.pixel_type,
        "scan_shape": list(shape),
        "path": to_plain(path),
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


def _path(name: str, description: Description, said: ScanSettings) -> ScanPath:
    told = description.start.get("path")
    try:
        path = said.over(ScanPath() if told is None else from_plain(ScanPath, told))
        path.check(None)
    except (TypeError, ValueError) as error:
        raise FileFormatError(f"the way that the scan of {name} goes makes no sense: {error}") from error
    return path


def _scan_shape(
    name: str, description: Description, wanted: tuple[int, int] | None, path: ScanPath
) -> tuple[tuple[int, int], tuple[str, ...]]:
    stored = description.shape
    if len(stored) == 4 and not path.is_raster:
        return _of_rows(name, (stored[0], stored[1]), wanted, path), ()
    if len(stored) == 4:
        if wanted not in (None, stored[:2]):
            raise FileFormatError(f"{name} is a scan of {stored[0]}x{stored[1]}, not {wanted[0]}x{wanted[1]}")
        return (stored[0], stored[1]), ()
    shape = wanted or description.scan_shape
    if shape is None and not path.is_raster and (side := path.square_of(stored[0])):
        shape = (side, side)
    if shape is None:
        raise FileFormatError(f"{name} holds {stored[0]} frames in a row: say the scan's shape with --scan-shape YxX")
    n_frames = _last_number(description) + 1
    n_due, text = path.frames_due(shape, n_frames), _in_words(shape, path)
    if n_due > n_frames and not description.may_be_short:
        raise FileFormatError(f"{name} holds {n_frames} frames, fewer than {text}")
    if n_due > n_frames:
        return shape, (f"{n_frames} frames for {text} positions: the rest counts as missing",)
    if n_due < n_frames and description.numbers is None:
        return shape, (f"{n_frames} frames for {text} positions: the last {n_frames - n_due} are left out",)
    return shape, ()


def _of_rows(name: str, stored: tuple[int, int], wanted: tuple[int, int] | None, path: ScanPath) -> tuple[int, int]:
    """The scan's shape where frames lie in `stored` rows as they came, flyback with them."""
    shape = wanted or (stored[0] // path.passes, stored[1] - path.line_flyback)
    if min(shape) < 1 or path.frames_due(shape, math.prod(stored)) != math.prod(stored):
        raise FileFormatError(
            f"{name} holds {stored[0]}x{stored[1]} frames, which are not those of {_in_words(shape, path)}"
        )
    return shape


def _in_words(shape: tuple[int, int], path: ScanPath) -> str:
    more = "" if path.is_raster else f" ({path.frames_due(shape)} frames with flyback and {path.passes} passes)"
    return f"{shape[0]}x{shape[1]}{more}"


def _last_number(description: Description) -> int:
    if description.numbers is None:
        return description.shape[0] - 1
    return int(description.numbers.max()) if description.numbers.size else -1
