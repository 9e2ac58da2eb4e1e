"""DECTRIS Stream V1 images received and read by compiled code, as far as they are the usual ones.

What is accepted here is what `wire.dectris_v1` makes of the same bytes; where that is not plain the
loop stops and leaves the message to it. Positions are addresses, `end` is that of the part's end:
every read is checked against it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.ingest import lanes
from stream_rrvae.ingest.json_object import (
    CLOSES,
    CLOSES_LIST,
    COLON,
    COMMA,
    OPENS,
    OPENS_LIST,
    after_plain_value,
    after_sign,
    after_space,
    after_text,
    number_at,
    word,
    word_at,
)
from stream_rrvae.ingest.lanes import (
    NO,
    Lane,
    Notes,
    Room,
    charge,
    entry,
    holds_frame,
    in_scan,
    is_name,
    mark,
    set_entry,
)
from stream_rrvae.ingest.libzmq import MESSAGE_BYTES, ZmqCalls
from stream_rrvae.ingest.lz4_framing import FRAMING_BYTES, put_in_framing
from stream_rrvae.ingest.sources import STAMP
from stream_rrvae.kernels.c_calls import ask, tell, tell_both, tell_word
from stream_rrvae.kernels.compiled import compiled, compiled_entry
from stream_rrvae.kernels.memory import load_big_64, load_byte, load_word
from stream_rrvae.wire.dectris_v1_image import IMAGE_HEADER_BYTES

# Where the parts of an image go: the pixels, which alone are kept, before the others.
SLOTS = (1, 2, 0, 3)
TAKEN, DESCRIBED, PIXELS, TIMES, SPARE = (slot * MESSAGE_BYTES for slot in (*SLOTS, len(SLOTS)))
NUMBER = 0  # entry of `Notes.found`
HTYPE, FRAME, SERIES, SHAPE, TYPE, ENCODING, SIZE = (1 << i for i in range(7))
TAKEN_FIELDS, DESCRIBED_FIELDS = HTYPE | FRAME | SERIES, HTYPE | SHAPE | TYPE | ENCODING
_HTYPE, _FRAME, _SERIES, _SHAPE, _TYPE, _ENCODING, _SIZE = map(
    word, (b"htype", b"frame", b"series", b"shape", b"type", b"encoding", b"size")
)
_BEGINS_HTYPE = np.uint64(word(b"dimage-1")), np.uint64(word(b"dimage_d"))
_ENDS_HTYPE = word(b".0"), word(b"-1.0")


def _entry(stamp: int) -> Callable[..., Any]:
    @compiled_entry
    def receive_described_images(calls: ZmqCalls, socket: int, lane: Lane, notes: Notes, room: Room) -> int:
        """Take waiting messages into `room`; gives why it stopped. After ODD the next slots hold odd parts.

        `room` has space for `lanes.SLOTS_BESIDE` messages beyond its slots.
        """
        _ = stamp
        counts = room.counts
        first_message = room.messages.ctypes.data
        counts[lanes.FIRST_SEEN] = counts[lanes.ODD_PARTS] = counts[lanes.MORE_PARTS] = 0
        while counts[lanes.FRAMES] < room.frames_wanted and counts[lanes.CHARGED_BYTES] < room.bytes_wanted:
            slot = first_message + counts[lanes.MESSAGES] * MESSAGE_BYTES
            if not _receive_parts(calls, socket, slot, counts):
                return lanes.EMPTY if ask(calls.errno) == lanes.EAGAIN else lanes.FAILED
            whole = counts[lanes.ODD_PARTS] == len(SLOTS) and not counts[lanes.MORE_PARTS]
            if not whole or not _is_image(calls, slot, lane, notes):
                return lanes.ODD
            if lane.encoding == lanes.LZ4 and not put_in_framing(calls, slot + PIXELS, slot + SPARE, lane.frame_bytes):
                return lanes.ODD
            counts[lanes.ODD_PARTS] = 0
            _note(calls, slot, notes, room)
        return lanes.FULL

    return receive_described_images


receive_described_images = _entry(STAMP)


@compiled
def _receive_parts(calls: ZmqCalls, socket: int, slot: int, counts: NDArray[np.int64]) -> bool:
    """Whether a message waits; as many of its parts as an image has are then in the slots, and counted."""
    parts, more = 0, 1
    while more and parts < len(SLOTS):
        message = slot + SLOTS[parts] * MESSAGE_BYTES
        tell(calls.msg_init, message)
        if tell_both(calls.msg_recv, message, socket, lanes.DONTWAIT) < 0:
            break
        more = tell(calls.msg_more, message)
        parts += 1
    counts[lanes.ODD_PARTS], counts[lanes.MORE_PARTS] = parts, more if parts else 0
    return parts > 0


@compiled
def _note(calls: ZmqCalls, slot: int, notes: Notes, room: Room) -> None:
    """Take the image in the slots into account and let go of all but its pixels."""
    counts, number = room.counts, entry(notes.found, NUMBER)
    place = counts[lanes.FRAMES]
    size, beside = tell_word(calls.msg_size, slot + PIXELS), 0
    for part in (TAKEN, DESCRIBED, TIMES):
        beside += tell_word(calls.msg_size, slot + part)
        tell(calls.msg_close, slot + part)
    room.addresses[place], room.sizes[place] = tell_word(calls.msg_data, slot + PIXELS), size
    room.numbers[place] = number
    counts[lanes.FIRST_SEEN] += mark(notes.seen, number)
    counts[lanes.FRAMES] += 1
    counts[lanes.MESSAGES] += 1
    counts[lanes.CHARGED_BYTES] += charge(size) + charge(beside)  # small parts share a buffer, which lives on


@compiled
def _is_image(calls: ZmqCalls, slot: int, lane: Lane, notes: Notes) -> bool:
    """Whether an image that fits lies in the slots; then `notes.found` has its number."""
    for part in (TAKEN, DESCRIBED, TIMES):
        if tell_word(calls.msg_size, slot + part) > min(IMAGE_HEADER_BYTES, lane.limit_bytes):
            return False
    size = tell_word(calls.msg_size, slot + PIXELS)
    return (
        size <= lane.limit_bytes
        and _holds_pixels(tell_word(calls.msg_data, slot + PIXELS), size, lane)
        and _read(calls, slot + TAKEN, True, size, lane, notes) == TAKEN_FIELDS
        and _read(calls, slot + DESCRIBED, False, size, lane, notes) | SIZE == DESCRIBED_FIELDS | SIZE
        and _are_times(tell_word(calls.msg_data, slot + TIMES), tell_word(calls.msg_size, slot + TIMES))
    )


@compiled
def _holds_pixels(at: int, size: int, lane: Lane) -> bool:
    """Whether a frame can be there; a framing must be filled in, and is added to what comes without."""
    if lane.encoding == lanes.LZ4:
        return holds_frame(size + FRAMING_BYTES, lane)
    if not holds_frame(size, lane):
        return False
    return lane.encoding == lanes.PLAIN or load_word(at) != 0 or load_word(at + 4) >> np.uint64(32) != 0


@compiled
def _are_times(at: int, size: int) -> bool:
    """As much as the decoder asks of them."""
    return size >= 2 and load_byte(at) == OPENS and load_byte(at + size - 1) == CLOSES


@compiled
def _read(calls: ZmqCalls, part: int, is_first: bool, payload_bytes: int, lane: Lane, notes: Notes) -> int:
    """The fields of a part, each of them as it should be; 0 where they are not."""
    at = tell_word(calls.msg_data, part)
    return read_object(at, at + tell_word(calls.msg_size, part), is_first, payload_bytes, lane, notes)


@compiled
def read_object(at: int, end: int, is_first: bool, payload_bytes: int, lane: Lane, notes: Notes) -> int:
    """The known fields of an object, each there once and as it should be; 0 where it is not so, or no object."""
    at = after_sign(OPENS, at, end)
    seen = 0
    while at != NO:
        key, at = at, after_text(at, end)
        if at == NO:
            return 0
        field = _field(key + 1, at - key - 2)
        if seen & field != 0:
            return 0
        seen |= field
        at = after_sign(COLON, at, end)
        if at == NO:
            return 0
        at = _value(at, end, field, is_first, payload_bytes, lane, notes)
        if at == NO:
            return 0
        at = after_space(at, end)
        if after_sign(CLOSES, at, end) == end:
            return seen
        at = after_sign(COMMA, at, end)
    return 0


@compiled
def _field(key: int, size: int) -> int:
    """Which of the known keys this is; 0 = another."""
    found = word_at(key, size)
    if found == _HTYPE:
        return HTYPE
    if found == _FRAME:
        return FRAME
    if found == _SERIES:
        return SERIES
    if found == _SHAPE:
        return SHAPE
    if found == _TYPE:
        return TYPE
    if found == _ENCODING:
        return ENCODING
    return SIZE if found == _SIZE else 0


@compiled
def _value(at: int, end: int, field: int, is_first: bool, payload_bytes: int, lane: Lane, notes: Notes) -> int:
    """The position after the value of a field, when it is what is wanted."""
    if field == 0:
        return after_plain_value(at, end)
    if field == SHAPE:
        return _shape(at, end, lane)
    if field in (FRAME, SERIES, SIZE):
        number, at = number_at(at, end)
        if field == FRAME:
            own = in_scan(number, lane)
            set_entry(notes.found, NUMBER, own)
            return at if own != NO else NO
        return at if number == (lane.series if field == SERIES else payload_bytes) else NO
    text, at = at + 1, after_text(at, end)
    if at == NO:
        return NO
    size = at - text - 1
    if field == HTYPE:
        fits = _is_htype(text, size, is_first)
    else:
        fits = is_name(text, size, lane.type_name if field == TYPE else lane.encoding_name)
    return at if fits else NO


@compiled
def _shape(at: int, end: int, lane: Lane) -> int:
    """The position after [columns, rows] of the lane."""
    at = after_sign(OPENS_LIST, at, end)
    if at == NO:
        return NO
    columns, at = number_at(at, end)
    at = after_sign(COMMA, at, end)
    if at == NO:
        return NO
    rows, at = number_at(at, end)
    if columns != lane.columns or rows != lane.rows:
        return NO
    return after_sign(CLOSES_LIST, at, end)


@compiled
def _is_htype(at: int, size: int, is_first: bool) -> bool:
    """Whether the part says that it is the first of an image, or else the second."""
    begin, rest = (_BEGINS_HTYPE[0], _ENDS_HTYPE[0]) if is_first else (_BEGINS_HTYPE[1], _ENDS_HTYPE[1])
    return size > 8 and load_big_64(at) == begin and word_at(at + 8, size - 8) == rest
