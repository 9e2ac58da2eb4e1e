"""The results file of a scan of which only snapshots are there, as the one that several services share; see `results`.

What no snapshot tells is not in it: the frames' settings, the manifold. Whoever needs them merges the
shards' own files (`merged_results`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from stream_rrvae.maps.com_field import ComField
from stream_rrvae.maps.derived import DERIVED, DerivedProduct
from stream_rrvae.maps.live_maps import PHASE_NAME
from stream_rrvae.maps.products import ScanMaps
from stream_rrvae.maps.results import (
    Head,
    new_entry,
    new_results,
    write_levels,
    write_maps,
    write_not_made,
    write_process,
    write_quality,
)
from stream_rrvae.maps.results_geometry import descan_in_words, write_mean_pattern
from stream_rrvae.messages import LevelChange, Snapshot
from stream_rrvae.plain import to_plain


@dataclass(frozen=True, slots=True)
class Course:
    """When the scan was, what was left out of it to keep up, and what made the file."""

    started_unix_s: float
    ended_unix_s: float
    levels: Sequence[LevelChange]
    settings: Mapping[str, Any]


def write_results_of(snapshot: Snapshot, course: Course, path: Path) -> Path:
    """Write the last snapshot of a scan to `path`, which appears whole or not at all. Raises FileFormatError."""
    with new_results(path, KeyError) as file:
        _write_entry(file, snapshot, course)
    return path


def _write_entry(file: h5py.File, snapshot: Snapshot, course: Course) -> None:
    entry = new_entry(file, Head(
        snapshot.scan_id, snapshot.state, course.started_unix_s, course.ended_unix_s, course.settings,
        snapshot.calibration, snapshot.rotation_origin, snapshot.metadata, snapshot.model.version, snapshot.path,
    ))  # fmt: skip
    maps = _maps_of(snapshot)
    write_maps(entry.create_group("maps"), maps, snapshot.calibration, snapshot.path.offset)
    write_not_made(entry, maps.not_made)
    _write_geometry(entry.create_group("geometry"), snapshot)
    quality = entry.create_group("quality")
    write_quality(quality, snapshot.counters, snapshot.model)
    write_levels(quality, course.levels)
    write_process(entry.create_group("process"), snapshot.model, {}, {})


def _maps_of(snapshot: Snapshot) -> ScanMaps:
    """Its maps, and what is derived from the COM of the whole scan, which no shard could make."""
    calibration, units = snapshot.calibration, dict(snapshot.units)
    field = ComField(snapshot.maps["com_y"], snapshot.maps["com_x"], snapshot.axes, units["com_x"], calibration)
    live_only = {PHASE_NAME, *(product.name for product in DERIVED)}
    maps = {name: image for name, image in snapshot.maps.items() if name not in live_only}
    found = ScanMaps(
        snapshot.axes, maps, {name: units[name] for name in maps}, snapshot.descan_removed,
        not_made={name: why for name, why in snapshot.not_made.items() if name not in live_only},
    )  # fmt: skip
    for product in DERIVED:
        found = _with(found, product, field)
    return found


def _with(found: ScanMaps, product: DerivedProduct, field: ComField) -> ScanMaps:
    name = product.name
    if reason := field.missing(product.needs):
        return replace(found, not_made={**found.not_made, name: reason})
    image, note = product.of(field).astype(np.float32), product.note_of(field)
    return replace(
        found,
        maps={**found.maps, name: image},
        units={**found.units, name: product.unit_of(field)},
        notes={**found.notes, **({name: note} if note else {})},
    )


def _write_geometry(group: h5py.Group, snapshot: Snapshot) -> None:
    group.attrs["NX_class"] = "NXcollection"
    for name, origin in snapshot.calibration_origin.items():
        group[f"origin/{name}"] = origin
    if snapshot.found is not None:
        group["found"] = json.dumps(to_plain(snapshot.found))
    group["descan"] = descan_in_words(snapshot.descan_removed)
    if snapshot.descan_removed is not None:
        group["descan_removed"] = json.dumps(to_plain(snapshot.descan_removed))
    if snapshot.mean_pattern is not None:
        write_mean_pattern(group, snapshot.mean_frames, snapshot.mean_pattern)
