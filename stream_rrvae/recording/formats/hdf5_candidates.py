"""Which dataset of an HDF5 file holds the frames when the user did not say: its own default, or the only one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import h5py

from stream_rrvae.errors import FileFormatError
from stream_rrvae.recording.array_limits import pixel_type_of
from stream_rrvae.recording.formats.hdf5_checks import find_item

MOST_ITEMS = 20_000
MOST_SHOWN = 12
DEEPEST = 24


def found_dataset(file: h5py.File, name: str) -> tuple[str, tuple[str, ...]]:
    """The path of the dataset to read and what to tell the user. Raises FileFormatError that names the candidates."""
    marked = _marked_default(file)
    if marked is not None:
        return marked, (f"the frames are taken from {marked}, which the file marks as its default",)
    candidates = list(_candidates(file))
    scans = [path for path, ndim in candidates if ndim == 4] or [path for path, _ in candidates]
    if len(scans) == 1:
        return scans[0], (f"the frames are taken from {scans[0]}",)
    if not scans:
        raise FileFormatError(f"{name} holds no frames: no dataset of three or four dimensions of numbers")
    shown = ", ".join(f"{name}::{path}" for path in scans[:MOST_SHOWN])
    raise FileFormatError(f"say which dataset of {name} holds the frames, one of: {shown}")


def _marked_default(file: h5py.File) -> str | None:
    """NeXus: `default` leads from group to group, `signal` names the dataset in the last."""
    group: Any = file
    for _ in range(DEEPEST):
        signal = _text(group, "signal")
        if signal:
            path = f"{group.name.rstrip('/')}/{signal}"
            return path if _could_be_frames(find_item(file, path)) else None
        following = _text(group, "default")
        group = find_item(file, f"{group.name}/{following}") if following else None
        if not isinstance(group, h5py.Group):
            return None
    return None


def _candidates(file: h5py.File) -> Iterator[tuple[str, int]]:
    """Path and dimensions of whatever could be frames; hard links only, every item once."""
    seen: set[Any] = set()
    waiting: list[tuple[str, int]] = [("/", 0)]
    while waiting and len(seen) < MOST_ITEMS:
        path, depth = waiting.pop()
        item = file.get(path)
        if item is None or item.id in seen:
            continue
        seen.add(item.id)
        if isinstance(item, h5py.Group) and depth < DEEPEST:
            hard = [key for key in item if isinstance(item.get(key, getlink=True), h5py.HardLink)]
            waiting.extend((f"{path.rstrip('/')}/{key}", depth + 1) for key in reversed(hard))
        elif _could_be_frames(item):
            yield path, item.ndim


def _could_be_frames(item: Any) -> bool:
    if not isinstance(item, h5py.Dataset) or item.ndim not in (3, 4) or 0 in item.shape or min(item.shape[-2:]) < 2:
        return False
    return pixel_type_of(item.dtype) is not None


def _text(group: h5py.Group, name: str) -> str:
    value = group.attrs.get(name, "")
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else ""
