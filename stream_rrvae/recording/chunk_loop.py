"""Frames into an HDF5 dataset without Python for each, and the checksum of what was written.

The checksum of a run of frames is two sums modulo 2^64 over little-endian words: each frame's size in
bytes, then its bytes, the last word filled up with zeros: a += word, b += a (after Fletcher, 1982).
It costs a fifth of a microsecond for 4 kB, a thirtieth of zlib's CRC-32.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.kernels.compiled import compiled, compiled_entry, sources_stamp
from stream_rrvae.kernels.fetch import fetch
from stream_rrvae.kernels.memory import load_byte, load_int, load_word
from stream_rrvae.recording.h5_calls import (
    ADDRESS,
    COUNT,
    ENTRIES,
    GATHERS,
    MOST_NOTED,
    N_ENTRIES,
    N_GATHERING,
    OFFSETS,
    SIZE,
    WRITTEN,
    call_pwritev,
    call_write_chunk,
)

Sums = NDArray[np.uint64]  # [2]: a, b
TOGETHER_BYTES = 512 << 10
FETCHED_BYTES = 4096  # of each frame while HDF5 enters it in its index; the processor itself fetches what follows


@compiled
def _write_noted(pwritev: int, handle: int, driver: NDArray[np.int64], pieces: NDArray[np.int64]) -> bool:
    """Write what is noted, neighbours in one call; whether all of it is in the file."""
    count, entries, done = driver[COUNT], driver[ENTRIES], 0
    while done < count:
        begin = load_int(entries + 24 * done)
        end, n = begin, 0
        while done + n < count and load_int(entries + 24 * (done + n)) == end:
            size = load_int(entries + 24 * (done + n) + 8)
            pieces[2 * n], pieces[2 * n + 1] = load_int(entries + 24 * (done + n) + 16), size
            end += size
            n += 1
        if call_pwritev(pwritev, handle, pieces.ctypes.data, n, begin) != end - begin:
            driver[WRITTEN] = done
            return False
        done += n
    driver[COUNT] = 0
    return True


@compiled
def _add(address: int, size: int, sums: Sums) -> None:
    a = sums[0] + np.uint64(size)
    b = sums[1] + a
    whole = size - size % 8
    for done in range(0, whole, 8):
        a += load_word(address + done)
        b += a
    if whole < size:
        last = np.uint64(0)
        for i in range(size - 1, whole - 1, -1):
            last = (last << np.uint64(8)) | np.uint64(load_byte(address + i))
        a += last
        b += a
    sums[0], sums[1] = a, b


def _entries(stamp: int) -> tuple[Callable[..., int], Callable[..., int], Callable[..., None]]:
    @compiled_entry
    def write_chunks(
        function: int,
        table: NDArray[np.int64],
        first: int,
        addresses: NDArray[np.uint64],
        sizes: NDArray[np.int64],
        sums: Sums,
    ) -> int:
        """Write chunks first, first + 1, ... and add them to `sums`; gives how many were written before one failed.

        `table` names the dataset and the filters to skip. The caller holds the lock of HDF5's library.
        """
        _ = stamp
        at = table.ctypes.data
        for i in range(sizes.size):
            table[OFFSETS], table[SIZE], table[ADDRESS] = first + i, sizes[i], np.int64(addresses[i])
            if call_write_chunk(function, at) < 0:
                return i
            _add(table[ADDRESS], table[SIZE], sums)
        return sizes.size

    @compiled_entry
    def write_chunks_together(
        function: int,
        table: NDArray[np.int64],
        first: int,
        addresses: NDArray[np.uint64],
        sizes: NDArray[np.int64],
        sums: Sums,
        pwritev: int,
        handle: int,
        driver: NDArray[np.int64],
        pieces: NDArray[np.int64],
    ) -> int:
        """The same by the gathering driver whose table is `driver`: so much at a time as caches hold.

        -1 - n means that n chunks went in and not all that is noted could be written to the file `handle`.
        `pieces` [2 * MOST_NOTED] is room.
        """
        _ = stamp
        at, noted_bytes = table.ctypes.data, 0
        driver[COUNT], driver[WRITTEN], driver[GATHERS] = 0, 0, 1
        done = 0
        while done < sizes.size:
            table[OFFSETS], table[SIZE], table[ADDRESS] = first + done, sizes[done], np.int64(addresses[done])
            fetch(table[ADDRESS], min(table[SIZE], FETCHED_BYTES))
            if call_write_chunk(function, at) < 0:
                break
            _add(table[ADDRESS], table[SIZE], sums)
            noted_bytes += sizes[done]
            done += 1
            if noted_bytes >= TOGETHER_BYTES or driver[COUNT] == MOST_NOTED:
                if not _write_noted(pwritev, handle, driver, pieces):
                    driver[GATHERS] = 0
                    return -1 - done
                noted_bytes = 0
        driver[GATHERS] = 0
        return done if _write_noted(pwritev, handle, driver, pieces) else -1 - done

    @compiled_entry
    def add_frame(address: int, size: int, sums: Sums) -> None:
        """Add a frame's bytes to a checksum."""
        _ = stamp
        _add(address, size, sums)

    return write_chunks, write_chunks_together, add_frame


write_chunks, write_chunks_together, add_frame = _entries(sources_stamp(Path(__file__).with_name("h5_calls.py")))


def checksum_text(sums: Sums) -> str:
    """As it stands in the journal: 32 hexadecimal digits, a before b."""
    return f"{int(sums[0]):016x}{int(sums[1]):016x}"


def warm_up_chunks() -> None:
    """Compile the loop, or load it, before frames wait for it."""
    nothing, sums = (np.empty(0, np.uint64), np.empty(0, np.int64)), np.zeros(2, np.uint64)
    write_chunks(0, np.zeros(N_ENTRIES, np.int64), 0, *nothing, np.zeros(2, np.uint64))
    driver, pieces = np.zeros(N_GATHERING, np.int64), np.empty(2 * MOST_NOTED, np.int64)
    write_chunks_together(0, np.zeros(N_ENTRIES, np.int64), 0, *nothing, sums, 0, 0, driver, pieces)
    add_frame(0, 0, np.zeros(2, np.uint64))
