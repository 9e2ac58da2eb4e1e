"""Folders for a process's own use in the system's temporary place; what killed ones left there goes with the next."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

JUST_MADE_S = 60.0  # it may not be locked yet


@contextmanager
def private_folder(purpose: str) -> Iterator[Path]:
    """A new folder that only this user may enter, gone at the end; removes those for `purpose` that nobody holds.

    It is held by a lock, not by its name: processes of two containers may share the temporary place and not see each
    other.
    """
    prefix = f"stream-rrvae-{purpose}-"
    _remove_left(prefix)
    with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as name:
        handle = os.open(name, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield Path(name)
        finally:
            os.close(handle)


def _remove_left(prefix: str) -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        with suppress(OSError):
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                _remove_unheld(folder, handle)
            finally:
                os.close(handle)


def _remove_unheld(folder: Path, handle: int) -> None:
    """Raises OSError when somebody holds it."""
    found = os.fstat(handle)
    if found.st_uid == os.geteuid() and time.time() - found.st_mtime > JUST_MADE_S:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
