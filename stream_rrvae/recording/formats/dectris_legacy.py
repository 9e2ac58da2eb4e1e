"""DECTRIS files in the legacy form: `NAME_master.h5` with links data_000001 ... to `NAME_data_000001.h5` and so on.

The links are read and followed here, into the master's own folder only, never by HDF5.
"""

from __future__ import annotations

import math
import re
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from stream_rrvae.errors import FileFormatError
from stream_rrvae.recording.array_limits import check_array
from stream_rrvae.recording.description import ChunkIndex, Description
from stream_rrvae.recording.formats import dectris_detector
from stream_rrvae.recording.formats.hdf5_checks import contained, find_dataset, find_item, open_file
from stream_rrvae.recording.formats.hdf5_index import index_of, joined
from stream_rrvae.recording.formats.hdf5_values import number_at
from stream_rrvae.recording.formats.opened import Opened

GROUP = "/entry/data"
_LINK = re.compile(r"data_\d{4,8}")
MOST_FILES = 100_000


@dataclass(frozen=True, slots=True)
class _Part:
    """One data file's frames: its index, or the dataset itself where HDF5 has to read it."""

    path: Path
    dataset: str
    shape: tuple[int, ...]
    pixel_type: str
    first_number: int | None  # as the detector counts, from 0
    index: ChunkIndex | None


def is_master(file: h5py.File) -> bool:
    """Whether the frames are behind numbered links."""
    return bool(_links(file))


def open_master(file: h5py.File, path: Path, stack: ExitStack) -> Opened:
    """The whole series. Raises FileFormatError."""
    links = _links(file)
    parts = [part for link in links if (part := _part(file, path.parent, link)) is not None]
    if not parts:
        raise FileFormatError(f"none of the {len(links)} data files of {path} is there: put them into {path.parent}")
    _check_alike(path, parts)
    numbers, note = _numbers(path, parts, len(links))
    frame_shape = (parts[0].shape[1], parts[0].shape[2])
    n_frames = sum(part.shape[0] for part in parts)
    fields, notes = dectris_detector.start_fields(file)
    scan_shape, guessed = guessed_shape(file, n_frames)
    at = np.arange(n_frames) if numbers is None else numbers
    indices = [part.index for part in parts if part.index is not None]
    description = Description(
        kind="DECTRIS master file",
        shape=(n_frames, *frame_shape),
        pixel_type=parts[0].pixel_type,
        scan_shape=scan_shape,
        may_be_short=True,
        start=fields,
        notes=(*notes, *note, *guessed),
        index=joined(indices) if len(indices) == len(parts) else None,
        pixel_mask=dectris_detector.usable(file, frame_shape),
        numbers=numbers,
        received_s=dectris_detector.relative_times_s(file, at),
    )
    return Opened(description, None if description.index else _Concatenated(parts, stack))


def _links(file: h5py.File) -> list[str]:
    group = find_item(file, GROUP)
    if not isinstance(group, h5py.Group):
        return []
    return sorted((name for name in group if _LINK.fullmatch(name)), key=lambda name: int(name[5:]))[:MOST_FILES]


def _part(file: h5py.File, folder: Path, name: str) -> _Part | None:
    """The part behind a link; None when its file is not there."""
    link = file[GROUP].get(name, getlink=True)
    if not isinstance(link, h5py.ExternalLink):
        return _described(file, Path(file.filename), f"{GROUP}/{name}")
    path = contained(folder, link.filename)
    if not path.is_file():
        return None
    with open_file(path) as data_file:
        return _described(data_file, path, link.path)


def _described(file: h5py.File, path: Path, name: str) -> _Part:
    dataset = find_dataset(file, name)
    pixel_type = check_array(f"{path}::{name}", dataset.shape, dataset.dtype)
    if dataset.ndim != 3:
        raise FileFormatError(f"{path}::{name} is {dataset.shape}: wanted [n, ky, kx]")
    first = dataset.attrs.get("image_nr_low")
    number = int(first) - 1 if np.ndim(first) == 0 and isinstance(first, np.integer | int) else None
    shape = tuple(int(side) for side in dataset.shape)
    return _Part(path, name, shape, pixel_type, number, index_of(dataset))


def _check_alike(path: Path, parts: list[_Part]) -> None:
    for part in parts:
        if (part.shape[1:], part.pixel_type) != (parts[0].shape[1:], parts[0].pixel_type):
            raise FileFormatError(f"{part.path} holds {part.pixel_type} {part.shape[1:]}, unlike the others of {path}")


def _numbers(path: Path, parts: list[_Part], n_links: int) -> tuple[NDArray[np.int64] | None, tuple[str, ...]]:
    """Which images these are, where files are missing: the others say it themselves."""
    absent = n_links - len(parts)
    if not absent:
        return None, ()
    firsts = [part.first_number for part in parts if part.first_number is not None and part.first_number >= 0]
    if len(firsts) < len(parts):
        raise FileFormatError(f"{absent} of the {n_links} data files of {path} are not there: put them into its folder")
    runs = [np.arange(first, first + part.shape[0]) for first, part in zip(firsts, parts, strict=True)]
    return np.concatenate(runs).astype(np.int64), (
        f"{absent} of {n_links} data files are not there: their frames are missing",
    )


def guessed_shape(file: h5py.File, n_frames: int) -> tuple[tuple[int, int] | None, tuple[str, ...]]:
    """One trigger a line if so set, else a square: the files do not say it."""
    triggers, images = (number_at(file, f"{dectris_detector.SPECIFIC}/{name}") for name in ("ntrigger", "nimages"))
    expected = n_frames
    if triggers and images and triggers.is_integer() and images.is_integer():
        if triggers > 1 and images > 1 and triggers * images >= n_frames:
            shape = (int(triggers), int(images))
            return shape, (f"the scan is taken as {shape[0]}x{shape[1]}, triggers x images: else say --scan-shape YxX",)
        expected = max(n_frames, int(triggers * images))
    for count in (expected, n_frames):
        side = math.isqrt(count)
        if side * side == count:
            return (side, side), (f"the scan is taken as a square, {side}x{side}: else say --scan-shape YxX",)
    return None, ()


class _Concatenated:
    """The parts as one array [n, ky, kx], where HDF5 has to read them; one file is open at a time."""

    def __init__(self, parts: list[_Part], stack: ExitStack) -> None:
        self._parts = parts
        self._ends = np.cumsum([part.shape[0] for part in parts]).tolist()
        self.shape = (self._ends[-1], *parts[0].shape[1:])
        self._open: tuple[int, h5py.File] | None = None
        stack.callback(self._close)

    def __getitem__(self, wanted: slice) -> NDArray[Any]:
        blocks, begin = [], 0
        for number, (part, end) in enumerate(zip(self._parts, self._ends, strict=True)):
            low, high = max(wanted.start, begin), min(wanted.stop, end)
            if low < high:
                blocks.append(find_dataset(self._file(number), part.dataset)[low - begin : high - begin])
            begin = end
        return np.concatenate(blocks)

    def _file(self, number: int) -> h5py.File:
        if self._open is None or self._open[0] != number:
            self._close()
            self._open = (number, open_file(self._parts[number].path))
        return self._open[1]

    def _close(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None
