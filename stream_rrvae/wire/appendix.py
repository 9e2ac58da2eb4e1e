"""Scan shape, calibration and metadata that the site put into the detector's `header_appendix`.

A map, or its JSON text: {"scan_shape": [y, x], "calibration": {fields of Calibration}, "metadata": {...},
"scan_id": text, "shard": {"id": number, "count": number, "lines": number}, "path": {fields of ScanPath}},
each optional.
What is wrong is left out and said, since the pixels are good without it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

from stream_rrvae.errors import WireError
from stream_rrvae.messages import Calibration, Plain
from stream_rrvae.plain import from_plain
from stream_rrvae.scan_path import RASTER, ScanPath
from stream_rrvae.wire import limits
from stream_rrvae.wire.fields import text
from stream_rrvae.wire.start_limits import check_calibration, check_metadata, check_path, check_shard, sanitised_id

T = TypeVar("T")
MAX_ERROR_CHARS = 400


@dataclass(frozen=True, slots=True)
class Appendix:
    """What could be understood; `errors` says what could not."""

    scan_shape: tuple[int, int] | None = None
    calibration: Calibration = field(default_factory=Calibration)
    metadata: Mapping[str, Plain] = field(default_factory=dict)
    scan_id: str | None = None  # for streams that identify a scan by a running number only
    shard: tuple[int, int, int] = (0, 1, 1)  # id, count, lines that go to one shard together
    path: ScanPath = RASTER
    errors: tuple[str, ...] = ()


def read_appendix(user_data: Any, known: Calibration) -> Appendix:
    """The appendix in `user_data` (None = there is none); its calibration goes over what is `known`. Never raises."""
    if user_data is None:
        return Appendix(calibration=known)
    errors: list[str] = []
    nothing: Mapping[str, Any] = {}
    given = _attempt("user_data", lambda: _as_map(user_data), nothing, errors)
    shape = _attempt("scan_shape", lambda: _scan_shape(given.get("scan_shape")), None, errors)
    calibration = _attempt("calibration", lambda: _calibration(given.get("calibration"), known), known, errors)
    metadata = _attempt("metadata", lambda: _metadata(given.get("metadata")), nothing, errors)
    scan_id = _attempt("scan_id", lambda: _scan_id(given), None, errors)
    shard = _attempt("shard", lambda: _shard(given.get("shard")), (0, 1, 1), errors)
    path = _attempt("path", lambda: _path(given.get("path"), shape), RASTER, errors)
    return Appendix(shape, calibration, metadata, scan_id, shard, path, tuple(errors))


def _attempt(name: str, read: Callable[[], T], otherwise: T, errors: list[str]) -> T:
    try:
        return read()
    except (WireError, ValueError, TypeError, RecursionError) as error:
        errors.append(f"{name}: {error}"[:MAX_ERROR_CHARS])
        return otherwise


def _as_map(user_data: Any) -> Mapping[str, Any]:
    given = json.loads(user_data) if isinstance(user_data, str) else user_data
    if not isinstance(given, dict):
        raise TypeError("neither a map nor the JSON text of one")
    return given


def _scan_id(given: Mapping[str, Any]) -> str | None:
    return sanitised_id(text(given, "scan_id")) if given.get("scan_id") else None


def _shard(value: Any) -> tuple[int, int, int]:
    if value is None:
        return 0, 1, 1
    if not isinstance(value, dict):
        raise TypeError("not a map of id, count and lines")
    return check_shard(value.get("id"), value.get("count"), value.get("lines", 1))


def _path(value: Any, scan_shape: tuple[int, int] | None) -> ScanPath:
    return RASTER if value is None else check_path(from_plain(ScanPath, value), scan_shape)


def _scan_shape(value: Any) -> tuple[int, int] | None:
    return None if value is None else limits.check_scan_shape(value)


def _calibration(value: Any, known: Calibration) -> Calibration:
    if value is None:
        return known
    given = from_plain(Calibration, value)
    check_calibration(given)
    return replace(known, **{f.name: getattr(given, f.name) for f in fields(Calibration) if f.name in value})


def _metadata(value: Any) -> Mapping[str, Plain]:
    if value is None:
        return {}
    check_metadata(value, share=2)  # the other half is for what the detector itself says
    return dict(value)
