"""What a recording's master file, or a results file, tells whoever chooses among many; read in the confined process.

Nothing is followed out of the file, and no more is read than a page can show.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from stream_rrvae.errors import FileFormatError
from stream_rrvae.recording import layout
from stream_rrvae.recording.formats.hdf5_checks import find_dataset, find_item, open_file
from stream_rrvae.recording.reader_messages import ReaderMessage

MAPS = "entry/maps"
MOST_MAPS = 64
MOST_POSITIONS = 1 << 24
MOST_CHARS = 1 << 16
MOST_FIGURES = 64
THUMBNAILS = ("com_magnitude", "com_direction")
THUMBNAIL_SIDE = 64
MOST_START_CHARS = 32 << 20  # with a pixel mask
_SHORT_CHARS = 256
_TEXTS = ("scan_id", "state", "fault", "start_time", "end_time", "calibration", "metadata")
_OF_START = ("scan_id", "frame_shape", "pixel_type", "scan_shape", "shard_id", "shard_count")
_NUMBERS = ("complete", "recovered", "model_version")


def look_at(path: Path) -> ReaderMessage:
    """Facts and thumbnails of a finished recording's folder, or of a results file. Raises FileFormatError.

    A recording whose master file is damaged still has a journal that tells of it.
    """
    try:
        return _look_at(_file_of(path))
    except Exception as error:
        if not path.is_dir():
            raise
        # Whatever HDF5 makes of a damaged file, the journal is no part of it.
        told = look_at_unfinished(path)
        return ReaderMessage({**told.fields, "damage": f"its master file is damaged: {str(error)[:200]}"})


def _look_at(path: Path) -> ReaderMessage:
    with open_file(path) as file:
        names = _map_names(file)
        arrays = {name: _thumbnail(_map(file, name)) for name in THUMBNAILS if name in names}
        return ReaderMessage({**_facts(file), "maps": names}, arrays)


def stored_map(path: Path, name: str) -> ReaderMessage:
    """One map [scan_y, scan_x] as it is stored, as float32. Raises FileFormatError."""
    with open_file(_file_of(path)) as file:
        if name not in _map_names(file):
            raise FileFormatError(f"there is no map {name[:64]!r}")
        return ReaderMessage({}, {"map": _map(file, name)})


def _file_of(path: Path) -> Path:
    file = path / layout.MASTER_NAME if path.is_dir() else path
    if file.is_symlink():
        raise FileFormatError(f"{file} is a link, which is not followed")
    return file


def _facts(file: h5py.File) -> dict[str, Any]:
    told: dict[str, Any] = {name: text for name in _TEXTS if (text := _text(file, f"entry/{name}"))}
    told |= {name: int(value) for name in _NUMBERS if (value := _number(file, f"entry/{name}")) is not None}
    told["start"] = summary_of(_text(file, "entry/start", MOST_START_CHARS))
    told["counts"] = _figures(file, "entry/counts")
    told["quality"] = _figures(file, "entry/quality")
    process = {name: _text(file, f"entry/process/{name}") for name in ("mode", "state", "detail")}
    told["process"] = {name: text for name, text in process.items() if text}
    told["model"] = _texts(file, "entry/process/model")
    told["not_made"] = _texts(file, "entry/maps_not_made")
    group = find_item(file, MAPS)
    told["axes"] = str(group.attrs.get("vector_axes", ""))[:32] if isinstance(group, h5py.Group) else ""
    told["units"] = {name: _unit(file, name) for name in _map_names(file)}
    shape = find_item(file, "entry/scan_shape")
    has_shape = isinstance(shape, h5py.Dataset) and shape.size == 2 and shape.dtype.kind in "iu"
    told["scan_shape"] = [int(side) for side in np.ravel(shape[()])] if has_shape else []
    return told


def _map_names(file: h5py.File) -> list[str]:
    group = find_item(file, MAPS)
    if not isinstance(group, h5py.Group):
        return []
    named = (name for name in group if name.isidentifier() and len(name) <= 64)
    return [name for name in named if _is_map(file, name)][:MOST_MAPS]


def _is_map(file: h5py.File, name: str) -> bool:
    item = find_item(file, f"{MAPS}/{name}")
    return isinstance(item, h5py.Dataset) and item.ndim == 2


def _map(file: h5py.File, name: str) -> NDArray[np.float32]:
    dataset = find_dataset(file, f"{MAPS}/{name}")
    if math.prod(dataset.shape) > MOST_POSITIONS or dataset.dtype.kind not in "fiu":
        raise FileFormatError(f"the map {name} is {dataset.dtype} {dataset.shape}, which is not shown")
    return np.asarray(dataset[()], np.float32)


def _thumbnail(values: NDArray[np.float32]) -> NDArray[np.float32]:
    step = max(1, math.ceil(max(values.shape, default=1) / THUMBNAIL_SIDE))
    return values[::step, ::step]


def _unit(file: h5py.File, name: str) -> str:
    return str(find_dataset(file, f"{MAPS}/{name}").attrs.get("units", ""))[:32]


def _text(file: h5py.File, name: str, most_chars: int = MOST_CHARS) -> str:
    item = find_item(file, name)
    if not isinstance(item, h5py.Dataset) or item.shape != () or item.dtype.kind not in "OS":
        return ""
    value = item[()]
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text if len(text) <= most_chars else ""


def _number(file: h5py.File, name: str) -> float | None:
    item = find_item(file, name)
    if not isinstance(item, h5py.Dataset) or item.shape != () or item.dtype.kind not in "fiu":
        return None
    return float(item[()])


def _figures(file: h5py.File, name: str) -> dict[str, float | list[float]]:
    """The numbers of a group, single or a few in a row."""
    found: dict[str, float | list[float]] = {}
    for key, item in _items(file, name):
        if item.dtype.kind in "fiu" and item.ndim <= 1 and item.size <= MOST_FIGURES:
            values = np.atleast_1d(item[()]).astype(np.float64)
            found[key] = float(values[0]) if item.ndim == 0 else values.tolist()
    return found


def _texts(file: h5py.File, name: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, _ in _items(file, name):
        number = _number(file, f"{name}/{key}")
        text = _text(file, f"{name}/{key}") if number is None else f"{number:g}"
        if text:
            found[key] = text[:256]
    return found


def _items(file: h5py.File, name: str) -> list[tuple[str, h5py.Dataset]]:
    group = find_item(file, name)
    if not isinstance(group, h5py.Group):
        return []
    keys = [key for key in group if len(key) <= 64][:MOST_FIGURES]
    items = [(key, find_item(file, f"{name}/{key}")) for key in keys]
    return [(key, item) for key, item in items if isinstance(item, h5py.Dataset)]


def journal_facts(lines: list[Mapping[str, Any]]) -> dict[str, Any]:
    """The facts of a recording without a master file, from its journal."""
    opened = lines[0] if lines else {}
    frames = {line["segment"]: line["frames"] for line in lines if "segment" in line}
    closed = next((line for line in lines if "closed" in line), {})
    shape = opened.get("scan_shape") or []
    total = math.prod(shape) if shape else 0
    counted = sum(int(count) for count in frames.values())
    damaged = sum(len(line["undecodable"]) for line in lines if "undecodable" in line)
    start = opened.get("start")
    return {
        "start": summary_of(start if isinstance(start, str) else ""),
        "state": str(closed.get("closed", ""))[:32],
        "fault": str(closed.get("fault", ""))[:256],
        "began_unix_s": float(opened.get("unix_s", 0.0)),
        "ended_unix_s": float(lines[-1].get("unix_s", 0.0)) if lines else 0.0,
        "scan_shape": [int(side) for side in shape],
        "counts": {
            "frames": float(counted), "positions": float(total), "positions_missing": float(max(0, total - counted)),
            "undecodable": float(damaged),
        },
        "maps": [],
    }  # fmt: skip


def look_at_unfinished(folder: Path) -> ReaderMessage:
    """What the journal of an unfinished recording tells. Raises FileFormatError when there is none."""
    from stream_rrvae.recording.journal import read_journal

    lines = read_journal(folder / layout.JOURNAL_NAME)
    if not lines or "opened" not in lines[0]:
        raise FileFormatError("nothing had been recorded yet")
    try:
        return ReaderMessage(journal_facts(list(lines)))
    except (KeyError, TypeError, ValueError) as error:
        raise FileFormatError(f"its journal cannot be understood: {error}") from error


def summary_of(start: str) -> dict[str, Any]:
    """Of an announcement as JSON: what a list shows, and of its metadata what is short. Odd JSON tells nothing."""
    try:
        plain = json.loads(start)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(plain, dict):
        return {}
    metadata = plain.get("metadata")
    given = metadata.items() if isinstance(metadata, dict) else ()
    short = {name: value for name, value in given if _is_short(name, value)}
    return {name: plain[name] for name in _OF_START if name in plain} | {"metadata": dict(list(short.items())[:64])}


def _is_short(name: str, value: Any) -> bool:
    if isinstance(value, str):
        return len(name) <= 64 and len(value) <= _SHORT_CHARS
    return isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 2**63)
