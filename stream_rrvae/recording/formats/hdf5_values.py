"""Single values and small arrays out of an HDF5 file, as far as they make sense."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np

from stream_rrvae.errors import FileFormatError
from stream_rrvae.messages import BoolArray
from stream_rrvae.recording.formats.hdf5_checks import find_item

LONGEST_TEXT = 256


def number_at(file: h5py.File, *paths: str) -> float | None:
    """The first finite number found at one of `paths`."""
    for path in paths:
        value = _single(file, path)
        if isinstance(value, int | float) and math.isfinite(value):
            return float(value)
    return None


def text_at(file: h5py.File, path: str) -> str | None:
    """The text at `path`, cut to what is worth keeping."""
    value = _single(file, path)
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return value[:LONGEST_TEXT] if isinstance(value, str) and value else None


def names_at(file: h5py.File, path: str, most: int) -> tuple[str, ...]:
    """A list of at most `most` texts."""
    item = find_item(file, path)
    if not isinstance(item, h5py.Dataset) or item.ndim != 1 or not 1 <= item.size <= most:
        return ()
    values = item[()].tolist()
    return tuple(v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values)


def usable_at(file: h5py.File, frame_shape: tuple[int, int], *paths: str) -> BoolArray | None:
    """The first pixel mask of the frame's shape at one of `paths`, True where it is zero: each bit names a defect."""
    for path in paths:
        try:
            item = find_item(file, path)
        except FileFormatError:
            continue
        if isinstance(item, h5py.Dataset) and item.shape == frame_shape and item.dtype.kind in "uib":
            usable: BoolArray = np.equal(item[()], 0)
            if usable.any():
                return usable
    return None


def _single(file: h5py.File, path: str) -> Any:
    try:
        item = find_item(file, path)
    except FileFormatError:
        return None
    if not isinstance(item, h5py.Dataset) or item.shape is None or item.size != 1 or item.is_virtual or item.external:
        return None
    value: Any = item[()]
    while isinstance(value, np.ndarray | Sequence) and not isinstance(value, str | bytes):
        value = value[0]
    return value.item() if isinstance(value, np.generic) else value
