"""A recording of ours: segments in arrival order, complete or as far as it was acknowledged; see format.md.

A folder of that form can come from anybody, so its files are checked like any other's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from stream_rrvae.errors import FileFormatError
from stream_rrvae.messages import ScanStart
from stream_rrvae.plain import to_plain
from stream_rrvae.recording import layout
from stream_rrvae.recording.array_limits import check_array
from stream_rrvae.recording.description import ChunkIndex, Description
from stream_rrvae.recording.formats.hdf5_checks import find_dataset
from stream_rrvae.recording.formats.hdf5_index import index_of, joined
from stream_rrvae.recording.formats.opened import Opened
from stream_rrvae.recording.formats.own_facts import open_own, own_facts

_SEGMENT = re.compile(r"segment-\d{4,6}\.h5")


@dataclass(frozen=True, slots=True)
class _Segment:
    index: ChunkIndex
    numbers: NDArray[np.int64]
    received_s: NDArray[np.float64]
    flags: NDArray[np.uint8]


def is_recording(folder: Path) -> bool:
    """Whether there is a segment in the folder, or at least the journal that comes before it."""
    return (folder / layout.segment_name(0)).is_file() or (folder / layout.JOURNAL_NAME).is_file()


def open_recording(folder: Path) -> Opened:
    """All frames of the recording that any reader can have. Raises FileFormatError."""
    facts = own_facts(folder)
    start = facts.start
    paths = sorted(path for path in folder.iterdir() if _SEGMENT.fullmatch(path.name))
    segments = [_segment(path, start) for path in paths]
    counted = [segment for segment in segments if segment.flags.size]
    if not counted:
        raise FileFormatError(f"{folder} is a recording without a single frame")
    numbers, received_s, flags = (
        np.concatenate([getattr(segment, name) for segment in counted]) for name in ("numbers", "received_s", "flags")
    )
    facts.flag_undecodable(flags, numbers, received_s)
    fields = to_plain(start)
    mask = fields.pop("pixel_mask")
    description = Description(
        kind="recording",
        shape=(flags.size, *start.frame_shape),
        pixel_type=start.pixel_type,
        scan_shape=facts.scan_shape,
        may_be_short=True,
        start=fields,
        site=facts.site,
        notes=facts.notes,
        channels=start.channels,
        index=joined([segment.index for segment in counted]),
        pixel_mask=mask,
        numbers=numbers,
        received_s=received_s,
        flags=flags,
    )
    return Opened(description)


def _segment(path: Path, start: ScanStart) -> _Segment:
    if path.is_symlink():
        raise FileFormatError(f"{path} is a link, which is not followed")
    with open_own(path) as file:
        frames = find_dataset(file, layout.FRAMES)
        pixel_type = check_array(str(path), (1, *frames.shape[1:]), frames.dtype)
        if (tuple(frames.shape[1:]), pixel_type) != (start.frame_shape, start.pixel_type):
            raise FileFormatError(f"{path} holds {pixel_type} {frames.shape[1:]}, which is not what was announced")
        sides = {name: _side(file, name, dtype) for name, dtype in layout.SIDES.items()}
        # A writer that was stopped between two flushes has told of fewer frames than it has written.
        count = min(frames.shape[0], *(side.size for side in sides.values()))
        index = index_of(frames, count)
        if index is None:
            raise FileFormatError(f"{path} is not packed as a recording is")
        numbers, received_s, flags = (sides[name][:count] for name in ("frame_number", "received_s", "flags"))
        return _Segment(index, numbers, received_s, flags)


def _side(file: h5py.File, name: str, dtype: np.dtype[Any]) -> NDArray[Any]:
    dataset = find_dataset(file, f"entry/data/{name}")
    if dataset.ndim != 1 or dataset.dtype != dtype:
        raise FileFormatError(f"{file.filename}::{dataset.name} is {dataset.dtype} {dataset.shape}, not {dtype} [n]")
    values: NDArray[Any] = dataset[()]
    return values
