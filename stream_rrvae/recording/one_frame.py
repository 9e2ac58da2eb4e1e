"""One recorded frame out of its segment, as it was received."""

from __future__ import annotations

from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401  else a dataset with its filters cannot be opened

from stream_rrvae.messages import Encoding
from stream_rrvae.recording import layout


def read_closed(path: Path, index: int, encoding: Encoding | None) -> tuple[Encoding, bytes]:
    """A frame of a segment that nobody writes any more; `encoding` None = each frame has its own. Raises OSError."""
    try:
        with h5py.File(path, "r") as file:
            return chunk_of(file[layout.FRAMES], index, encoding)
    except (KeyError, RuntimeError, ValueError) as error:
        raise OSError(f"{path} cannot be read: {error}") from error


def chunk_of(frames: h5py.Dataset, index: int, encoding: Encoding | None) -> tuple[Encoding, bytes]:
    """A frame's bytes, and how they are packed."""
    skipped, content = frames.id.read_direct_chunk((index, 0, 0))
    return encoding or layout.MIXED_ENCODINGS[skipped], content
