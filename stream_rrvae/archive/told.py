"""What is known of a recording as plain values for a list, in words and numbers that need no more looking."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from stream_rrvae.archive.archive import Listed
from stream_rrvae.archive.listing import Entry
from stream_rrvae.recording.formats.own_results import THUMBNAILS
from stream_rrvae.recording.reader_messages import ReaderMessage

LIST_METADATA, LIST_CHARS = 12, 120
GROWING_S = 10.0  # an unfinished recording that has grown since then is still being written


def told_of(listed: Listed) -> dict[str, Any]:
    """One line of the list."""
    entry, facts = listed.entry, listed.facts
    told: dict[str, Any] = {
        "id": entry.id, "name": entry.name[:LIST_CHARS], "size_bytes": entry.size_bytes,
        "changed_unix_s": entry.changed_s, "problem": listed.problem or "", "looked": facts is not None,
        "state": _state(entry, facts),
    }  # fmt: skip
    return told if facts is None else told | _short(facts)


def _state(entry: Entry, facts: ReaderMessage | None) -> str:
    """recording | unfinished | complete | aborted | recovered | damaged | "" (not looked at yet)."""
    if entry.is_part:
        return "recording" if time.time() - entry.changed_s < GROWING_S else "unfinished"
    if facts is None:
        return ""
    if facts.fields.get("damage"):
        return "damaged"
    if facts.fields.get("recovered"):
        return "recovered"
    return "complete" if facts.fields.get("complete") else "aborted"


def _short(facts: ReaderMessage) -> dict[str, Any]:
    fields = facts.fields
    start = _mapping(fields.get("start"))
    metadata = list(_mapping(start.get("metadata")).items())[:LIST_METADATA]
    began_s, ended_s = _unix_s(fields, "start_time", "began_unix_s"), _unix_s(fields, "end_time", "ended_unix_s")
    return {
        "scan_id": str(fields.get("scan_id") or start.get("scan_id") or "")[:LIST_CHARS],
        "scan_shape": fields.get("scan_shape") or [],
        "frame_shape": start.get("frame_shape") or [],
        "pixel_type": str(start.get("pixel_type", "")),
        "began_unix_s": began_s,
        "seconds": max(0.0, ended_s - began_s),
        "counts": fields.get("counts") or {},
        "fault": str(fields.get("damage") or fields.get("fault", ""))[:LIST_CHARS],
        "metadata": {name: value[:LIST_CHARS] if isinstance(value, str) else value for name, value in metadata},
        "thumbnails": [name for name in THUMBNAILS if name in facts.arrays],
        "made_by": made_by(facts),
    }


def made_by(facts: ReaderMessage) -> dict[str, Any]:
    """What made the maps: mode, version, decoder, checkpoint. Empty where there are no maps."""
    fields = facts.fields
    if not fields.get("maps"):
        return {}
    return {
        "version": int(fields.get("model_version") or 0),
        **{name: text for name, text in _mapping(fields.get("process")).items() if name in ("mode", "state", "detail")},
        "model": dict(_mapping(fields.get("model"))),
    }


def _unix_s(fields: Mapping[str, Any], iso_name: str, number_name: str) -> float:
    if number_name in fields:
        return float(fields[number_name])
    try:
        return datetime.fromisoformat(str(fields.get(iso_name, ""))).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
