"""A bslz4 frame summed from its bit planes: planes and parts of planes that are zero are never looked at."""

from __future__ import annotations

import numpy as np

from stream_rrvae.kernels.bit_planes import spread_1, spread_lowest_2, spread_lowest_4
from stream_rrvae.kernels.compiled import compiled
from stream_rrvae.kernels.detector_sums import add_detectors, add_to_detectors
from stream_rrvae.kernels.exact_sums import (
    BRIGHT_FIELD,
    DARK_FIELD,
    MOMENT_X,
    MOMENT_Y,
    N_SUMS,
    TOP,
    TOTAL,
    WIDE,
    WITHOUT_DATA,
)
from stream_rrvae.kernels.few_counts import LISTING, begin_list, list_piece, write_out
from stream_rrvae.kernels.layout import BASIS, BRIGHT, DARK, USABLE
from stream_rrvae.kernels.lz4_zero_runs import DAMAGED, clear, clear_sparse, decode_sparse
from stream_rrvae.kernels.memory import (
    add_int,
    clear_32,
    copy_8,
    ints_at,
    load_big_32,
    load_byte,
    load_int,
    load_signed_32,
    load_word,
    trailing_zeros,
    words_at,
)
from stream_rrvae.kernels.plane_sums import add_plane
from stream_rrvae.kernels.plane_tables import N_FEW, PlaneTables
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
EVERY = np.uint64(0xFFFFFFFFFFFFFFFF)


