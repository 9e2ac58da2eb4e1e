"""A file driver for HDF5 that notes the chunks of a batch, which HDF5 writes one by one, so that they go out together.

It is HDF5's own driver for plain files with one function exchanged: while a batch goes in, what is written of raw data
is noted instead, place, size and address, for `chunk_loop` to write. Everything else goes its usual way, at once and in
its order, which is what readers beside a writer rely on. To other programs the files are like any other.
"""

from __future__ import annotations

import ctypes
import os
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import h5py
import numpy as np
from numba import cfunc, types
from numpy.typing import NDArray

from stream_rrvae.kernels.memory import load_int, store_int
from stream_rrvae.recording.h5_calls import (
    COUNT,
    ENTRIES,
    GATHERS,
    MOST_NOTED,
    N_GATHERING,
    PLAIN_WRITE,
    WRITTEN,
    call_write,
    find_pwritev,
)

KNOWN = ((2, 0, 0), (2, 1, 0))  # versions of HDF5 whose drivers are known to be as described below: from, below
_VALUE, _NAME = 641, b"stream-rrvae gathering"
_RAW_DATA = 3
_READ_WRITE = 1
_ANY_ADDRESS = (1 << 64) - 1


class _DriverClass(ctypes.Structure):
    """H5FD_class_t."""

    _fields_ = (
        ("version", ctypes.c_uint),
        ("value", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("largest_address", ctypes.c_uint64),
        ("close_degree", ctypes.c_int),
        ("before_write", ctypes.c_void_p * 23),
        ("write", ctypes.c_void_p),
        ("behind_write", ctypes.c_void_p * 10),
        ("free_lists", ctypes.c_int * 7),
    )


class _OpenFile(ctypes.Structure):
    """The beginning of H5FD_t."""

    _fields_ = (("driver", ctypes.c_int64), ("driver_class", ctypes.POINTER(_DriverClass)))


@dataclass(frozen=True, slots=True)
class GatheringDriver:
    """Made once a process; used by whoever holds the lock of HDF5's library."""

    number: int  # of the driver, for HDF5
    table: NDArray[np.int64]  # that it works by: see `h5_calls`
    pwritev: int  # address of the system's function
    entries: NDArray[np.int64]  # [MOST_NOTED, 3] place in the file, bytes, address
    kept: tuple[object, ...]  # what HDF5 points to

    def write_left(self, handle: int) -> None:
        """What was noted and not written yet, one by one. Raises OSError: the system says why one cannot be."""
        for place, size, content in self.entries[self.table[WRITTEN] : self.table[COUNT]].tolist():
            left = memoryview((ctypes.c_ubyte * size).from_address(content)).cast("B")
            while left:
                written = os.pwrite(handle, left, place)
                left, place = left[written:], place + written


def create_file(path: os.PathLike[str]) -> tuple[h5py.File, GatheringDriver | None]:
    """A new file that HDF5 1.10 can read, by this driver where it can be had. Raises OSError."""
    driver = gathering_driver()
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_libver_bounds(h5py.h5f.LIBVER_V110, h5py.h5f.LIBVER_V110)
    access.set_fclose_degree(h5py.h5f.CLOSE_STRONG)
    if driver is not None:
        _library().H5Pset_driver(ctypes.c_int64(access.id), ctypes.c_int64(driver.number), ctypes.c_void_p())
    return h5py.File(h5py.h5f.create(os.fsencode(path), h5py.h5f.ACC_EXCL, fapl=access)), driver


@lru_cache(maxsize=1)
def gathering_driver() -> GatheringDriver | None:
    """The driver, registered; None where this HDF5 is not one that it is known to work with."""
    pwritev, made = find_pwritev(), _plain_driver()
    if pwritev is None or made is None:
        return None
    table, entries = np.zeros(N_GATHERING, np.int64), np.zeros((MOST_NOTED, 3), np.int64)
    table[ENTRIES], table[PLAIN_WRITE] = entries.ctypes.data, made.write
    write = _noting_write(table.ctypes.data)
    made.value, made.name, made.write = _VALUE, _NAME, write.address
    register = _library().H5FDregister
    register.restype = ctypes.c_int64
    number = int(register(ctypes.byref(made)))
    return GatheringDriver(number, table, pwritev, entries, (write, made)) if number > 0 else None


def _plain_driver() -> _DriverClass | None:
    """HDF5's own driver, as an open file tells it; None where it is not as expected."""
    if not KNOWN[0] <= tuple(h5py.h5.get_libversion()) < KNOWN[1]:
        return None
    made = _DriverClass()
    try:
        open_file, close_file = _library().H5FDopen, _library().H5FDclose
    except AttributeError:
        return None
    open_file.restype = ctypes.POINTER(_OpenFile)
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    with tempfile.TemporaryFile() as file:
        name = f"/proc/self/fd/{file.fileno()}".encode()
        opened = open_file(name, _READ_WRITE, ctypes.c_int64(access.id), ctypes.c_uint64(_ANY_ADDRESS))
        if not opened:
            return None
        ctypes.memmove(ctypes.byref(made), opened.contents.driver_class, ctypes.sizeof(made))
        close_file(opened)
    return made if (made.version, made.value, made.name) == (1, 0, b"sec2") else None


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(h5py.h5d.__file__)


def _noting_write(table: int) -> Any:
    """What HDF5 calls to write (`H5FD_class_t.write`); the table lies at this address."""

    def write(file: int, kind: int, properties: int, place: int, size: int, content: int) -> int:
        count = load_int(table + 8 * COUNT)
        if kind == _RAW_DATA and load_int(table + 8 * GATHERS) == 1 and count < MOST_NOTED:
            entry = load_int(table + 8 * ENTRIES) + 24 * count
            store_int(entry, place)
            store_int(entry + 8, size)
            store_int(entry + 16, content)
            store_int(table + 8 * COUNT, count + 1)
            return 0
        return int(call_write(load_int(table + 8 * PLAIN_WRITE), file, kind, properties, place, size, content))

    return cfunc(types.int32(types.int64, types.int32, *(types.int64,) * 4))(write)
