"""Whether a folder can be written to, and how much room is in it."""

from __future__ import annotations

import os
from pathlib import Path


def free_bytes(folder: Path) -> float:
    """What may still be written there; NaN when nobody can say."""
    try:
        free = os.statvfs(_existing(folder))
    except OSError:
        return float("nan")
    return float(free.f_bavail * free.f_frsize)


def why_not_writable(folder: Path, keep_free_bytes: int = 0) -> str:
    """What keeps files from being made in `folder`, or in it once it is made; "" = nothing."""
    there = _existing(folder)
    if not there.is_dir():
        return f"{there} is no folder"
    if not os.access(there, os.W_OK | os.X_OK):
        return f"{there} cannot be written to"
    if os.statvfs(there).f_flag & os.ST_RDONLY:
        return f"{there} is on a disk that is mounted read-only"
    free = free_bytes(there)
    if free < keep_free_bytes:
        return f"{free / 2**20:.0f} MiB are free in {there}, {keep_free_bytes >> 20} MiB are to be kept"
    return ""


def _existing(folder: Path) -> Path:
    """`folder`, or what of its path is there already."""
    return next((path for path in (folder.absolute(), *folder.absolute().parents) if path.exists()), Path("/"))