@compiled
def sum_planes(packed: Packed, tables: PlaneTables, source: int, size: int) -> int:
    """Sum a frame into `tables.sums`, `low_bytes`, `extra` and `missing`; MEASURED, why not, or UNSUITED."""
    refusal = check_sizes(packed, source, size)
    if refusal != MEASURED:
        return refusal
    block_bytes = load_big_32(source + 8)
    if not block_fits(packed, block_bytes):
        return DECODE
    if block_bytes % (64 * packed.item_bytes) != 0:
        return UNSUITED
    sums = ints_at(tables.sums, N_SUMS)
    if sums[WIDE] != 0 or sums[WITHOUT_DATA] != 0:
        ints_at(tables.extra, tables.n_bins)[:] = 0
        ints_at(tables.missing, tables.n_bins)[:] = 0
    sums[:] = 0
    ints_at(tables.detected, tables.n_detectors)[:] = 0
    begin_list(tables)
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
        _sum_block(packed, tables, done // (64 * packed.item_bytes), room, found)
        clear_sparse(packed.block, room, packed.runs, found)
        at += length
        done += room
    if at != end:
        return DECODE
    _sum_tail(packed, tables, end, tail)
    if ints_at(tables.few, N_FEW)[LISTING] != 0 and (sums[WIDE] != 0 or sums[WITHOUT_DATA] != 0):
        write_out(tables, tables.end)
    return MEASURED


@compiled
def _sum_block(packed: Packed, tables: PlaneTables, first: int, size: int, found: int) -> None:
    """Sum the block that begins with word `first`."""
    planes = 8 * packed.item_bytes
    stride, begin = size // planes, packed.block
    if stride % 8 != 0:
        found = 0
        _align(begin, stride, planes, tables.aligned)
        begin, stride = tables.aligned, (stride + 7) // 8 * 8
        size = stride * planes
    valid = tables.usable + 8 * first
    count, there = _find_pieces(begin, valid, stride, packed.runs, found, size, tables.pieces)
    if there >> tables.suspect != 0:
        _find_invalid(begin, tables, first, stride, planes, count)
        valid = tables.valid
    for i in range(count):
        piece = tables.pieces + 24 * i
        j, low, high = load_int(piece), load_int(piece + 8), load_int(piece + 16)
        plane = begin + j * stride + 8 * low
        add_plane(plane, valid + 8 * low, tables, first + low, high - low, j)
        if tables.n_detectors != 0:
            add_detectors(plane, valid + 8 * low, tables, first + low, high - low, j)
        if j >= 8:
            _add_bits(plane, valid + 8 * low, tables, first + low, high - low, j)
    sums = ints_at(tables.sums, N_SUMS)
    sums[TOP] |= there
    if ints_at(tables.few, N_FEW)[LISTING] != 0:
        if _list_bits(begin, stride, valid, tables, first, count):
            return
        write_out(tables, first)
    _spread_low_byte(begin, stride, there & 0xFF, valid, tables, first)


@compiled
def _align(begin: int, stride: int, planes: int, to: int) -> None:
    """Copy planes of `stride` bytes apart, each to a whole number of words; the rest of the last is not usable."""
    whole = (stride + 7) // 8 * 8
    for j in range(planes):
        for k in range(0, whole, 8):
            copy_8(to + j * whole + k, begin + j * stride + k)


@compiled
def _find_pieces(
    begin: int, usable: int, stride: int, runs: int, found: int, size: int, pieces: int
) -> tuple[int, int]:
    """Parts of planes with usable set bits, between the `found` runs of zeros: how many, and in which planes (bits)."""
    count = there = plane = at = 0
    for i in range(found + 1):
        end = load_int(runs + 16 * i) if i < found else size
        while at < end:
            while at >= (plane + 1) * stride:
                plane += 1
            last = min(end, (plane + 1) * stride)
            low, high = (at - plane * stride) >> 3, (last - plane * stride + 7) >> 3
            words, mask = begin + plane * stride, usable
            while low < high and load_word(words + 8 * low) & load_word(mask + 8 * low) == 0:
                low += 1
            while low < high and load_word(words + 8 * high - 8) & load_word(mask + 8 * high - 8) == 0:
                high -= 1
            if low < high:
                piece = ints_at(pieces + 24 * count, 3)
                piece[0], piece[1], piece[2] = plane, low, high
                count += 1
                there |= 1 << plane
            at = last
        if i < found:
            at = load_int(runs + 16 * i + 8)
    return count, there


@compiled
def _find_invalid(begin: int, tables: PlaneTables, first: int, stride: int, planes: int, count: int) -> None:
    """`tables.valid`: the usable pixels with data. Pixels of the basis without it are counted in their bins."""
    valid = words_at(tables.valid, stride // 8)
    valid[:] = words_at(tables.usable + 8 * first, stride // 8)
    for i in range(count):
        piece = tables.pieces + 24 * i
        j, low, high = load_int(piece), load_int(piece + 8), load_int(piece + 16)
        if j < tables.suspect:
            continue
        for k in range(low, high):
            if load_word(begin + j * stride + 8 * k) & valid[k] == 0:
                continue
            above = _above(begin + 8 * k, stride, planes, tables.highest) & valid[k]
            valid[k] &= ~above
            without = above & load_word(tables.basis + 8 * (first + k))
            while without != 0:
                number = load_signed_32(tables.numbers + 4 * (64 * (first + k) + trailing_zeros(without)))
                without &= without - ONE
                add_int(tables.missing + 8 * number, 1)
                add_int(tables.sums + 8 * WITHOUT_DATA, 1)


@compiled
def _above(words: int, stride: int, planes: int, highest: int) -> np.uint64:
    """Pixels of a word with a value above `highest`, compared bit by bit from the top."""
    above, equal = np.uint64(0), EVERY
    for step in range(planes):
        j = planes - 1 - step
        word = load_word(words + j * stride)
        if (highest >> j) & 1:
            equal &= word
        else:
            above |= equal & word
            equal &= ~word
    return above


@compiled
def _add_bits(plane: int, valid: int, tables: PlaneTables, first: int, count: int, j: int) -> None:
    """Add 2^j for every set bit in the basis to its bin."""
    for k in range(count):
        word = load_word(plane + 8 * k) & load_word(valid + 8 * k) & load_word(tables.basis + 8 * (first + k))
        while word != 0:
            number = load_signed_32(tables.numbers + 4 * (64 * (first + k) + trailing_zeros(word)))
            add_int(tables.extra + 8 * number, 1 << j)
            add_int(tables.sums + 8 * WIDE, 1)
            word &= word - ONE


@compiled
def _list_bits(begin: int, stride: int, valid: int, tables: PlaneTables, first: int, count: int) -> bool:
    """List the bits of the basis in all pieces of the lowest eight planes; False: too many."""
    for i in range(count):
        piece = tables.pieces + 24 * i
        j, low, high = load_int(piece), load_int(piece + 8), load_int(piece + 16)
        low, high = max(low, tables.begin - first), min(high, tables.end - first)
        if j < 8 and low < high:
            plane = begin + j * stride + 8 * low
            if not list_piece(plane, valid + 8 * low, tables, first + low, high - low, j):
                return False
    return True


@compiled
def _spread_low_byte(begin: int, stride: int, there: int, valid: int, tables: PlaneTables, first: int) -> None:
    """Lowest byte of the pixels in the basis, 0 elsewhere, for words of the block that may have such pixels."""
    low, high = max(first, tables.begin), min(first + stride // 8, tables.end)
    place, to, masks, basis = begin - 8 * first, tables.low_bytes, valid - 8 * first, tables.basis
    if there == 0:
        for k in range(low, high):
            clear_32(to + 64 * k)
            clear_32(to + 64 * k + 32)
    elif there < 4:
        for k in range(low, high):
            spread_lowest_2(place + 8 * k, stride, load_word(masks + 8 * k) & load_word(basis + 8 * k), to + 64 * k)
    elif there < 16:
        for k in range(low, high):
            spread_lowest_4(place + 8 * k, stride, load_word(masks + 8 * k) & load_word(basis + 8 * k), to + 64 * k)
    else:
        for k in range(low, high):
            spread_1(place + 8 * k, stride, load_word(masks + 8 * k) & load_word(basis + 8 * k), to + 64 * k)


@compiled
def _sum_tail(packed: Packed, tables: PlaneTables, source: int, tail: int) -> None:
    """The last pixels, up to seven, that lie raw behind the blocks."""
    sums, width = ints_at(tables.sums, N_SUMS), tables.width
    first = tables.pixels - tail // packed.item_bytes
    for i in range(tail // packed.item_bytes):
        value = 0
        for byte in range(packed.item_bytes):
            value |= load_byte(source + i * packed.item_bytes + byte) << (8 * byte)
        pixel = first + i
        zone = load_byte(tables.zones + pixel)
        number = load_signed_32(tables.numbers + 4 * pixel)
        if zone & USABLE == 0:
            continue
        if value > tables.highest:
            if zone & BASIS != 0:
                add_int(tables.missing + 8 * number, 1)
                sums[WITHOUT_DATA] += 1
            continue
        sums[TOTAL] += value
        sums[MOMENT_Y] += value * (pixel // width)
        sums[MOMENT_X] += value * (pixel % width)
        sums[BRIGHT_FIELD] += value if zone & BRIGHT != 0 else 0
        sums[DARK_FIELD] += value if zone & DARK != 0 else 0
        add_to_detectors(tables, pixel, value)
        if zone & BASIS != 0:
            add_int(tables.extra + 8 * number, value)
            sums[WIDE] += 1
