"""A results file in words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from stream_rrvae.errors import FileFormatError
from stream_rrvae.maps.results import DEFINITION

ACCOUNT = ("expected", "received", "missing", "refused", "duplicate")


def is_results(path: Path) -> bool:
    """Whether an HDF5 file says of itself that it holds results, or cannot be asked."""
    try:
        with h5py.File(path) as file:
            definition = file.get("entry/definition", getlink=True)
            return isinstance(definition, h5py.HardLink) and _text(file["entry"], "definition") == DEFINITION
    except (OSError, KeyError, TypeError, ValueError, AttributeError):
        return True  # its own summary says what is wrong with it


def results_lines(path: Path) -> list[str]:
    """Scan, account, model and maps of a results file. Raises FileFormatError when it is none."""
    try:
        with h5py.File(path) as file:
            entry = file["entry"]
            if _text(entry, "definition") != DEFINITION:
                raise FileFormatError(f"{path} is HDF5, but no results file of stream-rrvae")
            return [str(path), *_scan(entry), *_model(entry), *_maps(entry["maps"]), *_not_made(entry)]
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise FileFormatError(f"{path} is no whole results file: {error}") from error


def _scan(entry: h5py.Group) -> list[str]:
    quality = entry["quality"]
    version = entry["program_name"].attrs["version"]
    shape = entry["maps/sum"].shape
    account = ", ".join(f"{int(quality[f'frames_{name}'][()])} {name}" for name in ACCOUNT)
    return [
        f"  results     of scan {_text(entry, 'scan_id')}, {shape[0]}x{shape[1]} positions, {_text(entry, 'state')}",
        f"  made        {_text(entry, 'start_time')} to {_text(entry, 'end_time')} by stream-rrvae {version}",
        f"  frames      {account}",
        f"  calibration {_text(entry, 'calibration')}",
        f"  vectors     in {entry['maps'].attrs['vector_axes']} axes",
    ]


def _model(entry: h5py.Group) -> list[str]:
    process, quality = entry["process"], entry["quality"]
    version, settings = int(entry["model_version"][()]), process.get("settings", {})
    made_by, chosen = _listed(process.get("model", {})), _listed(settings)
    figures = (
        f"{name} {np.array2string(np.asarray(item[()], float), precision=4)}"
        for name, item in quality.items()
        if isinstance(item, h5py.Dataset) and not name.startswith("frames_")
    )
    state = f"{_text(process, 'mode')}, {_text(process, 'state')} {_text(process, 'detail')}"
    return [
        f"  model       version {version}, {state}",
        f"  made by     {made_by or 'not stated'}",
        f"  settings    {chosen or 'none'}",
        *(f"    {figure}" for figure in figures),
    ]


def _listed(group: Mapping[str, h5py.Dataset]) -> str:
    return ", ".join(f"{name} {_plain(group[name][()])}" for name in group)


def _maps(maps: h5py.Group) -> list[str]:
    axes = set(_strings(maps.attrs["axes"]))
    return ["  maps", *(_map_line(name, maps[name]) for name in maps if name not in axes)]


def _not_made(entry: h5py.Group) -> list[str]:
    reasons = entry.get("maps_not_made", {})
    return [f"    {name:<24} not made: {_text(reasons, name)}" for name in reasons]


def _map_line(name: str, data: h5py.Dataset) -> str:
    values = np.asarray(data[()], np.float64)
    finite = values[np.isfinite(values)]
    spread = f"{finite.min():.4g} to {finite.max():.4g}" if finite.size else "nothing measured"
    absent = values.size - finite.size
    return f"    {name:<24} {spread} {_plain(data.attrs['units'])}" + (f", {absent} not measured" if absent else "")


def _text(group: h5py.Group, name: str) -> str:
    return _plain(group[name][()])


def _plain(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _strings(values: Any) -> list[str]:
    return [_plain(value) for value in values]
