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
from stream_rrvae.messages import ScanStart, ScanState
from stream_rrvae.plain import to_plain
from stream_rrvae.recording import layout
from stream_rrvae.recording.array_limits import check_array
from stream_rrvae.recording.description import ChunkIndex, Description
from stream_rrvae.recording.formats.hdf5_checks import find_dataset, open_file
from stream_rrvae.recording.formats.hdf5_index import index_of, joined
from stream_rrvae.recording.formats.opened import Opened
from stream_rrvae.recording.journal import read_journal
from stream_rrvae.recording.start_json import start_from_json
from stream_rrvae.recording.unfinished_file import open_unfinished

LONGEST_FAULT = 200
ATTEMPTS = 22  # beside a writer: a few milliseconds
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
    journal = _journal(folder)
    start, scan_shape = _start(folder, journal)
    paths = sorted(path for path in folder.iterdir() if _SEGMENT.fullmatch(path.name))
    segments = [_segment(path, start) for path in paths]
    counted = [segment for segment in segments if segment.flags.size]
    if not counted:
        raise FileFormatError(f"{folder} is a recording without a single frame")
    fields = to_plain(start)
    mask = fields.pop("pixel_mask")
    description = Description(
        kind="recording",
        shape=(sum(segment.flags.size for segment in counted), *start.frame_shape),
        pixel_type=start.pixel_type,
        scan_shape=scan_shape,
        may_be_short=True,
        start=fields,
        notes=_notes(folder, journal),
        channels=start.channels,
        index=joined([segment.index for segment in counted]),
        pixel_mask=mask,
        numbers=np.concatenate([segment.numbers for segment in counted]),
        received_s=np.concatenate([segment.received_s for segment in counted]),
        flags=np.concatenate([segment.flags for segment in counted]),
    )
    return Opened(description)


def _journal(folder: Path) -> list[dict[str, Any]]:
    """Its lines, none where it is not there: the segments know most of it too."""
    try:
        return read_journal(folder / layout.JOURNAL_NAME)
    except FileFormatError:
        return []


def _start(folder: Path, journal: list[dict[str, Any]]) -> tuple[ScanStart, tuple[int, int] | None]:
    """The announcement and the scan shape as it was settled."""
    try:
        opened = journal[0]
        rows, columns = opened["scan_shape"]
        return start_from_json(opened["start"]), (int(rows), int(columns))
    except (FileFormatError, IndexError, KeyError, TypeError, ValueError):
        path = folder / layout.segment_name(0)
        if not path.is_file():
            raise FileFormatError(f"{folder} has neither a readable journal nor a first segment") from None
        with _opened(path) as file:
            text = find_dataset(file, layout.START)[()]
        start = start_from_json(text.decode() if isinstance(text, bytes) else str(text))
        return start, start.scan_shape


def _segment(path: Path, start: ScanStart) -> _Segment:
    if path.is_symlink():
        raise FileFormatError(f"{path} is a link, which is not followed")
    with _opened(path) as file:
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


def _opened(path: Path) -> h5py.File:
    """Plainly when it was finished; as a reader beside a writer when it was not, or is still being written."""
    try:
        return open_file(path)
    except FileFormatError as plain:
        try:
            return open_unfinished(path, ATTEMPTS)
        except OSError:
            raise plain from None


def _notes(folder: Path, journal: list[dict[str, Any]]) -> tuple[str, ...]:
    notes = []
    if folder.name.endswith(layout.PART_SUFFIX):
        notes.append("the recording was not finished: its frames as far as they were acknowledged")
    last = journal[-1] if journal else {}
    if last.get("closed") == ScanState.ABORTED:
        notes.append("the scan was aborted")
    if last.get("fault"):
        notes.append(f"recording ended early: {str(last['fault'])[:LONGEST_FAULT]}")
    return tuple(notes)
