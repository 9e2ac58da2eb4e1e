"""`.npy`: mapped into memory, never unpickled."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.errors import FileFormatError
from stream_rrvae.recording.array_limits import check_array
from stream_rrvae.recording.description import Description
from stream_rrvae.recording.stored_frames import BlockFrames, StoredFrames, flat_block

SIGNATURE = b"\x93NUMPY"


def is_npy(name: str) -> bool:
    """By its name, or by how it begins."""
    path = Path(name)
    if path.suffix == ".npy":
        return True
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(SIGNATURE)) == SIGNATURE


@contextmanager
def described_npy(name: str) -> Iterator[tuple[Description, StoredFrames]]:
    """The array in the file. Raises FileFormatError."""
    data = _mapped(Path(name))
    pixel_type = check_array(name, data.shape, data.dtype)
    memory: Any = data.base

    def read(first: int, last: int) -> NDArray[Any]:
        if isinstance(memory, mmap.mmap):
            # Pages of earlier blocks would stay with this process until memory is short: in the end the whole file.
            memory.madvise(mmap.MADV_DONTNEED)
        return flat_block(data, first, last)

    yield Description("NumPy array", data.shape, pixel_type), BlockFrames(read, pixel_type)


def _mapped(path: Path) -> NDArray[Any]:
    try:
        mapped: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise FileFormatError(f"{path} cannot be read as .npy: {error}") from error
    return mapped
