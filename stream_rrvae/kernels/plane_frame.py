"""A bslz4 frame measured from its bit planes: planes and parts of planes that are zero are never looked at."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import carray  # type: ignore[attr-defined]
from numpy.typing import NDArray

from stream_rrvae.kernels.bit_planes import EVERY, spread_1, spread_lowest_2, spread_lowest_4
from stream_rrvae.kernels.compiled import compiled
from stream_rrvae.kernels.exact_sums import (
    BRIGHT_FIELD,
    DARK_FIELD,
    MOMENT_X,
    MOMENT_Y,
    TOTAL,
    WITHOUT_DATA,
)
from stream_rrvae.kernels.lz4_zero_runs import DAMAGED, clear, clear_sparse, decode_sparse
from stream_rrvae.kernels.memory import clear_32, copy_8, load_big_32, load_byte, pointer_at, trailing_zeros
from stream_rrvae.kernels.plan import BASIS, BRIGHT, DARK, USABLE, Layout
from stream_rrvae.kernels.plane_sums import add_plane
from stream_rrvae.kernels.plane_tables import PlaneTables
from stream_rrvae.kernels.unpacking import (
    DECODE,
    HEADER_BYTES,
    LENGTH_BYTES,
    MEASURED,
    Packed,
    block_fits,
    block_length,
    check_sizes,
    raw_tail,
)

UNSUITED = 255  # not refused: blocks of a size that only the plain path takes
ONE = np.uint64(1)


class PlaneBuffers(NamedTuple):
    """Room to measure a frame in. `packed.block` is the address of the block, zero between frames."""

    aligned: int  # address: the planes of a block whose planes are no whole words
    low_bytes: NDArray[np.uint8]  # [ky * kx + margin] lowest byte of the pixels of the basis
    pieces: NDArray[np.int64]  # [n, 3] parts of planes with set bits: plane, first word, last word + 1
    valid: NDArray[np.uint64]  # words of a block
    sums: NDArray[np.int64]  # exact_sums.N_SUMS
    line: NDArray[np.uint16]  # [kx + bin_px]
    extra: NDArray[np.int64]  # [n_bins] counts beyond the low bytes
    missing: NDArray[np.int64]  # [n_bins] pixels without data


@compiled
def sum_planes(
    packed: Packed, tables: PlaneTables, layout: Layout, buffers: PlaneBuffers, source: int, size: int
) -> int:
    """Sum a frame into `buffers.sums`, `low_bytes`, `extra` and `missing`; MEASURED, why not, or UNSUITED."""
    refusal = check_sizes(packed, source, size)
    if refusal != MEASURED:
        return refusal
    block_bytes = load_big_32(source + 8)
    if not block_fits(packed, block_bytes):
        return DECODE
    if block_bytes % (64 * packed.item_bytes) != 0:
        return UNSUITED
    buffers.sums[:] = 0
    buffers.extra[:] = 0
    buffers.missing[:] = 0
    tail = raw_tail(packed)
    end = source + size - tail
    at, done, whole = source + HEADER_BYTES, 0, packed.frame_bytes - tail
    while done < whole:
        length = block_length(at, end)
        if length < 0:
            return DECODE
        at += LENGTH_BYTES
        room = min(block_bytes, whole - done)
        found = decode_sparse(at, length, packed.block, room, packed.runs)
        if found == DAMAGED:
            clear(packed.block, room)
            return DECODE
        _sum_block(packed, tables, layout, buffers, done // (64 * packed.item_bytes), room, found)
        clear_sparse(packed.block, room, packed.runs, found)
        at += length
        done += room
    if at != end:
        return DECODE
    _sum_tail(packed, tables, layout, buffers, end, tail)
    return MEASURED


@compiled
def _sum_block(
    packed: Packed, tables: PlaneTables, layout: Layout, buffers: PlaneBuffers, first: int, size: int, found: int
) -> None:
    """Sum the block that begins with word `first`."""
    planes = 8 * packed.item_bytes
    stride, begin, ends = size // planes, packed.block, packed.runs
    if stride % 8 != 0:
        found = 0
        _align(begin, stride, planes, buffers.aligned)
        begin, stride = buffers.aligned, (stride + 7) // 8 * 8
        size = stride * planes
    usable = tables.usable[first : first + stride // 8]
    words = carray(pointer_at(begin), (size // 8,), np.uint64)
    count, there = _find_pieces(words, usable, stride, ends, found, size, buffers.pieces)
    valid = usable
    if there >> tables.suspect != 0:
        valid = buffers.valid[: usable.size]
        _find_invalid(words, usable, tables, layout, buffers, first, stride, planes, count)
    width = layout.zones.shape[1]
    for i in range(count):
        j, low, high = buffers.pieces[i]
        plane = words[j * stride // 8 + low : j * stride // 8 + high]
        add_plane(plane, valid[low:high], tables, first + low, width, j, buffers.sums)
        if j >= 8:
            _add_bits(plane, valid[low:high], tables, layout, first + low, j, buffers.extra)
    _spread_low_byte(begin, stride, there, valid, tables, first, buffers.low_bytes)


@compiled
def _align(begin: int, stride: int, planes: int, to: int) -> None:
    """Copy planes of `stride` bytes apart, each to a whole number of words that ends with zeros."""
    whole = (stride + 7) // 8 * 8
    for j in range(planes):
        for k in range(0, whole, 8):
            copy_8(to + j * whole + k, begin + j * stride + k)
        clear_tail(to + j * whole + stride, whole - stride)


@compiled
def clear_tail(to: int, count: int) -> None:
    """Zeros to so many bytes, one by one."""
    tail = carray(pointer_at(to), (count,), np.uint8)
    for i in range(count):
        tail[i] = 0


@compiled
def _find_pieces(
    words: NDArray[np.uint64],
    usable: NDArray[np.uint64],
    stride: int,
    runs: NDArray[np.int64],
    found: int,
    size: int,
    pieces: NDArray[np.int64],
) -> tuple[int, int]:
    """Parts of planes with usable set bits, between the `found` runs of zeros: how many, and in which planes (bits)."""
    count = there = plane = begin = 0
    for i in range(found + 1):
        end = runs[i, 0] if i < found else size
        while begin < end:
            while begin >= (plane + 1) * stride:
                plane += 1
            last = min(end, (plane + 1) * stride)
            low, high = (begin - plane * stride) >> 3, (last - plane * stride + 7) >> 3
            any_bits = np.uint64(0)
            for k in range(low, high):
                any_bits |= words[plane * stride // 8 + k] & usable[k]
            if any_bits != 0:
                pieces[count, 0], pieces[count, 1], pieces[count, 2] = plane, low, high
                count += 1
                there |= 1 << plane
            begin = last
        if i < found:
            begin = runs[i, 1]
    return count, there


@compiled
def _find_invalid(
    words: NDArray[np.uint64],
    usable: NDArray[np.uint64],
    tables: PlaneTables,
    layout: Layout,
    buffers: PlaneBuffers,
    first: int,
    stride: int,
    planes: int,
    count: int,
) -> None:
    """`buffers.valid`: the usable pixels with data. Pixels of the basis without it are counted in their bins."""
    valid = buffers.valid
    valid[: usable.size] = usable
    for i in range(count):
        j, low, high = buffers.pieces[i]
        if j < tables.suspect:
            continue
        for k in range(low, high):
            if words[j * stride // 8 + k] & valid[k] == 0:
                continue
            above = _above(words, k, stride // 8, planes, tables.highest) & valid[k]
            valid[k] &= ~above
            without = above & tables.basis[first + k]
            while without != 0:
                pixel = 64 * (first + k) + trailing_zeros(without)
                without &= without - ONE
                buffers.missing[layout.flat_numbers[pixel]] += 1
                buffers.sums[WITHOUT_DATA] += 1


@compiled
def _above(words: NDArray[np.uint64], k: int, stride_words: int, planes: int, highest: int) -> Any:
    """Pixels of word `k` with a value above `highest`, compared bit by bit from the top."""
    above, equal = np.uint64(0), EVERY
    for step in range(planes):
        j = planes - 1 - step
        word = words[j * stride_words + k]
        if (highest >> j) & 1:
            equal &= word
        else:
            above |= equal & word
            equal &= ~word
    return above


@compiled
def _add_bits(
    plane: NDArray[np.uint64],
    valid: NDArray[np.uint64],
    tables: PlaneTables,
    layout: Layout,
    first: int,
    j: int,
    bins: NDArray[np.int64],
) -> None:
    """Add 2^j for every set bit in the basis to its bin."""
    for k in range(plane.size):
        word = plane[k] & valid[k] & tables.basis[first + k]
        while word != 0:
            bins[layout.flat_numbers[64 * (first + k) + trailing_zeros(word)]] += 1 << j
            word &= word - ONE


@compiled
def _spread_low_byte(
    begin: int,
    stride: int,
    there: int,
    valid: NDArray[np.uint64],
    tables: PlaneTables,
    first: int,
    low_bytes: NDArray[np.uint8],
) -> None:
    """Lowest byte of the pixels in the basis, 0 elsewhere, for words of the block that may have such pixels."""
    to = low_bytes.ctypes.data
    low, high = max(first, tables.begin), min(first + valid.size, tables.end)
    lowest = there & 0xFF
    for k in range(low, high):
        mask = valid[k - first] & tables.basis[k]
        place, word = begin + 8 * (k - first), to + 64 * k
        if lowest == 0:
            clear_32(word)
            clear_32(word + 32)
        elif lowest < 4:
            spread_lowest_2(place, stride, mask, word)
        elif lowest < 16:
            spread_lowest_4(place, stride, mask, word)
        else:
            spread_1(place, stride, mask, word)


@compiled
def _sum_tail(
    packed: Packed, tables: PlaneTables, layout: Layout, buffers: PlaneBuffers, source: int, tail: int
) -> None:
    """The last pixels, up to seven, that lie raw behind the blocks."""
    sums, width = buffers.sums, layout.zones.shape[1]
    first = layout.zones.size - tail // packed.item_bytes
    for i in range(tail // packed.item_bytes):
        value = 0
        for byte in range(packed.item_bytes):
            value |= load_byte(source + i * packed.item_bytes + byte) << (8 * byte)
        pixel = first + i
        zone = layout.flat_zones[pixel]
        if zone & USABLE == 0:
            continue
        if value > tables.highest:
            if zone & BASIS != 0:
                buffers.missing[layout.flat_numbers[pixel]] += 1
                sums[WITHOUT_DATA] += 1
            continue
        sums[TOTAL] += value
        sums[MOMENT_Y] += value * (pixel // width)
        sums[MOMENT_X] += value * (pixel % width)
        sums[BRIGHT_FIELD] += value if zone & BRIGHT != 0 else 0
        sums[DARK_FIELD] += value if zone & DARK != 0 else 0
        if zone & BASIS != 0:
            buffers.extra[layout.flat_numbers[pixel]] += value
