"""`.npy`: mapped into memory, never unpickled."""

from __future__ import annotations

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
    stored = BlockFrames(lambda first, last: flat_block(data, first, last), pixel_type)
    yield Description("NumPy array", data.shape, pixel_type), stored


def _mapped(path: Path) -> NDArray[Any]:
    try:
        mapped: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise FileFormatError(f"{path} cannot be read as .npy: {error}") from error
    return mapped
