"""A recording's master file: its segments as one row of frames and as a scan, with all that is known of them.

It holds no frames: virtual datasets point into the segments beside it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from stream_rrvae import __version__
from stream_rrvae.calibration.override import NOTHING_SAID, given
from stream_rrvae.config import CalibrationSettings
from stream_rrvae.messages import Calibration, ScanStart, ScanState
from stream_rrvae.plain import to_plain
from stream_rrvae.recording import layout
from stream_rrvae.recording.layout import Flag
from stream_rrvae.recording.scan_view import first_good_copies, patches
from stream_rrvae.recording.segment import FORMAT_BOUNDS
from stream_rrvae.recording.start_json import start_to_json
from stream_rrvae.recording.undecodable import flag_undecodable

DEFINITION = "stream_rrvae_recording"
MOST_PATCHES = 16_384  # of the view as a scan: opening a file with more would take seconds
SIDE_CHUNK = 65_536
RESULT_PARTS = ("maps", "maps_not_made", "quality", "process", "geometry", "model_version")


@dataclass(frozen=True, slots=True)
class Facts:
    """What a master file says beside what is in the segments."""

    start: ScanStart
    scan_shape: tuple[int, int]
    state: ScanState
    fault: str = ""  # why it ended early
    opened_unix_s: float = 0.0
    closed_unix_s: float = 0.0
    calibration: Calibration | None = None  # as settled; None = as announced
    undecodable: Sequence[tuple[int, float]] = ()  # number and time received of frames that turned out damaged
    recovered: bool = False
    site: CalibrationSettings = NOTHING_SAID  # what the site set over the announcement


@dataclass(frozen=True, slots=True)
class _Sides:
    """What is known of all frames, in the order they came."""

    names: list[str]  # of the segments
    counts: list[int]
    stored: list[int]  # frames in the segments' own datasets: a failed write may have left more than count
    numbers: NDArray[np.int64]
    received_s: NDArray[np.float64]
    flags: NDArray[np.uint8]

    @property
    def begins(self) -> list[int]:
        return [0, *np.cumsum(self.counts).tolist()]


def write_master(folder: Path, facts: Facts, results: Path | None = None) -> Path:
    """Write `folder/master.h5` over the segments there, with the maps of a results file. Raises OSError."""
    sides = _read_sides(folder, facts)
    # Made in memory: HDF5 does not bear a disk that is full.
    with h5py.File(layout.MASTER_NAME, "x", libver=FORMAT_BOUNDS, driver="core", backing_store=False) as file:
        file.attrs["default"] = "entry"
        entry = file.create_group("entry")
        entry.attrs.update({"NX_class": "NXentry", "default": "data", "format_version": layout.FORMAT_VERSION})
        _write_facts(entry, facts)
        _write_counts(entry.create_group("counts"), sides, facts)
        _write_frames(entry.create_group("frames"), sides, facts.start)
        _write_scan(entry.create_group("data"), sides, facts)
        if results is not None:
            _copy_results(entry, results)
        file.flush()
        content = file.id.get_file_image()
    path = folder / layout.MASTER_NAME
    path.write_bytes(content)
    return path


def _read_sides(folder: Path, facts: Facts) -> _Sides:
    paths = sorted(folder.glob("segment-*.h5"))
    columns: dict[str, list[NDArray[Any]]] = {name: [np.empty(0, dtype)] for name, dtype in layout.SIDES.items()}
    stored = []
    for path in paths:
        with h5py.File(path, "r") as file:
            stored.append(int(file[layout.FRAMES].shape[0]))
            for name, parts in columns.items():
                parts.append(file[f"entry/data/{name}"][()])
    whole = {name: np.concatenate(parts) for name, parts in columns.items()}
    counts = [int(part.size) for part in columns["flags"][1:]]
    numbers, received_s, flags = whole["frame_number"], whole["received_s"], whole["flags"]
    flag_undecodable(flags, numbers, received_s, facts.undecodable)
    return _Sides([path.name for path in paths], counts, stored, numbers, received_s, flags)


def _write_facts(entry: h5py.Group, facts: Facts) -> None:
    start, calibration = facts.start, facts.calibration or facts.start.calibration
    entry["definition"] = DEFINITION
    entry["program_name"] = "stream-rrvae"
    entry["program_name"].attrs["version"] = __version__
    entry["start_time"], entry["end_time"] = _iso(facts.opened_unix_s), _iso(facts.closed_unix_s)
    entry["scan_id"] = start.scan_id
    entry["scan_shape"] = facts.scan_shape
    entry["state"], entry["fault"] = str(facts.state), facts.fault
    entry["complete"] = np.uint8(facts.state is ScanState.COMPLETE and not facts.fault)
    entry["recovered"] = np.uint8(facts.recovered)
    entry["start"] = start_to_json(start)
    entry["calibration"] = json.dumps(to_plain(calibration))
    entry["site_calibration"] = json.dumps(given(facts.site))
    detector = entry.create_group("instrument/detector")
    entry["instrument"].attrs["NX_class"] = "NXinstrument"
    detector.attrs["NX_class"] = "NXdetector"
    if start.saturation is not None:
        detector["saturation_value"] = start.saturation
    if start.pixel_mask is not None:
        # NeXus: 0 = good, bit 1 = dead
        mask = np.where(start.pixel_mask, 0, 2).astype(np.uint32)
        detector.create_dataset("pixel_mask", data=mask, compression="gzip")


def _write_counts(group: h5py.Group, sides: _Sides, facts: Facts) -> None:
    group.attrs["NX_class"] = "NXcollection"
    positions, _ = first_good_copies(_positions(sides, facts), sides.flags, _n_positions(facts))
    group["frames"] = sides.flags.size
    group["positions"] = _n_positions(facts)
    group["positions_missing"] = _n_positions(facts) - positions.size
    for flag in Flag:
        group[str(flag.name).lower()] = int(np.count_nonzero(sides.flags & np.uint8(flag)))


def _write_frames(group: h5py.Group, sides: _Sides, start: ScanStart) -> None:
    group.attrs.update({"NX_class": "NXdata", "signal": "data"})
    n_frames = sides.flags.size
    frames_shape = (n_frames, *start.frame_shape)
    _virtual(group, "data", frames_shape, np.dtype(start.pixel_type), layout.FRAMES, sides, sides.stored)
    for name in ("frame_number", "received_s"):
        _virtual(group, name, (n_frames,), layout.SIDES[name], f"entry/data/{name}", sides, sides.counts)
    group["received_s"].attrs["units"] = "s"
    # Not virtual: which frames are damaged is known only after their segment was written.
    chunks = (min(SIDE_CHUNK, n_frames),) if n_frames else None
    group.create_dataset("flags", data=sides.flags, chunks=chunks, compression="gzip" if chunks else None)
    group["flags"].attrs["meaning"] = ", ".join(f"{flag.value} {str(flag.name).lower()}" for flag in Flag)


def _virtual(
    group: h5py.Group,
    name: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    within: str,
    sides: _Sides,
    stored: Sequence[int],
) -> None:
    made = h5py.VirtualLayout(shape, dtype.newbyteorder("<"))
    for segment, count, begin, rows in zip(sides.names, sides.counts, sides.begins, stored, strict=False):
        if count:
            made[begin : begin + count] = h5py.VirtualSource(segment, within, (rows, *shape[1:]))[:count]
    group.create_virtual_dataset(name, made, fillvalue=0)


def _write_scan(group: h5py.Group, sides: _Sides, facts: Facts) -> None:
    """The view as a scan: positions without a frame are zeros."""
    group.attrs.update({"NX_class": "NXdata", "signal": "data"})
    shape = (*facts.scan_shape, *facts.start.frame_shape)
    made = h5py.VirtualLayout(shape, np.dtype(facts.start.pixel_type).newbyteorder("<"))
    positions, frames = first_good_copies(_positions(sides, facts), sides.flags, _n_positions(facts))
    begins = np.array(sides.begins, np.int64)
    for count, patch in enumerate(patches(positions, frames, begins[1:-1], facts.scan_shape[1]), 1):
        if count > MOST_PATCHES:
            group.attrs["note"] = "frames came in so many pieces that no view as a scan was made: see /entry/frames"
            return
        segment = int(np.searchsorted(begins, patch.first, "right")) - 1
        begin = patch.first - int(begins[segment])
        source = h5py.VirtualSource(sides.names[segment], layout.FRAMES, (sides.stored[segment], *shape[2:]))
        made[patch.rows, patch.columns] = source[begin : begin + patch.count]
    group.create_virtual_dataset("data", made, fillvalue=0)
    group["data"].attrs["units"] = "counts"
    group.attrs["axes"] = ["scan_y", "scan_x", "ky", "kx"]
    _write_axes(group, facts)


def _write_axes(group: h5py.Group, facts: Facts) -> None:
    calibration = facts.calibration or facts.start.calibration
    step_nm, per_px = calibration.scan_step_nm, calibration.mrad_per_px
    center = calibration.beam_center_px or (0.0, 0.0)
    for axis, name in enumerate(("scan_y", "scan_x")):
        begin = facts.start.path.offset[axis]
        places = np.arange(begin, begin + facts.scan_shape[axis], dtype=np.float32)
        group[name] = places * (step_nm[axis] if step_nm else 1.0)
        group[name].attrs["units"] = "nm" if step_nm else "px"
    for axis, name in enumerate(("ky", "kx")):
        at_px = np.arange(facts.start.frame_shape[axis], dtype=np.float32)
        group[name] = (at_px - np.float32(center[axis])) * np.float32(per_px) if per_px else at_px
        group[name].attrs["units"] = "mrad" if per_px else "px"


def _copy_results(entry: h5py.Group, results: Path) -> None:
    """Maps come as they are packed there, which costs next to nothing."""
    with h5py.File(results, "r") as file:
        for name in RESULT_PARTS:
            if name in file["entry"]:
                file.copy(f"entry/{name}", entry, name)


def _positions(sides: _Sides, facts: Facts) -> NDArray[np.int64]:
    """Where each stored frame lies in the scan; outside it for flyback."""
    path = facts.start.path
    return sides.numbers if path.is_raster else path.positions(sides.numbers, facts.scan_shape)


def _n_positions(facts: Facts) -> int:
    return facts.scan_shape[0] * facts.scan_shape[1]


def _iso(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat()
