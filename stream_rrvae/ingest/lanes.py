"""What compiled receive loops are told of the running scan, and what they say when they stop."""

from __future__ import annotations

import errno
from typing import NamedTuple

import numpy as np
import zmq
from llvmlite import ir
from numba import types
from numpy.typing import NDArray

from stream_rrvae.kernels.compiled import compiled
from stream_rrvae.kernels.memory import instruction, load_at, load_byte, store_at
from stream_rrvae.messages import Encoding
from stream_rrvae.wire.limits import MAX_RATIO, PACKING_HEADER_BYTES

# Why a loop stopped: nothing waits, no more room, a message that is not for it, or an error of the socket's.
EMPTY, FULL, ODD, FAILED = range(4)
# Entries of `Room.counts`.
MESSAGES, FRAMES, CHARGED_BYTES, FIRST_SEEN, ODD_PARTS, MORE_PARTS, MOST_IN_ONE, N_COUNTS = range(8)
SHARED_BELOW_BYTES = 8192  # libzmq's messages below it lie in a buffer shared by neighbours ...
SHARED_FACTOR = 3  # ... which with what is kept for each message takes up to so many times their bytes
DONTWAIT, EAGAIN = int(zmq.DONTWAIT), errno.EAGAIN
NO = -1  # instead of a position: not what is known here

ENCODINGS = (Encoding.NONE, Encoding.BSLZ4, Encoding.LZ4)
PLAIN, BSLZ4, LZ4 = range(3)
_SMALLEST_PACKED_BYTES = PACKING_HEADER_BYTES + 1
_LARGEST_RATIO = MAX_RATIO
_BYTE, _WORD = ir.IntType(8), ir.IntType(64)
FOUND, FACTS, MOST_CHANNELS = 8, 4, 8
SLOTS_BESIDE = 4  # for the parts of a message that are let go when it has been read, and one that is being made
MEMO_BYTES = 1024  # of a message's beginning


class Name(NamedTuple):
    """A text in memory that stays where it is."""

    at: int
    size: int  # bytes


class Lane(NamedTuple):
    """The only kind of frame that needs no decision; any other message stops the loop."""

    series: int
    first_number: int  # of the scan's frames, which an endless series counts on
    n_frames: int
    rows: int  # ky
    columns: int  # kx
    type_tag: int  # of the typed array in CBOR
    type_name: Name
    item_bytes: int
    frame_bytes: int
    encoding: int  # index in ENCODINGS
    encoding_name: Name
    channel: Name
    limit_bytes: int  # of a message part


class Notes(NamedTuple):
    """What a loop keeps from call to call: addresses, since counting references to arrays costs more than reading."""

    seen: int  # uint8 [n_frames] of the scan machine: 1 = a frame came for it
    found: int  # int64 [FOUND] of the message at hand
    keys: int  # int64 [2 * MOST_CHANNELS] of the message at hand
    memo: int  # uint8 [MEMO_BYTES] how the latest message began
    facts: int  # int64 [FACTS] about the memo


class Room(NamedTuple):
    """Where received frames are noted; `counts` says how many are."""

    messages: NDArray[np.uint8]  # [slots * MESSAGE_BYTES] zmq_msg_t, alive as long as their frames
    addresses: NDArray[np.uint64]  # [frames] of the payloads
    sizes: NDArray[np.int64]
    numbers: NDArray[np.int64]  # in the scan, from 0
    counts: NDArray[np.int64]  # [N_COUNTS]
    frames_wanted: int  # full from so many on
    bytes_wanted: int
    slots: int


get = instruction(types.int64, (types.int64,), lambda builder, at: load_at(builder, at, _WORD))
put_byte = instruction(
    types.none,
    (types.int64, types.int64),
    lambda builder, at, value: store_at(builder, builder.trunc(value, _BYTE), at),
)
put = instruction(types.none, (types.int64, types.int64), lambda builder, at, value: store_at(builder, value, at))


@compiled
def entry(table: int, index: int) -> int:
    """Entry `index` of an int64 table."""
    value: int = get(table + 8 * index)
    return value


@compiled
def set_entry(table: int, index: int, value: int) -> None:
    """Write an entry of an int64 table."""
    put(table + 8 * index, value)


@compiled
def in_scan(number: int, lane: Lane) -> int:
    """A frame's number in the running scan, from 0; NO where it is of another."""
    own = number - lane.first_number
    return own if 0 <= own < lane.n_frames else NO


@compiled
def mark(seen: int, number: int) -> int:
    """Note that a frame came for the position; 1 if it is the first."""
    first: int = 1 - load_byte(seen + number)
    put_byte(seen + number, 1)
    return first


@compiled
def charge(size: int) -> int:
    """What a message of `size` bytes takes of the memory."""
    return size if size > SHARED_BELOW_BYTES else SHARED_FACTOR * size


@compiled
def holds_frame(size: int, lane: Lane) -> bool:
    """Whether a payload of `size` bytes can be a frame of the lane."""
    if lane.encoding == PLAIN:
        return size == lane.frame_bytes
    return size >= _SMALLEST_PACKED_BYTES and lane.frame_bytes <= _LARGEST_RATIO * size


@compiled
def is_same(at: int, other: int, size: int) -> bool:
    """Whether `size` bytes at both addresses are the same."""
    same = 0
    while same < size and load_byte(at + same) == load_byte(other + same):
        same += 1
    return same == size


@compiled
def is_name(at: int, size: int, name: Name) -> bool:
    """Whether exactly this text lies there."""
    return size == name.size and is_same(at, name.at, size)
