"""Functions that compiled loops call by their address: H5Dwrite_chunk from the very library that h5py brings, taken
once and checked; what a file driver of HDF5's is asked to write; and the system's `pwritev`.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import Any

import h5py
from llvmlite import ir
from numba import types

from stream_rrvae.kernels.c_calls import INT, POINTER, WORD, c_function
from stream_rrvae.kernels.memory import instruction, load_at

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


_SIGNATURE = ir.FunctionType(INT, (WORD, WORD, INT, POINTER, WORD, POINTER))


def _call(builder: ir.IRBuilder, function: ir.Value, table: ir.Value) -> ir.Value:
    """LLVM: herr_t H5Dwrite_chunk(dataset, default properties, filters, offsets, size, content)."""

    def at(entry: int) -> ir.Value:
        return builder.add(table, ir.Constant(WORD, 8 * entry))

    dataset, filters, size, content = (
        load_at(builder, at(entry), WORD) for entry in (DATASET, SKIPPED_FILTERS, SIZE, ADDRESS)
    )
    answer = builder.call(
        builder.inttoptr(function, _SIGNATURE.as_pointer()),
        [
            dataset,
            ir.Constant(WORD, 0),
            builder.trunc(filters, INT),
            builder.inttoptr(at(OFFSETS), POINTER),
            size,
            builder.inttoptr(content, POINTER),
        ],
    )
    return builder.sext(answer, WORD)


call_write_chunk = instruction(types.int64, (types.int64, types.int64), _call)

_WRITE = ir.FunctionType(INT, (WORD, INT, WORD, WORD, WORD, WORD))


def _call_write(builder: ir.IRBuilder, function: ir.Value, values: ir.Value) -> ir.Value:
    """LLVM: herr_t write(file, kind, properties, place, size, content), of which there is a tuple."""
    told = [builder.extract_value(values, place) for place in range(6)]
    return builder.call(builder.inttoptr(function, _WRITE.as_pointer()), told)


_TOLD: Any = types.Tuple((types.int64, types.int32, *(types.int64,) * 4))  # type: ignore[no-untyped-call]
call_write = instruction(types.int32, (types.int64, _TOLD), _call_write)
call_pwritev = c_function(WORD, INT, POINTER, INT, WORD)  # ssize_t pwritev(handle, pieces, count, place)
