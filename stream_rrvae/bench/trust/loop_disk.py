"""A small disk in a file, to see what of it would be left if power were lost now; for who may mount one."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from stream_rrvae.errors import StreamRrvaeError

SIZE_BYTES = 256 << 20
_NEEDED = ("mkfs.ext4", "mount", "umount", "losetup")


def why_no_disk() -> str:
    """Why this user cannot have one here; empty if he can."""
    if os.geteuid() != 0:
        return "only root may mount the loop device that this takes"
    missing = [name for name in _NEEDED if shutil.which(name) is None]
    if missing:
        return f"there is no {missing[0]} here"
    found = subprocess.run(["losetup", "-f"], capture_output=True)
    return "" if found.returncode == 0 else "there is no loop device here"


class LoopDisk:
    """`NAME.img` in `place` mounted at `folder`; with `made` the image is there already. Raises StreamRrvaeError.

    What a process has written reaches the image when the kernel's cache of the file system in it is written back, by
    fsync or in its own time: the image is what a disk would hold.
    """

    def __init__(self, place: Path, name: str, made: bool = False) -> None:
        self.image, self.folder = place / f"{name}.img", place / name
        self.folder.mkdir()
        if not made:
            with self.image.open("wb") as file:
                file.truncate(SIZE_BYTES)
            _run("mkfs.ext4", "-q", "-F", str(self.image))
        _run("mount", "-o", "loop", str(self.image), str(self.folder))

    def copy_to(self, path: Path) -> None:
        """The image as it is now."""
        _run("cp", "--sparse=always", str(self.image), str(path))

    def close(self) -> None:
        """Let go of it."""
        _run("umount", str(self.folder))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            with suppress(StreamRrvaeError):
                self.close()


def _run(*command: str) -> None:
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode:
        raise StreamRrvaeError(f"{command[0]} failed: {ended.stderr.strip() or ended.stdout.strip()}")
