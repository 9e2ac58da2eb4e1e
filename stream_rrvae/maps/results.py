"""The results file: NeXus in HDF5, one scan, opens with plain h5py.

/entry (NXentry): definition, program and its version, start and end, configuration (JSON);
/entry/maps (NXdata): the maps [scan_y, scan_x] with `units`, over the axes scan_y and scan_x;
/entry/maps_not_made (NXcollection): of maps that could not be made, by name, what is missing for them;
/entry/quality: figures of the model and the account of the frames; /entry/process: the learner's settings and, in
`model`, what made the maps: decoder, latents, what it began with, hashes of it and of the checkpoint behind it;
/entry/manifold (NXdata), where there is a model: what frames with such latents look like (`maps.manifold`).
/entry/geometry: where the calibration comes from, and what the scan shows of it (`maps.results_geometry`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from stream_rrvae import __version__
from stream_rrvae.errors import FileFormatError
from stream_rrvae.found import CalibrationFound
from stream_rrvae.maps.manifold import manifold_of
from stream_rrvae.maps.manifold_file import write_manifold
from stream_rrvae.maps.map_chunks import write_map
from stream_rrvae.maps.products import ScanMaps, derived_products, scan_maps
from stream_rrvae.maps.results_geometry import write_geometry
from stream_rrvae.messages import Calibration, Counters, LevelChange, ModelStatus, ScanState
from stream_rrvae.plain import to_plain
from stream_rrvae.scan_path import ScanPath
from stream_rrvae.scan_store import ScanStore
from stream_rrvae.whole_file import whole_hdf5

DEFINITION = "stream_rrvae_results"
FORMAT_VERSION = 1
ACCOUNT = (
    "expected", "received", "missing", "processed", "refused", "duplicate", "reordered", "skipped", "flyback",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Provenance:
    """When and how: goes into every results file."""

    started_unix_s: float
    ended_unix_s: float
    settings: Mapping[str, Any]
    calibration: Calibration | None = None  # as it was in the end; None = as the scan began
    rotation_origin: str = ""  # who said how the detector is turned; see calibration.live_rotation
    found: CalibrationFound | None = None  # what the scan shows of its calibration
    levels: Sequence[LevelChange] = ()  # of what was left out to keep up; empty = nothing was


@dataclass(frozen=True, slots=True)
class Head:
    """What stands at the beginning of every results file."""

    scan_id: str
    state: ScanState
    started_unix_s: float
    ended_unix_s: float
    settings: Mapping[str, Any]
    calibration: Calibration
    rotation_origin: str
    metadata: Mapping[str, Any]
    model_version: int
    path: ScanPath


def write_results(path: Path, store: ScanStore, provenance: Provenance) -> Path:
    """Write the store's scan to `path`, which appears whole or not at all. Raises FileFormatError."""
    maps = scan_maps(store, derived_products(), provenance.calibration)
    with new_results(path) as file:
        _write_entry(file, store, maps, provenance)
        write_manifold(file, manifold_of(store))
    return path


@contextmanager
def new_results(path: Path, *faults: type[Exception]) -> Iterator[h5py.File]:
    """A file that appears at `path` whole or not at all. Raises FileFormatError for those of the disk and `faults`."""
    refusals: tuple[type[Exception], ...] = (OSError, *faults)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_hdf5(path) as file:
            yield file
    except refusals as error:
        raise FileFormatError(f"cannot write {path}: {error}; free some space or choose another --out") from error


def free_name(folder: Path, stem: str) -> Path:
    """`folder/stem.results.h5`, numbered when that name is taken: a scan is never overwritten."""
    path, number = folder / f"{stem}.results.h5", 1
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}.results.h5"
    return path


def new_entry(file: h5py.File, head: Head) -> h5py.Group:
    """/entry with what stands at its beginning."""
    file.attrs["default"] = "entry"
    entry = file.create_group("entry")
    entry.attrs.update({"NX_class": "NXentry", "default": "maps", "format_version": FORMAT_VERSION})
    entry["definition"] = DEFINITION
    entry["program_name"] = "stream-rrvae"
    entry["program_name"].attrs["version"] = __version__
    entry["start_time"], entry["end_time"] = _iso(head.started_unix_s), _iso(head.ended_unix_s)
    entry["scan_id"], entry["state"] = head.scan_id, str(head.state)
    entry["configuration"] = json.dumps(dict(head.settings), default=str)
    entry["calibration"] = json.dumps(to_plain(head.calibration))
    entry["rotation_origin"] = head.rotation_origin
    entry["metadata"] = json.dumps(to_plain(head.metadata), default=str)
    entry["model_version"] = head.model_version
    entry["scan_path"] = json.dumps(to_plain(head.path))
    return entry


