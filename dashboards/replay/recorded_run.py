"""A recording as the pages know it: what the recordings' process told of it, checked, and its maps as they come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from stream_rrvae.errors import RequestError
from stream_rrvae.messages import Calibration, Float32Array
from stream_rrvae.plain import from_plain

COVERED = "coverage"


@dataclass(frozen=True, slots=True)
class Run:
    """`due` [scan_y, scan_x], `seconds` [2, n], `gaps` [n, 2] and `marks` [n, 2] as in the archive's course."""

    id: str
    results: str  # of which results the maps are; "" = the recording's own
    name: str
    is_part: bool
    scan_id: str
    scan_shape: tuple[int, int]
    frame_shape: tuple[int, int]
    pixel_type: str
    frames: int
    size_bytes: int
    axes: str
    calibration: Calibration
    names: tuple[str, ...]  # of maps
    units: Mapping[str, str]
    quality: Mapping[str, Any]
    made_by: Mapping[str, Any]
    analyses: Sequence[Mapping[str, Any]]
    notes: tuple[str, ...]
    due: Float32Array
    seconds: Float32Array
    gaps: Float32Array
    marks: Float32Array
    marks_left_out: int
    flags: Mapping[str, str]
    not_made: Mapping[str, str] = field(default_factory=dict)  # maps that cannot be made, and why
    maps: dict[str, Float32Array] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Positions."""
        return self.scan_shape[0] * self.scan_shape[1]

    @property
    def missing(self) -> int:
        """Positions without a good frame."""
        return int(np.isnan(self.due).sum())


def run_of(facts: Mapping[str, Any], course: Mapping[str, Any]) -> Run:
    """From the two answers. Raises RequestError when they do not fit together."""
    try:
        run = Run(
            id=str(facts["id"]), results=str(facts["results"]), name=str(facts["name"]),
            is_part=bool(facts["is_part"]), scan_id=str(facts["scan_id"]), scan_shape=_pair(facts["scan_shape"]),
            frame_shape=_pair(facts["frame_shape"]), pixel_type=str(facts["pixel_type"]),
            frames=int(facts["frames"]), size_bytes=int(facts["size_bytes"]), axes=str(facts["axes"]),
            calibration=from_plain(Calibration, facts["calibration"]),
            names=tuple(str(name) for name in facts["maps"]), units=dict(facts["units"]),
            quality=dict(facts["quality"]), made_by=dict(facts["made_by"]), analyses=list(facts["analyses"]),
            notes=tuple(str(note) for note in facts["notes"]), due=course["due"], seconds=course["seconds"],
            gaps=course["gaps"], marks=course["marks"], marks_left_out=int(course["marks_left_out"]),
            flags=dict(course["flags"]),
            not_made={str(name): str(why) for name, why in dict(facts.get("not_made", {})).items()},
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise RequestError(f"what was told of the recording does not fit: {error}") from error
    if run.due.shape != run.scan_shape or run.seconds.shape[0] != 2 or 0 in run.scan_shape:
        raise RequestError("what was told of the recording does not fit: shapes")
    return run


def _pair(value: Any) -> tuple[int, int]:
    first, second = value
    return int(first), int(second)
