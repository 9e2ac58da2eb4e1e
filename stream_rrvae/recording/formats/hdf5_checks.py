"""What of an HDF5 file is read at all: bytes of this very file or of its folder, in sizes and filters that are known.

Nothing here reads data. External storage, links and virtual sources would make the library read any file that the
user may read; see "Hostile files" in the design, and the tests.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401  registers the filters below

from stream_rrvae.errors import FileFormatError
from stream_rrvae.recording.description import within

CHUNK_LIMIT_BYTES = 256 << 20
LARGEST_RATIO = 1100  # of declared to stored bytes; deflate reaches 1032, LZ4 255
MOST_LINKS = 16  # followed one after another
FILTERS = {
    1: "deflate",
    2: "shuffle",
    3: "fletcher32",
    32000: "lzf",
    32001: "blosc",
    32004: "lz4",
    32008: "bitshuffle",
    32015: "zstd",
}


def find_item(file: h5py.File, path: str) -> Any:
    """The group or dataset at `path`, None if there is none; every step stays in this file. Raises FileFormatError."""
    waiting, walked = [part for part in path.split("/") if part], ""
    links = 0
    while waiting:
        step = f"{walked}/{waiting.pop(0)}"
        link = file.get(step, getlink=True, default=None)
        if link is None:
            return None
        if isinstance(link, h5py.SoftLink):
            links += 1
            if links > MOST_LINKS:
                raise FileFormatError(f"{file.filename}::{path}: too many links one after another")
            target = link.path if link.path.startswith("/") else f"{walked}/{link.path}"
            waiting, walked = [*(part for part in target.split("/") if part not in ("", ".")), *waiting], ""
            continue
        if not isinstance(link, h5py.HardLink):
            raise FileFormatError(f"{file.filename}::{step} is a link to another file, which is not followed")
        walked = step
    return file.get(walked or "/")


def find_dataset(file: h5py.File, path: str) -> h5py.Dataset:
    """The dataset at `path`, checked. Raises FileFormatError that says what is wrong."""
    found = find_item(file, path)
    if not isinstance(found, h5py.Dataset):
        raise FileFormatError(f"{file.filename} has no dataset {path}")
    return checked(found)


def checked(dataset: h5py.Dataset) -> h5py.Dataset:
    """`dataset`, when all its bytes lie in its file and its sizes and filters are acceptable."""
    name = f"{dataset.file.filename}::{dataset.name}"
    if dataset.is_virtual or dataset.external:
        raise FileFormatError(f"{name} points to other files, which is not followed")
    _check_filters(name, dataset)
    if dataset.chunks and math.prod(dataset.chunks) * dataset.dtype.itemsize > CHUNK_LIMIT_BYTES:
        raise FileFormatError(f"{name} has chunks over {CHUNK_LIMIT_BYTES >> 20} MiB")
    declared, stored = math.prod(dataset.shape or (0,)) * dataset.dtype.itemsize, dataset.id.get_storage_size()
    if declared > LARGEST_RATIO * max(stored, 1):
        raise FileFormatError(f"{name} declares {declared} bytes and holds {stored}: it was not written, or is a bomb")
    return dataset


def filters_of(dataset: h5py.Dataset) -> list[tuple[int, tuple[int, ...]]]:
    """Number and parameters of every filter, in their order."""
    properties = dataset.id.get_create_plist()
    described = (properties.get_filter(i) for i in range(properties.get_nfilters()))
    return [(number, tuple(values)) for number, _flags, values, _name in described]


def _check_filters(name: str, dataset: h5py.Dataset) -> None:
    unknown = [number for number, _ in filters_of(dataset) if number not in FILTERS]
    if unknown:
        known = ", ".join(FILTERS.values())
        raise FileFormatError(
            f"{name} is packed by HDF5 filter {unknown[0]}, which is not known here: repack ({known})"
        )


def contained(folder: Path, file_name: str) -> Path:
    """The file that a link or virtual source names, if it lies in `folder`. Raises FileFormatError."""
    path = Path(os.path.realpath(folder / file_name))
    if "%" in file_name or not within(folder, path):
        raise FileFormatError(f"{file_name[:200]!r} is named as a part of the data and lies outside {folder}")
    return path


def open_file(path: Path) -> h5py.File:
    """The file, read-only, without its lock (a network disk may have none). Raises FileFormatError."""
    try:
        return h5py.File(path, "r", locking=False, rdcc_nbytes=64 << 20)
    except OSError as error:
        raise FileFormatError(f"{path} cannot be opened as HDF5: {error}") from error
