"""The HDF5 framing of bslz4 and lz4 payloads, checked before a decompressor sees them.

Layout (bitshuffle's and LZ4's HDF5 filters): 8 bytes uncompressed size and 4 bytes block
size, then for every block 4 bytes length and that many bytes of LZ4; all big-endian. bslz4
has only blocks of a multiple of 8 elements: what is left over lies raw at the end.
"""

from __future__ import annotations

import struct

from stream_rrvae.errors import WireError
from stream_rrvae.messages import Encoding, Refusal
from stream_rrvae.wire.limits import PACKING_HEADER_BYTES

HEADER = struct.Struct(">QI")
LENGTH = struct.Struct(">I")
BLOCK_BYTES = 8192  # bitshuffle's default and that of every DECTRIS message seen
MIN_BLOCK_BYTES = 1024  # bounds the number of blocks to walk
MAX_BSLZ4_BLOCK_BYTES = 1 << 20
SHUFFLE_ELEMENTS = 8


def check_packing(payload: memoryview, encoding: Encoding, frame_bytes: int, item_bytes: int) -> None:
    """Sizes in the framing fit the frame and the payload. Raises WireError(SIZE or DECODE)."""
    if len(payload) < PACKING_HEADER_BYTES:
        raise WireError(Refusal.SIZE, f"{len(payload)} compressed bytes are too few for a header")
    size, block = HEADER.unpack_from(payload)
    if size != frame_bytes:
        raise WireError(Refusal.SIZE, f"the compressed bytes announce {size} bytes for a frame of {frame_bytes}")
    if encoding is Encoding.BSLZ4:
        _check_bslz4(payload, size, block, item_bytes)
    else:
        _check_lz4(payload, size, block)


def _check_bslz4(payload: memoryview, size: int, block: int, item_bytes: int) -> None:
    group = SHUFFLE_ELEMENTS * item_bytes
    if block % group or not MIN_BLOCK_BYTES <= block <= MAX_BSLZ4_BLOCK_BYTES:
        raise WireError(Refusal.DECODE, f"a block size of {block} is not acceptable")
    raw_tail = size % group
    _walk(payload, -(-(size - raw_tail) // block), raw_tail)


def _check_lz4(payload: memoryview, size: int, block: int) -> None:
    if block < min(MIN_BLOCK_BYTES, size):
        raise WireError(Refusal.DECODE, f"a block size of {block} is not acceptable")
    _walk(payload, -(-size // block), 0)


def _walk(payload: memoryview, blocks: int, raw_tail: int) -> None:
    position, end = PACKING_HEADER_BYTES, len(payload) - raw_tail
    read = LENGTH.unpack_from
    for _ in range(blocks):
        if position + LENGTH.size > end:
            raise WireError(Refusal.DECODE, "the compressed blocks are cut short")
        (length,) = read(payload, position)
        position += LENGTH.size + length
    if position != end:
        raise WireError(Refusal.DECODE, "the compressed blocks do not fill the payload")
