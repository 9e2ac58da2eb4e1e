"""What a file of frames holds, as found by whoever opened it: checked again before it is believed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.errors import FileFormatError
from stream_rrvae.messages import BoolArray, Encoding
from stream_rrvae.plain import from_plain, to_plain
from stream_rrvae.recording.reader_messages import ReaderMessage
from stream_rrvae.wire.limits import ITEM_BYTES

ENCODINGS = (Encoding.NONE, Encoding.BSLZ4, Encoding.LZ4)
SLACK_BYTES = 64 << 10  # what compressing may add to a frame that does not compress


@dataclass(frozen=True, slots=True)
class ChunkIndex:
    """Where every stored frame's bytes lie; arrays [n], frame i at `offset[i]` of `files[file[i]]`."""

    files: tuple[str, ...]  # absolute paths
    file: NDArray[np.uint32]
    offset: NDArray[np.uint64]
    size: NDArray[np.uint32]  # bytes
    encoding: NDArray[np.uint8]  # index into ENCODINGS


@dataclass(frozen=True, slots=True)
class Description:
    """One scan in a file. Where a field is left out, the file does not say it."""

    kind: str  # such as "DECTRIS master file"
    shape: tuple[int, ...]  # [n, ky, kx] as stored, or [y, x, ky, kx]
    pixel_type: str
    scan_shape: tuple[int, int] | None = None  # (y, x): announced or guessed, for frames in a row
    may_be_short: bool = False  # fewer frames than positions are a scan with holes, not a mistake
    start: Mapping[str, Any] = field(default_factory=dict)  # fields of a ScanStart
    site: Mapping[str, Any] = field(default_factory=dict)  # the geometry that was set over it when it was recorded
    notes: tuple[str, ...] = ()  # what whoever opened the file should be told
    channels: tuple[str, ...] = ()
    index: ChunkIndex | None = None  # None: frames are asked for
    pixel_mask: BoolArray | None = None  # [ky, kx]
    numbers: NDArray[np.int64] | None = None  # [n] position of every stored frame; None = in scan order
    received_s: NDArray[np.float64] | None = None  # [n]
    flags: NDArray[np.uint8] | None = None  # [n]

    @property
    def frame_shape(self) -> tuple[int, int]:
        """(ky, kx)."""
        return self.shape[-2], self.shape[-1]


_ARRAYS = ("numbers", "received_s", "flags")
_INDEX_ARRAYS = {"file": np.uint32, "offset": np.uint64, "size": np.uint32, "encoding": np.uint8}


def to_message(description: Description) -> ReaderMessage:
    """`description` for the pipe."""
    arrays = {name: getattr(description, name) for name in _ARRAYS if getattr(description, name) is not None}
    if description.pixel_mask is not None:
        arrays["pixel_mask"] = description.pixel_mask.astype(np.uint8)
    left_out = {*_ARRAYS, "pixel_mask", "index"}
    plain = {f.name: to_plain(getattr(description, f.name)) for f in fields(Description) if f.name not in left_out}
    index = description.index
    if index is not None:
        plain["index"] = list(index.files)
        arrays.update({f"index_{name}": getattr(index, name) for name in _INDEX_ARRAYS})
    return ReaderMessage(plain, arrays)


def from_message(message: ReaderMessage, folder: Path) -> Description:
    """The description in `message`, whose frames must lie in `folder`. Raises FileFormatError."""
    try:
        plain = {name: value for name, value in message.fields.items() if name != "index"}
        arrays = {name: message.arrays[name] for name in _ARRAYS if name in message.arrays}
        mask = message.arrays.get("pixel_mask")
        index = _read_index(message)
        found = from_plain(Description, {**plain, **arrays, "index": None})
        found = _with(found, pixel_mask=None if mask is None else mask != 0, index=index)
    except (TypeError, ValueError, KeyError) as error:
        raise FileFormatError(f"the description of a file cannot be understood: {error}") from error
    if index is not None:
        _check_index(index, found, folder)
    return found


def _with(description: Description, **changed: Any) -> Description:
    return Description(**{f.name: changed.get(f.name, getattr(description, f.name)) for f in fields(Description)})


def _read_index(message: ReaderMessage) -> ChunkIndex | None:
    files = message.fields.get("index")
    if files is None:
        return None
    arrays = {name: message.arrays[f"index_{name}"] for name in _INDEX_ARRAYS}
    if any(arrays[name].dtype != dtype or arrays[name].ndim != 1 for name, dtype in _INDEX_ARRAYS.items()):
        raise ValueError("an index of the wrong type")
    return ChunkIndex(tuple(map(str, files)), **arrays)


def _check_index(index: ChunkIndex, description: Description, folder: Path) -> None:
    n = int(np.prod(description.shape[:-2]))
    largest = int(np.prod(description.frame_shape)) * ITEM_BYTES.get(description.pixel_type, 0) + SLACK_BYTES
    if any(len(getattr(index, name)) != n for name in _INDEX_ARRAYS):
        raise FileFormatError("an index of another length than the frames it is for")
    if n and (int(index.file.max()) >= len(index.files) or int(index.encoding.max()) >= len(ENCODINGS)):
        raise FileFormatError("an index that points to nowhere")
    if n and int(index.size.max()) > 2 * largest:
        raise FileFormatError("stored frames are larger than frames of this size can be")
    for name in index.files:
        if not within(folder, Path(name)):
            raise FileFormatError(f"{name} lies outside {folder}, and is not read")


def within(folder: Path, path: Path) -> bool:
    """Whether `path`, links followed, lies in `folder` or below it."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
