"""HDF5 files that appear whole or not at all.

They are made in memory: HDF5 does not bear a disk that is full, the process crashes when it lets go of such a file.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

STEP_BYTES = 1 << 20  # by which the memory grows


@contextmanager
def whole_hdf5(path: Path) -> Iterator[h5py.File]:
    """A file to be filled, which is at `path` afterwards; nothing is where filling or writing it failed.

    Raises OSError when the disk does not take it.
    """
    with h5py.File(path.name, "w", driver="core", backing_store=False, block_size=STEP_BYTES) as file:
        yield file
        file.flush()
        content = file.id.get_file_image()
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
