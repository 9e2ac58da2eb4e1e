"""What is acceptable in the announcement of a scan: identity, shapes, geometry, metadata.

All checks raise WireError with the Refusal that the counters show.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from stream_rrvae.errors import WireError
from stream_rrvae.messages import Calibration, Plain, Refusal, ScanStart
from stream_rrvae.scan_path import ScanPath
from stream_rrvae.wire import limits
from stream_rrvae.wire.fields import MAX_INTEGER, integer

MAX_ID_CHARS = 128
MAX_METADATA_DEPTH = 8
MAX_METADATA_ITEMS = 4096
MAX_METADATA_CHARS = 32 << 10
_ID_PUNCTUATION = "._:+-"
# Smallest and largest value that can be meant; a beam centre may lie outside the detector.
_CALIBRATION_BOUNDS = {
    "mrad_per_px": (1e-6, 1e3),
    "semiangle_mrad": (1e-3, 1571.0),
    "beam_center_px": (-8.0 * limits.MAX_SIDE_PX, 8.0 * limits.MAX_SIDE_PX),
    "disc_radius_px": (1e-3, 8.0 * limits.MAX_SIDE_PX),
    "scan_step_nm": (1e-6, 1e9),
    "detector_rotation_rad": (-4 * math.pi, 4 * math.pi),
    "beam_energy_ev": (1.0, 1e9),
    "thickness_nm": (1e-3, 1e7),
}


def check_start(start: ScanStart, limit_bytes: int) -> ScanStart:
    """`start` when all of it is acceptable."""
    check_scan_id(start.scan_id)
    limits.check_pixel_type(start.pixel_type)
    limits.check_frame_bytes(limits.check_frame_shape(start.frame_shape), start.pixel_type, limit_bytes)
    _check_counts(start)
    if start.scan_shape is not None:
        limits.check_scan_shape(start.scan_shape)
    check_path(start.path, start.scan_shape)
    if start.saturation is not None:
        limits.check_number(start.saturation, "the saturation value", low=0.0)
    check_channels(start.channels)
    check_calibration(start.calibration)
    check_metadata(start.metadata)
    if start.pixel_mask is not None:
        limits.check_pixel_mask(start.pixel_mask, start.frame_shape)
    return start


def check_scan_id(scan_id: str) -> None:
    """Letters, digits and ._:+- only, not beginning with a dot: the identity also names folders."""
    if not 1 <= len(scan_id) <= MAX_ID_CHARS or scan_id != sanitised_id(scan_id):
        raise WireError(Refusal.FIELD, f"{scan_id[:MAX_ID_CHARS]!r} cannot identify a scan")


def sanitised_id(text: str) -> str:
    """`text` with everything that an identity cannot hold replaced by an underscore."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in _ID_PUNCTUATION) else "_" for c in text[:MAX_ID_CHARS])
    return "_" + kept[1:] if kept.startswith(".") else kept


def most_frames(path: ScanPath, scan_shape: tuple[int, int] | None) -> int:
    """How many frames may be announced: more than one scan's only where the stream says how they part into scans."""
    return limits.MAX_SERIES_FRAMES if path.endless and scan_shape is not None else limits.MAX_POSITIONS


def check_frame_count(frames: object, path: ScanPath, scan_shape: tuple[int, int] | None) -> int:
    """`frames` when so many may be announced."""
    count = integer({"frames": frames}, "frames", 1, limits.MAX_SERIES_FRAMES)
    if count > most_frames(path, scan_shape):
        told = '{"scan_shape": [y, x], "path": {"endless": true}}'
        limit = f"{count} frames are announced, more than the {limits.MAX_POSITIONS} of the largest scan"
        what = f"or, where it is scan after scan, put {told} into the start (header_appendix of DECTRIS detectors)"
        raise WireError(Refusal.FIELD, f"{limit}: announce those of one scan, {what}")
    return count


def check_path(path: ScanPath, scan_shape: tuple[int, int] | None) -> ScanPath:
    """`path` when it can be gone, over not too many frames."""
    try:
        path.check(scan_shape)
    except ValueError as error:
        raise WireError(Refusal.FIELD, str(error)) from error
    if path.within is not None:
        limits.check_scan_shape(path.within)
    if scan_shape is not None and path.frames_due(scan_shape) > limits.MAX_POSITIONS:
        raise WireError(Refusal.FIELD, f"the scan has more than {limits.MAX_POSITIONS} frames")
    return path


