"""Functions that compiled loops call by their address: H5Dwrite_chunk from the very library that h5py brings, taken
once and checked; what a file driver of HDF5's is asked to write; and the system's `pwritev`.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache

import h5py

from stream_rrvae.kernels.c_calls import INT, POINTER, WORD, c_function
from stream_rrvae.kernels.compiled import compiled
from stream_rrvae.kernels.memory import load_int

# Entries of the table of one call: three offsets of the chunk come last, for the library reads them in place.
DATASET, SKIPPED_FILTERS, SIZE, ADDRESS, OFFSETS, N_ENTRIES = 0, 1, 2, 3, 4, 7
# Entries of the table that a gathering driver works by: whether it gathers, entries noted, of them written, where they
# are, and HDF5's own function.
GATHERS, COUNT, WRITTEN, ENTRIES, PLAIN_WRITE, N_GATHERING = range(6)
MOST_NOTED = 512  # and written in one call
_KNOWN_FROM = (1, 10, 3)


@lru_cache(maxsize=1)
def find_write_chunk() -> int | None:
    """The function's address; None where h5py's library cannot be looked into."""
    try:
        library = ctypes.CDLL(h5py.h5d.__file__)
        function, version_of = library.H5Dwrite_chunk, library.H5get_libversion
    except (OSError, AttributeError):
        return None
    numbers = [ctypes.c_uint() for _ in range(3)]
    version_of(*map(ctypes.byref, numbers))
    version = tuple(number.value for number in numbers)
    if version != tuple(h5py.h5.get_libversion()) or version < _KNOWN_FROM:
        return None
    return ctypes.cast(function, ctypes.c_void_p).value


@lru_cache(maxsize=1)
def find_pwritev() -> int | None:
    """The address of the system's `pwritev`; None where there is none."""
    try:
        return ctypes.cast(ctypes.CDLL(None).pwritev, ctypes.c_void_p).value
    except (OSError, AttributeError):
        return None


# herr_t H5Dwrite_chunk(dataset, properties, filters, offsets, size, content)
_write_chunk = c_function(INT, WORD, WORD, INT, POINTER, WORD, POINTER)
call_write = c_function(INT, WORD, INT, WORD, WORD, WORD, WORD)  # herr_t write(file, kind, properties, place, size, at)
call_pwritev = c_function(WORD, INT, POINTER, INT, WORD)  # ssize_t pwritev(handle, pieces, count, place)


@compiled
def call_write_chunk(function: int, table: int) -> int:
    """H5Dwrite_chunk with what stands in the table at this address."""
    dataset, filters = load_int(table + 8 * DATASET), load_int(table + 8 * SKIPPED_FILTERS)
    size, content = load_int(table + 8 * SIZE), load_int(table + 8 * ADDRESS)
    status: int = _write_chunk(function, dataset, 0, filters, table + 8 * OFFSETS, size, content)
    return status