def _write_entry(file: h5py.File, store: ScanStore, maps: ScanMaps, provenance: Provenance) -> None:
    start, account, status = store.start, store.read_account(), store.read_status()
    calibration = provenance.calibration or start.calibration
    entry = new_entry(file, Head(
        start.scan_id, account.state, provenance.started_unix_s, provenance.ended_unix_s, provenance.settings,
        calibration, provenance.rotation_origin, start.metadata, status.version, start.path,
    ))  # fmt: skip
    write_maps(entry.create_group("maps"), maps, calibration, start.path.offset)
    write_not_made(entry, maps.not_made)
    write_geometry(entry.create_group("geometry"), store, maps.descan, provenance.found)
    quality = entry.create_group("quality")
    write_quality(quality, account.counters, status)
    write_levels(quality, provenance.levels)
    learn = provenance.settings.get("learn", {})
    write_process(entry.create_group("process"), status, store.features_info, learn)


def write_maps(group: h5py.Group, maps: ScanMaps, calibration: Calibration, offset: tuple[int, int]) -> None:
    """Fill /entry/maps; `offset` is the first position in the larger scan that it is part of."""
    group.attrs.update({"NX_class": "NXdata", "signal": "com_magnitude", "axes": ["scan_y", "scan_x"]})
    group.attrs["auxiliary_signals"] = [name for name in maps.maps if name != "com_magnitude"]
    group.attrs["vector_axes"] = maps.axes
    group.attrs["vector_convention"] = (
        f"COM and rotation are angles atan2(y, x) in {maps.axes} axes: x grows with the column, y with the row"
    )
    for name, values in maps.maps.items():
        stored = values.astype(np.uint8) if name == "coverage" else values
        data = write_map(group, name, stored)
        data.attrs["units"] = maps.units[name]
        if name in maps.notes:
            data.attrs["note"] = maps.notes[name]
    step = calibration.scan_step_nm
    shape = maps.maps["sum"].shape
    for axis, name in enumerate(("scan_y", "scan_x")):
        places = np.arange(offset[axis], offset[axis] + shape[axis], dtype=np.float32)
        group[name] = places * (step[axis] if step else 1.0)
        group[name].attrs["units"] = "nm" if step else "px"


def write_not_made(entry: h5py.Group, reasons: Mapping[str, str]) -> None:
    """Say of the maps that are not there why."""
    group = entry.create_group("maps_not_made")
    group.attrs["NX_class"] = "NXcollection"
    for name, reason in reasons.items():
        group[name] = reason


def write_quality(group: h5py.Group, counters: Counters, status: ModelStatus) -> None:
    """Fill /entry/quality: the account, and the model's figures."""
    group.attrs["NX_class"] = "NXcollection"
    for name in ACCOUNT:
        group[f"frames_{name}"] = getattr(counters, name)
    for reason, count in counters.refusals.items():
        group[f"refused_by_reason/{reason}"] = count
    for reason, count in counters.skips.items():
        group[f"skipped_by_reason/{reason}"] = count
    for name, value in status.quality.items():
        group[name] = np.asarray(value, np.float64)


def write_levels(group: h5py.Group, levels: Sequence[LevelChange]) -> None:
    """`messages.DegradeLevel`: the highest during the scan, and from when on each held."""
    group["degrade_level_highest"] = max((change.level for change in levels), default=0)
    if levels:
        group["degrade_levels"] = np.array([change.level for change in levels], np.uint8)
        group["degrade_levels"].attrs["since"] = [_iso(change.unix_s) for change in levels]
        group["degrade_levels"].attrs["reason"] = [change.reason for change in levels]


def write_process(
    group: h5py.Group, status: ModelStatus, features: Mapping[str, Any], learn: Mapping[str, Any]
) -> None:
    """Fill /entry/process: what the maps were learnt with."""
    group.attrs["NX_class"] = "NXprocess"
    group["mode"], group["state"], group["detail"] = status.mode, status.state, status.detail
    group["features"] = json.dumps(features)
    for name, value in status.model.items():
        group[f"model/{name}"] = value
    for name, value in learn.items():
        if name != "mode" and name not in status.model and value is not None:
            group[f"settings/{name}"] = value


def _iso(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat()


def summary(path: Path) -> str:
    """One line on a results file: account and figures. Raises FileFormatError when it is none."""
    try:
        with h5py.File(path) as file:
            quality = file["entry/quality"]
            frames = f"{quality['frames_received'][()]} frames received, {quality['frames_missing'][()]} missing"
            figures = [frames, f"model version {file['entry/model_version'][()]}"]
            if "pearson_latent_com" in quality:
                figures.append(f"r(latent 1, |COM|) = {quality['pearson_latent_com'][0]:.4f}")
            if "angle_error_deg" in quality:
                figures.append(f"angle between rotation and COM {quality['angle_error_deg'][()]:.2f} degrees")
    except (OSError, KeyError) as error:
        raise FileFormatError(f"{path} is no results file: {error}") from error
    return ", ".join(figures)
