"""What lies in the folder of recordings. Paths come from reading folders alone, never from who asks.

Links are not followed, nothing outside the folder is ever named, and a folder of any size is read to a limit.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from stream_rrvae.errors import FileFormatError
from stream_rrvae.recording import layout

MOST_LOOKED_AT = 20_000  # names in one folder
MOST_LISTED = 1000
MOST_SEGMENTS = 100_000
ID_CHARS = 16
RESULTS_SUFFIX = ".results.h5"


@dataclass(frozen=True, slots=True)
class Entry:
    """A recording, or a results file of one; `changed_s` is unix time and tells versions of it apart."""

    id: str
    path: Path
    name: str
    is_part: bool
    changed_s: float
    size_bytes: int


def id_of(name: str) -> str:
    """The same in every run of the program, so that a link to it lasts; says nothing of where anything lies."""
    return hashlib.sha256(b"stream-rrvae " + os.fsencode(name)).hexdigest()[:ID_CHARS]


def recordings_in(folder: Path) -> tuple[list[Entry], int]:
    """The newest recordings first, at most MOST_LISTED, and how many more there are. Raises FileFormatError."""
    found: dict[str, Entry] = {}
    for item in _items(folder):
        if item.name.startswith(".") or not item.is_dir(follow_symlinks=False):
            continue
        entry = _recording(Path(item.path))
        # A recording keeps its id when it is completed and its folder loses the suffix.
        if entry is not None and (entry.id not in found or found[entry.id].is_part):
            found[entry.id] = entry
    newest = sorted(found.values(), key=lambda entry: (-entry.changed_s, entry.name))
    return newest[:MOST_LISTED], max(0, len(newest) - MOST_LISTED)


def results_in(folder: Path) -> list[Entry]:
    """The results files of one recording, the newest first; none where there is no such folder."""
    if folder.is_symlink() or not folder.is_dir():
        return []
    found = [
        Entry(id_of(item.name), Path(item.path), item.name.removesuffix(RESULTS_SUFFIX), False, *_stat(item))
        for item in _items(folder)
        if item.name.endswith(RESULTS_SUFFIX) and not item.name.startswith(".") and item.is_file(follow_symlinks=False)
    ]
    return sorted(found, key=lambda entry: -entry.changed_s)[:MOST_LISTED]


def files_in(folder: Path | None, suffix: str) -> list[Entry]:
    """Plain files of a folder by name, such as checkpoints."""
    if folder is None or not folder.is_dir():
        return []
    found = [
        Entry(id_of(item.name), Path(item.path), item.name, False, *_stat(item))
        for item in _items(folder)
        if item.name.endswith(suffix) and not item.name.startswith(".") and item.is_file(follow_symlinks=False)
    ]
    return sorted(found, key=lambda entry: entry.name)[:MOST_LISTED]


def stem_of(entry: Entry) -> str:
    """The name of a recording, finished or not."""
    return entry.name.removesuffix(layout.PART_SUFFIX)


def _items(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as items:
            yield from islice(items, MOST_LOOKED_AT)
    except OSError as error:
        raise FileFormatError(f"the folder of recordings cannot be read: {error.strerror}") from error


def _recording(path: Path) -> Entry | None:
    """The recording in folder `path`; None when there is none, or when it goes away meanwhile."""
    newest_s, size_bytes, is_recording = 0.0, 0, False
    try:
        with os.scandir(path) as items:
            for item in islice(items, MOST_SEGMENTS):
                if not item.is_file(follow_symlinks=False):
                    continue
                changed_s, bytes_ = _stat(item)
                size_bytes += bytes_
                if item.name in (layout.JOURNAL_NAME, layout.MASTER_NAME, layout.segment_name(0)):
                    newest_s, is_recording = max(newest_s, changed_s), True
    except OSError:
        return None
    is_part = path.name.endswith(layout.PART_SUFFIX)
    name = path.name.removesuffix(layout.PART_SUFFIX)
    return Entry(id_of(name), path, path.name, is_part, newest_s, size_bytes) if is_recording else None


def _stat(item: os.DirEntry[str]) -> tuple[float, int]:
    found = item.stat(follow_symlinks=False)
    return found.st_mtime, found.st_size
