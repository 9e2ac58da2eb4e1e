"""What the site settles of its scans, and what it makes of an announcement: shape and path."""

from __future__ import annotations

from dataclasses import dataclass, replace

from stream_rrvae.config import AS_TOLD, ScanSettings
from stream_rrvae.messages import ScanStart
from stream_rrvae.scan_path import RASTER
from stream_rrvae.wire.limits import MAX_POSITIONS

PATH_NOTE = "scan_path_note"  # in a scan's metadata


@dataclass(frozen=True, slots=True)
class ScanRules:
    """What the site settles: its scan shape (y, x) if it knows better, and the waiting times."""

    scan_shape: tuple[int, int] | None = None
    scan: ScanSettings = AS_TOLD  # which way it goes
    end_grace_s: float = 0.5
    stall_timeout_s: float = 5.0


def settle_scan_shape(start: ScanStart, wanted: tuple[int, int] | None) -> tuple[int, int]:
    """(y, x): as the site wants it, else as announced, else a square, else one line."""
    shape = wanted or start.scan_shape
    if shape is not None:
        return shape
    side = start.path.square_of(start.frames_expected)
    return (1, start.frames_expected) if side is None else (side, side)


def with_path(start: ScanStart, said: ScanSettings, shape: tuple[int, int]) -> ScanStart:
    """`start` with the site's word on which way the scan goes; what cannot be is left out, and its metadata say so."""
    path = said.over(start.path)
    try:
        path.check(shape)
    except ValueError as error:
        path, start = replace(path, offset=(0, 0), within=None), _noted(start, str(error))
    if path.frames_due(shape) > MAX_POSITIONS:
        path, start = RASTER, _noted(start, f"{path.frames_due(shape)} frames are more than {MAX_POSITIONS}")
    return start if path == start.path else replace(start, path=path)


def _noted(start: ScanStart, fault: str) -> ScanStart:
    return replace(
        start, metadata={**start.metadata, PATH_NOTE: f"the scan's path was not used as it was said: {fault}"}
    )
