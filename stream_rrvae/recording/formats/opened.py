"""What opening a file gives, in the process that opened it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stream_rrvae.recording.description import Description


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the user said beside the file's name."""

    dataset: str = ""  # inside an HDF5 file
    channel: str | None = None
    scan_shape: tuple[int, int] | None = None  # (y, x)


@dataclass(frozen=True, slots=True)
class Opened:
    """A description, and where it has no index, the array that blocks are cut from: [n, ky, kx] or [y, x, ky, kx]."""

    description: Description
    data: Any = None