def check_channels(channels: tuple[str, ...]) -> None:
    """Few, short and different names."""
    if len(channels) > limits.MAX_CHANNELS or any(not 1 <= len(name) <= limits.MAX_TEXT for name in channels):
        raise WireError(Refusal.FIELD, "the channel names are too many or too long")
    if len(set(channels)) != len(channels):
        raise WireError(Refusal.FIELD, "a channel is announced twice")


def check_calibration(calibration: Calibration) -> None:
    """Every known value is finite and within what can be meant."""
    for name, (low, high) in _CALIBRATION_BOUNDS.items():
        value = getattr(calibration, name)
        for number in value if isinstance(value, tuple) else (value,):
            if number is not None:
                limits.check_number(number, name, low, high)


def check_metadata(metadata: Any, share: int = 1) -> None:
    """Plain JSON data (finite numbers, texts that UTF-8 can write), bounded in depth, entries and length.

    With a `share` of n only an n-th of the room is granted.
    """
    if not isinstance(metadata, Mapping):
        raise WireError(Refusal.TYPE, "the metadata is not a map")
    _Budget(share).take(metadata, MAX_METADATA_DEPTH)


def fitting_metadata(notes: Mapping[str, Plain], name: str, extras: Mapping[str, Any]) -> dict[str, Plain]:
    """`notes` and, under `name`, those of the `extras` that metadata can hold beside them."""
    budget = _Budget()
    budget.take({**notes, name: {}}, MAX_METADATA_DEPTH)
    kept = {key: value for key, value in extras.items() if budget.affords({key: value})}
    return {**notes, name: kept}


class _Budget:
    def __init__(self, share: int = 1) -> None:
        self.items = MAX_METADATA_ITEMS // share
        self.chars = MAX_METADATA_CHARS // share

    def affords(self, value: Plain) -> bool:
        before = self.items, self.chars
        try:
            self.take(value, MAX_METADATA_DEPTH - 1)
        except WireError:
            self.items, self.chars = before
            return False
        return True

    def take(self, value: Plain, depth: int) -> None:
        self.items -= 1
        if depth < 0 or self.items < 0 or self.chars < 0:
            raise WireError(Refusal.SIZE, "the metadata is too deep or too large")
        if isinstance(value, Mapping):
            for key, item in value.items():
                self._take_key(key)
                self.take(item, depth - 1)
        elif isinstance(value, list | tuple):
            for item in value:
                self.take(item, depth - 1)
        else:
            self._take_scalar(value)

    def _take_key(self, key: object) -> None:
        if not isinstance(key, str):
            raise WireError(Refusal.TYPE, "a key of the metadata is not a text")
        self._take_scalar(key)

    def _take_scalar(self, value: Plain) -> None:
        if isinstance(value, str):
            self._take_text(value)
        elif isinstance(value, float):
            limits.check_number(value, "a number of the metadata")
        elif isinstance(value, int):
            integer({"metadata": int(value)}, "metadata", -MAX_INTEGER)
        elif value is not None:
            raise WireError(Refusal.TYPE, f"the metadata holds a {type(value).__name__}")

    def _take_text(self, value: str) -> None:
        self.chars -= len(value)
        if self.chars < 0:
            raise WireError(Refusal.SIZE, "the metadata is too large")
        if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
            raise WireError(Refusal.FIELD, "a text of the metadata is not Unicode")


def _check_counts(start: ScanStart) -> None:
    integer({"series": start.series}, "series")
    check_frame_count(start.frames_expected, start.path, start.scan_shape)
    check_shard(start.shard_id, start.shard_count, start.shard_lines)


def check_shard(shard_id: object, shard_count: object, shard_lines: object) -> tuple[int, int, int]:
    """One of so many shards, to which so many lines go together; the three numbers when they can be."""
    given = {"shard_id": shard_id, "shard_count": shard_count, "shard_lines": shard_lines}
    count = integer(given, "shard_count", 1, limits.MAX_SHARDS)
    return integer(given, "shard_id", 0, count - 1), count, integer(given, "shard_lines", 1, limits.MAX_SCAN_SIDE)
