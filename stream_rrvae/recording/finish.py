"""From a recording that takes no more frames to one that is complete: master file, everything on the disk, its name."""

from __future__ import annotations

import os
from pathlib import Path

from stream_rrvae.recording import layout
from stream_rrvae.recording.master import Facts, write_master


def finish(part: Path, facts: Facts, results: Path | None = None) -> Path:
    """Make `part` complete; gives the folder's last name. Raises OSError, and then the folder keeps its suffix."""
    master = part / layout.MASTER_NAME
    master.unlink(missing_ok=True)  # of an attempt that failed
    write_master(part, facts, results)
    for path in sorted(part.iterdir()):
        if path.name == layout.MASTER_NAME or path.suffix != ".h5":
            sync_path(path)
        else:
            put_away(path)
    sync_path(part)
    whole = free_folder(part.with_suffix(""))
    part.rename(whole)
    sync_path(whole.parent)
    return whole


def free_folder(wanted: Path) -> Path:
    """`wanted`, numbered when that name is taken, complete or not."""
    folder, number = wanted, 1
    while folder.exists():
        number += 1
        folder = wanted.with_name(f"{wanted.name}-{number}")
    return folder


def put_away(path: Path) -> None:
    """Have a file on the disk itself, and let go of what the system's memory holds of it: see `disk_sync`."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(handle)


def sync_path(path: Path) -> None:
    """Have a file or folder on the disk itself."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
