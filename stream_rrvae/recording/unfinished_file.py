"""An HDF5 file that its writer did not close, or not yet: it opens only as for a reader beside the writer."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import h5py


def open_unfinished(path: Path, attempts: int = 1) -> h5py.File:
    """The file, read-only. Raises OSError and whatever else h5py makes of damage.

    What does not make sense is read again up to `attempts` times, the pauses doubling from a nanosecond: more than once
    is of use only while it is being written. HDF5's own hundred take for ever.
    """
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_libver_bounds(h5py.h5f.LIBVER_V110, h5py.h5f.LIBVER_V110)
    library = ctypes.CDLL(h5py.h5d.__file__)
    library.H5Pset_metadata_read_attempts(ctypes.c_int64(access.id), ctypes.c_uint(attempts))
    flags = h5py.h5f.ACC_RDONLY | h5py.h5f.ACC_SWMR_READ
    return h5py.File(h5py.h5f.open(os.fsencode(path), flags, access))
