"""Blocks of shared memory: plain files in /dev/shm, named by the process that made them."""

from __future__ import annotations

import mmap
import os
import secrets
from pathlib import Path

from stream_rrvae.errors import StoreError

DEFAULT_FOLDER = Path("/dev/shm")
PREFIX = "stream-rrvae-"


def new_path(folder: Path) -> Path:
    """A name that nobody has, telling whose it is."""
    return folder / f"{PREFIX}{os.getpid()}-{secrets.token_hex(6)}"


def new_block(path: Path, size: int) -> mmap.mmap:
    """A block of `size` bytes, allocated now so that a full memory shows here and not later."""
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    except OSError as error:
        raise StoreError(f"cannot make the scan store {path}: {error}") from error
    try:
        os.posix_fallocate(handle, 0, size)
        return mmap.mmap(handle, size)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise StoreError(
            f"no room for a scan store of {size / 1e6:.0f} MB in {path.parent}: free some memory there, "
            f"or scan fewer positions at once ({error})"
        ) from error
    finally:
        os.close(handle)


def sweep(folder: Path = DEFAULT_FOLDER) -> list[Path]:
    """Remove the blocks of services that are gone; gives their paths."""
    removed = []
    for path in sorted(folder.glob(f"{PREFIX}*")):
        pid = path.name.removeprefix(PREFIX).partition("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            path.unlink(missing_ok=True)
            removed.append(path)
    return removed
