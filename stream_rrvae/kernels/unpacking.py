"""A frame's payload as pixels in a buffer of ours, without trusting a byte of it.

The framing (bitshuffle's and LZ4's HDF5 filters): 8 bytes uncompressed size and 4 bytes block size, then for every
block 4 bytes length and that many bytes of LZ4; all big-endian. bslz4 has only blocks of a multiple of 8 elements:
what is left over lies raw at the end. An lz4 block as long as its pixels is stored as it is.
"""

from __future__ import annotations

from typing import NamedTuple

from stream_rrvae.kernels.bit_planes import unshuffle
from stream_rrvae.kernels.compiled import compiled
from stream_rrvae.kernels.lz4_block import decode_block
from stream_rrvae.kernels.lz4_zero_runs import DAMAGED, clear, clear_sparse, decode_sparse
from stream_rrvae.kernels.memory import copy_bytes, load_big_32, load_big_64

MEASURED, SIZE, DECODE = 0, 1, 2  # why a frame is refused, if it is
PLAIN, LZ4, BSLZ4 = 0, 1, 2
HEADER_BYTES, LENGTH_BYTES = 12, 4
MIN_BLOCK_BYTES, MAX_BSLZ4_BLOCK_BYTES, MAX_LZ4_BLOCK_BYTES = 1024, 1 << 20, (1 << 31) - 1
MAX_RATIO = 256  # LZ4 spends at least one byte on 255


class Packed(NamedTuple):
    """What all frames of a series have in common, and buffers to unpack them in (addresses)."""

    packing: int
    frame_bytes: int
    item_bytes: int
    pixels: int  # of frame_bytes and the margins of both decoders
    block: int  # of the largest block that can be and lz4_block.MARGIN before and behind it, all zero between frames
    runs: int  # int64 [n, 2] zero runs of a block


@compiled
def unpack_frame(packed: Packed, source: int, size: int) -> int:
    """MEASURED when the `size` bytes at `source` are now pixels at `packed.pixels`, else why they cannot be."""
    refusal = check_sizes(packed, source, size)
    if refusal != MEASURED:
        return refusal
    if packed.packing == PLAIN:
        copy_bytes(packed.pixels, source, size)
        return MEASURED
    block_bytes = load_big_32(source + 8)
    if not block_fits(packed, block_bytes):
        return DECODE
    tail = raw_tail(packed)
    end = source + size - tail
    at, done, whole = source + HEADER_BYTES, 0, packed.frame_bytes - tail
    while done < whole:
        length = block_length(at, end)
        if length < 0:
            return DECODE
        at += LENGTH_BYTES
        room = min(block_bytes, whole - done)
        if not _unpack_block(packed, at, length, packed.pixels + done, room):
            return DECODE
        at += length
        done += room
    if at != end:
        return DECODE
    copy_bytes(packed.pixels + whole, end, tail)
    return MEASURED


@compiled
def check_sizes(packed: Packed, source: int, size: int) -> int:
    """SIZE unless so many bytes can hold a frame and announce one, by the encoding."""
    if packed.packing == PLAIN:
        return MEASURED if size == packed.frame_bytes else SIZE
    if size <= HEADER_BYTES or packed.frame_bytes > MAX_RATIO * size:
        return SIZE
    return MEASURED if load_big_64(source) == packed.frame_bytes else SIZE


@compiled
def block_fits(packed: Packed, block_bytes: int) -> bool:
    """Whether blocks may have this size."""
    if packed.packing == LZ4:
        return min(MIN_BLOCK_BYTES, packed.frame_bytes) <= block_bytes <= MAX_LZ4_BLOCK_BYTES
    whole_groups = block_bytes % (8 * packed.item_bytes) == 0
    return whole_groups and MIN_BLOCK_BYTES <= block_bytes <= MAX_BSLZ4_BLOCK_BYTES


@compiled
def raw_tail(packed: Packed) -> int:
    """Bytes of a frame that lie uncompressed behind its blocks."""
    return packed.frame_bytes % (8 * packed.item_bytes) if packed.packing == BSLZ4 else 0


@compiled
def block_length(at: int, end: int) -> int:
    """Bytes of the block that is announced at `at`; -1 when it does not end before `end`."""
    if at + LENGTH_BYTES > end:
        return -1
    length = load_big_32(at)
    return length if length <= end - at - LENGTH_BYTES else -1


@compiled
def _unpack_block(packed: Packed, source: int, length: int, to: int, size: int) -> bool:
    if packed.packing == BSLZ4:
        found = decode_sparse(source, length, packed.block, size, packed.runs)
        if found == DAMAGED:
            clear(packed.block, size)
            return False
        unshuffle(packed.block, size, packed.item_bytes, to)
        clear_sparse(packed.block, size, packed.runs, found)
        return True
    if length == size:
        copy_bytes(to, source, size)
        return True
    return decode_block(source, length, to, size)
