"""Frames messages of the native protocol received and read by compiled code, as far as they are the usual ones.

What is accepted here is what `wire.native` makes of the same bytes; where that is not plain the loop
stops and leaves the message to it. Positions are addresses, `end` is that of the message's end: every
read is checked against it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.ingest import lanes
from stream_rrvae.ingest.lanes import NO, Lane, Notes, Room, charge, entry, holds_frame, is_name, mark, set_entry
from stream_rrvae.ingest.libzmq import MESSAGE_BYTES, ZmqCalls
from stream_rrvae.ingest.sources import STAMP
from stream_rrvae.kernels.c_calls import ask, tell, tell_both, tell_word
from stream_rrvae.kernels.compiled import compiled, compiled_entry
from stream_rrvae.kernels.memory import load_byte
from stream_rrvae.wire.native_encode import FRAMES_HEADER_BYTES, MAX_BATCH, NAME, VERSION

_KEYS = ("p", "v", "t", "series", "numbers", "sizes", "shape", "dtype", "encoding", "seq")
PROTOCOL, VERSION_KEY, KIND, SERIES, NUMBERS, SIZES, SHAPE, DTYPE, ENCODING, SEQ = (1 << i for i in range(10))
NEEDED = SEQ - 1
N_NUMBERS, N_SIZES = range(2)  # entries of `Notes.found`
# One text behind the other, since compiled code takes constants by value: keys, then the two values.
_TEXTS = np.frombuffer("".join((*_KEYS, NAME, "frames")).encode(), np.uint8)
_BEGINS = np.cumsum([0, *map(len, (*_KEYS, NAME, "frames"))])
_NAME, _FRAMES = len(_KEYS), len(_KEYS) + 1


def _entry(stamp: int) -> Callable[..., Any]:
    @compiled_entry
    def receive_frames(calls: ZmqCalls, socket: int, lane: Lane, notes: Notes, room: Room) -> int:
        """Take waiting messages into `room`; gives why it stopped. After ODD the next slots hold odd parts.

        `room` has space for MAX_BATCH frames beyond `frames_wanted`, and a slot for a header beyond `slots`.
        """
        _ = stamp
        counts = room.counts
        first_message = room.messages.ctypes.data
        counts[lanes.FIRST_SEEN] = counts[lanes.ODD_PARTS] = counts[lanes.MORE_PARTS] = 0
        while (
            counts[lanes.FRAMES] < room.frames_wanted
            and counts[lanes.CHARGED_BYTES] < room.bytes_wanted
            and counts[lanes.MESSAGES] < room.slots
        ):
            # The header comes first and is let go first, so it takes the slot behind the payload's.
            payload = first_message + counts[lanes.MESSAGES] * MESSAGE_BYTES
            header = payload + MESSAGE_BYTES
            tell(calls.msg_init, header)
            if tell_both(calls.msg_recv, header, socket, lanes.DONTWAIT) < 0:
                return lanes.EMPTY if ask(calls.errno) == lanes.EAGAIN else lanes.FAILED
            more = tell(calls.msg_more, header)
            tell(calls.msg_init, payload)
            if not more or tell_both(calls.msg_recv, payload, socket, lanes.DONTWAIT) < 0:
                counts[lanes.ODD_PARTS], counts[lanes.MORE_PARTS] = 1, more
                return lanes.ODD
            address, size = tell_word(calls.msg_data, payload), tell_word(calls.msg_size, payload)
            head, head_bytes = tell_word(calls.msg_data, header), tell_word(calls.msg_size, header)
            more = tell(calls.msg_more, payload)
            fits = not more and size <= lane.limit_bytes and head_bytes <= FRAMES_HEADER_BYTES
            if not fits or not read_header(head, head + head_bytes, size, lane, notes, room):
                counts[lanes.ODD_PARTS], counts[lanes.MORE_PARTS] = 2, more
                return lanes.ODD
            tell(calls.msg_close, header)
            _note(address, notes, room)
            counts[lanes.MESSAGES] += 1
            counts[lanes.CHARGED_BYTES] += charge(size)
        return lanes.FULL

    return receive_frames


receive_frames = _entry(STAMP)


@compiled
def _note(address: int, notes: Notes, room: Room) -> None:
    """Take the frames of the message, whose numbers and sizes are in `room` already, into account."""
    counts, count = room.counts, entry(notes.found, N_NUMBERS)
    begin = counts[lanes.FRAMES]
    for place in range(begin, begin + count):
        room.addresses[place] = address
        address += room.sizes[place]
        counts[lanes.FIRST_SEEN] += mark(notes.seen, room.numbers[place])
    counts[lanes.FRAMES] += count
    counts[lanes.MOST_IN_ONE] = max(counts[lanes.MOST_IN_ONE], count)


@compiled
def read_header(at: int, end: int, payload_bytes: int, lane: Lane, notes: Notes, room: Room) -> bool:
    """Whether frames that fit and fill the payload are announced there; their numbers and sizes are then in `room`."""
    found = notes.found
    if at >= end or load_byte(at) >> 4 != 8:
        return False
    count, seen = load_byte(at) & 15, 0
    at += 1
    for _ in range(count):
        size, at = _text(at, end)
        if at == NO:
            return False
        field = _field(at - size, size)
        if field == 0 or seen & field != 0:
            return False
        seen |= field
        at = _value(at, end, field, lane, notes, room)
        if at == NO:
            return False
    frames = entry(found, N_NUMBERS)
    if at != end or seen & NEEDED != NEEDED or frames != entry(found, N_SIZES):
        return False
    return _fill(payload_bytes, frames, lane, room)


@compiled
def _fill(payload_bytes: int, count: int, lane: Lane, room: Room) -> bool:
    """Whether the sizes add up to the payload; a single frame's is judged here, of several the decoder judges."""
    begin = room.counts[lanes.FRAMES]
    total = 0
    for place in range(begin, begin + count):
        size = room.sizes[place]
        if size < 1 or size > payload_bytes:
            return False
        total += size
    return total == payload_bytes and (count > 1 or holds_frame(total, lane))


