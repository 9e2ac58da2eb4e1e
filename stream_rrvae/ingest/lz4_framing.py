"""A bare LZ4 block put into the framing that the rest of the program knows, by compiled code: a message for another."""

from __future__ import annotations

from stream_rrvae.ingest.lanes import put_byte
from stream_rrvae.ingest.libzmq import ZmqCalls
from stream_rrvae.kernels.c_calls import tell_pair, tell_size, tell_word
from stream_rrvae.kernels.compiled import compiled
from stream_rrvae.kernels.memory import copy_bytes
from stream_rrvae.wire.packing import HEADER, LENGTH

FRAMING_BYTES = HEADER.size + LENGTH.size
_SIZE_BYTES, _BLOCK_BYTES, _LENGTH_BYTES = 8, 4, 4


@compiled
def put_in_framing(calls: ZmqCalls, message: int, spare: int, frame_bytes: int) -> bool:
    """One block with its framing takes the place of the bare one; False, with nothing changed, if memory is short.

    `spare` is room for a message while it is made.
    """
    block, size = tell_word(calls.msg_data, message), tell_word(calls.msg_size, message)
    if tell_size(calls.msg_init_size, spare, FRAMING_BYTES + size) < 0:
        return False
    at = _put_big(tell_word(calls.msg_data, spare), frame_bytes, _SIZE_BYTES)
    at = _put_big(at, frame_bytes, _BLOCK_BYTES)
    at = _put_big(at, size, _LENGTH_BYTES)
    copy_bytes(at, block, size)
    tell_pair(calls.msg_move, message, spare)  # lets go of the bare one and leaves the spare one empty
    return True


@compiled
def _put_big(at: int, number: int, width: int) -> int:
    """Write a number in big-endian order; the position after it."""
    for i in range(width):
        put_byte(at + i, number >> (8 * (width - 1 - i)))
    return at + width
