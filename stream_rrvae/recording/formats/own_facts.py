"""What journal and master file of a recording say beside what is in its segments; checked like anybody's."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from stream_rrvae.errors import FileFormatError
from stream_rrvae.messages import ScanStart, ScanState
from stream_rrvae.recording import layout
from stream_rrvae.recording.formats.hdf5_checks import find_dataset, find_item, open_file
from stream_rrvae.recording.journal import read_journal
from stream_rrvae.recording.start_json import mask_from_plain, start_from_json
from stream_rrvae.recording.undecodable import flag_undecodable
from stream_rrvae.recording.unfinished_file import open_unfinished

LONGEST_FAULT = 200
LONGEST_SITE_CHARS = 1 << 16
ATTEMPTS = 22  # beside a writer: a few milliseconds


@dataclass(frozen=True, slots=True)
class OwnFacts:
    """Of one recording."""

    start: ScanStart
    scan_shape: tuple[int, int] | None  # (y, x) as it was settled
    site: dict[str, Any]  # the geometry that was set over the announcement
    notes: tuple[str, ...]
    _undecodable: list[tuple[int, float]]  # number and time received, by the journal
    _flags: NDArray[np.uint8] | None  # of all frames, by the master file

    def flag_undecodable(
        self, flags: NDArray[np.uint8], numbers: NDArray[np.int64], received_s: NDArray[np.float64]
    ) -> None:
        """Flag the frames [n] that turned out to be damaged after their segment was written."""
        flag_undecodable(flags, numbers, received_s, self._undecodable)
        if self._flags is not None and self._flags.size == flags.size:
            flags |= self._flags & np.uint8(layout.Flag.UNDECODABLE)


def own_facts(folder: Path) -> OwnFacts:
    """Raises FileFormatError when neither journal nor segments say what was recorded."""
    journal = _journal(folder)
    start, scan_shape = _start(folder, journal)
    flags, site = _master(folder)
    told = journal[0].get("site") if journal else None
    start = _with_sites_mask(start, journal)
    return OwnFacts(
        start, scan_shape, told if isinstance(told, dict) else site, _notes(folder, journal), _told(journal), flags
    )


def open_own(path: Path) -> h5py.File:
    """Plainly when it was finished; as a reader beside a writer when it was not, or is still being written."""
    try:
        return open_file(path)
    except FileFormatError as plain:
        try:
            return open_unfinished(path, ATTEMPTS)
        except OSError:
            raise plain from None


def _journal(folder: Path) -> list[dict[str, Any]]:
    """Its lines, none where it is not there: the segments know most of it too."""
    try:
        return read_journal(folder / layout.JOURNAL_NAME)
    except FileFormatError:
        return []


def _start(folder: Path, journal: list[dict[str, Any]]) -> tuple[ScanStart, tuple[int, int] | None]:
    try:
        opened = journal[0]
        rows, columns = opened["scan_shape"]
        return start_from_json(opened["start"]), (int(rows), int(columns))
    except (FileFormatError, IndexError, KeyError, TypeError, ValueError):
        path = folder / layout.segment_name(0)
        if not path.is_file():
            raise FileFormatError(f"{folder} has neither a readable journal nor a first segment") from None
        with open_own(path) as file:
            start = start_from_json(_text(find_dataset(file, layout.START)))
        return start, start.scan_shape


def _with_sites_mask(start: ScanStart, journal: list[dict[str, Any]]) -> ScanStart:
    packed = journal[0].get("site_mask") if journal else None
    if packed is None:
        return start
    try:
        return replace(start, pixel_mask=mask_from_plain(packed, start.frame_shape))
    except (ValueError, TypeError, KeyError) as error:
        raise FileFormatError(f"the pixel mask of the site cannot be read: {error}") from error


def _master(folder: Path) -> tuple[NDArray[np.uint8] | None, dict[str, Any]]:
    """Flags of all frames and the site's geometry, as far as there is a master file that has them."""
    path = folder / layout.MASTER_NAME
    if not path.is_file() or path.is_symlink():
        return None, {}
    try:
        return _read_master(path)
    except (OSError, RuntimeError, KeyError, ValueError, FileFormatError):
        return None, {}  # the frames are in the segments


def _read_master(path: Path) -> tuple[NDArray[np.uint8] | None, dict[str, Any]]:
    with open_file(path) as file:
        flags = find_item(file, layout.MASTER_FLAGS)
        site = find_item(file, layout.SITE)
        plain = json.loads(_text(find_dataset(file, layout.SITE))[:LONGEST_SITE_CHARS]) if site is not None else {}
        if flags is None:
            return None, plain
        dataset = find_dataset(file, layout.MASTER_FLAGS)
        fits = dataset.ndim == 1 and dataset.dtype == np.uint8
        return (dataset[()] if fits else None), plain


def _told(journal: list[dict[str, Any]]) -> list[tuple[int, float]]:
    return [(int(number), float(at_s)) for line in journal for number, at_s in line.get("undecodable", ())]


def _text(dataset: h5py.Dataset) -> str:
    text = dataset[()]
    return text.decode() if isinstance(text, bytes) else str(text)


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