@compiled
def _field(at: int, size: int) -> int:
    """Which key lies there; 0 = none that is known."""
    for i in range(len(_KEYS)):
        if _is_text(at, size, i):
            return 1 << i
    return 0


@compiled
def _value(at: int, end: int, field: int, lane: Lane, notes: Notes, room: Room) -> int:
    """The position after the value of a key, when it is what is wanted."""
    begin, found = room.counts[lanes.FRAMES], notes.found
    if field == NUMBERS:
        count, at = _list(at, end, room.numbers, begin, lane.first_number, lane.n_frames)
        set_entry(found, N_NUMBERS, count)
        return at
    if field == SIZES:
        count, at = _list(at, end, room.sizes, begin, 0, lane.limit_bytes + 1)
        set_entry(found, N_SIZES, count)
        return at
    if field == SHAPE:
        return _shape(at, end, lane)
    if field in (SERIES, VERSION_KEY, SEQ):
        number, at = _unsigned(at, end)
        wanted = lane.series if field == SERIES else VERSION if field == VERSION_KEY else number
        return at if number == wanted else NO
    size, at = _text(at, end)
    if at == NO:
        return NO
    if field == PROTOCOL:
        fits = _is_text(at - size, size, _NAME)
    elif field == KIND:
        fits = _is_text(at - size, size, _FRAMES)
    elif field == DTYPE:
        fits = is_name(at - size, size, lane.type_name)
    else:
        fits = is_name(at - size, size, lane.encoding_name)
    return at if fits else NO


@compiled
def _shape(at: int, end: int, lane: Lane) -> int:
    count, at = _array_head(at, end)
    if at == NO or count != 2:
        return NO
    rows, at = _unsigned(at, end)
    if at == NO or rows != lane.rows:
        return NO
    columns, at = _unsigned(at, end)
    return at if columns == lane.columns else NO


@compiled
def _list(at: int, end: int, out: NDArray[np.int64], begin: int, first: int, below: int) -> tuple[int, int]:
    """1 to MAX_BATCH numbers, less `first`, into `out` from `begin` on; their count, and the position after them."""
    count, at = _array_head(at, end)
    if at == NO or count < 1 or count > MAX_BATCH or count > out.size - begin:
        return 0, NO
    for i in range(begin, begin + count):
        number, at = _unsigned(at, end)
        if at == NO or number < first or number - first >= below:
            return 0, NO
        out[i] = number - first
    return count, at


@compiled
def _array_head(at: int, end: int) -> tuple[int, int]:
    if at < end and load_byte(at) >> 4 == 9:
        return load_byte(at) & 15, at + 1
    if end - at >= 3 and load_byte(at) == 0xDC:
        return (load_byte(at + 1) << 8) | load_byte(at + 2), at + 3
    return 0, NO


@compiled
def _text(at: int, end: int) -> tuple[int, int]:
    """The length of a text of at most 31 bytes, and the position after it."""
    if at >= end or load_byte(at) >> 5 != 5:
        return 0, NO
    size = load_byte(at) & 31
    return (size, at + 1 + size) if size < end - at else (0, NO)


@compiled
def _unsigned(at: int, end: int) -> tuple[int, int]:
    """A whole number from 0 to 2^63 - 1, and the position after it."""
    if at >= end:
        return 0, NO
    first = load_byte(at)
    if first < 128:
        return first, at + 1
    if first < 0xCC or first > 0xCF:
        return 0, NO
    width = 1 << (first - 0xCC)
    if width >= end - at:
        return 0, NO
    number = 0
    for i in range(at + 1, at + 1 + width):
        number = (number << 8) | load_byte(i)
    return (number, at + 1 + width) if number >= 0 else (0, NO)


@compiled
def _is_text(at: int, size: int, which: int) -> bool:
    """Whether exactly this of `_TEXTS` lies there."""
    begin = _BEGINS[which]
    if size != _BEGINS[which + 1] - begin:
        return False
    same = 0
    while same < size and load_byte(at + same) == _TEXTS[begin + same]:
        same += 1
    return same == size
