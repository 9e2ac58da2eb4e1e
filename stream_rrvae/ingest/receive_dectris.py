"""DECTRIS Stream V2 images received and read by compiled code, as far as they are the usual ones.

What is accepted here is what `wire.dectris_v2` makes of the same bytes; where that is not plain the
loop stops and leaves the message to it. Positions are addresses, `end` is that of the message's end:
every read is checked against it. Reading goes on from where the latest message differed, when this
one begins with the same bytes: a series' constant fields come first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from stream_rrvae.ingest import lanes
from stream_rrvae.ingest.cbor_item import (
    ARRAY,
    BYTE_STRING,
    MAP,
    TAG,
    TEXT,
    UNSIGNED,
    begin_of,
    head_of,
    short_text,
    skip,
)
from stream_rrvae.ingest.lanes import (
    MOST_CHANNELS,
    NO,
    Lane,
    Notes,
    Room,
    charge,
    entry,
    holds_frame,
    in_scan,
    is_name,
    is_same,
    mark,
    put_byte,
    set_entry,
)
from stream_rrvae.ingest.libzmq import MESSAGE_BYTES, ZmqCalls
from stream_rrvae.ingest.sources import STAMP
from stream_rrvae.kernels.c_calls import ask, tell, tell_both, tell_word
from stream_rrvae.kernels.compiled import compiled, compiled_entry
from stream_rrvae.kernels.memory import load_byte, load_word
from stream_rrvae.wire.cbor_subset import DECTRIS_COMPRESSION, FLOAT32_LE, MULTI_DIM, UINT8, UINT16_LE, UINT32_LE

MOST_FIELDS = 24
NUMBER, PAYLOAD, PAYLOAD_BYTES, MEMO_END, MEMO_LEFT, MEMO_SEEN = range(6)  # entries of `Notes.found`
KNOWN_BYTES, FIELDS_LEFT, FIELDS_SEEN = range(3)  # entries of `Notes.facts`
TYPE_SEEN, SERIES_SEEN, NUMBER_SEEN, DATA_SEEN, ALL_SEEN = 1, 2, 4, 8, 15


def _word(text: bytes) -> np.uint64:
    """Up to 8 bytes as `begin_of` gives them."""
    return np.uint64(int.from_bytes(text, "big"))


_TYPE, _IMAGE, _IMAGE_ID, _DATA, _SERIES_I, _D = map(
    _word, (b"type", b"image", b"image_id", b"data", b"series_i", b"d")
)
_SELF_DESCRIBED = _word(b"\xd9\xd9\xf7")


def _entry(stamp: int) -> Callable[..., Any]:
    @compiled_entry
    def receive_images(calls: ZmqCalls, socket: int, lane: Lane, notes: Notes, room: Room) -> int:
        """Take waiting messages into `room`; gives why it stopped. After ODD the next slot holds an odd part."""
        _ = stamp
        counts, found = room.counts, notes.found
        first_message = room.messages.ctypes.data
        counts[lanes.FIRST_SEEN] = counts[lanes.ODD_PARTS] = counts[lanes.MORE_PARTS] = 0
        while counts[lanes.FRAMES] < room.frames_wanted and counts[lanes.CHARGED_BYTES] < room.bytes_wanted:
            message = first_message + counts[lanes.MESSAGES] * MESSAGE_BYTES
            tell(calls.msg_init, message)
            if tell_both(calls.msg_recv, message, socket, lanes.DONTWAIT) < 0:
                return lanes.EMPTY if ask(calls.errno) == lanes.EAGAIN else lanes.FAILED
            address, size = tell_word(calls.msg_data, message), tell_word(calls.msg_size, message)
            more = tell(calls.msg_more, message)
            if more or size > lane.limit_bytes or not read_image(address, address + size, lane, notes):
                counts[lanes.ODD_PARTS], counts[lanes.MORE_PARTS] = 1, more
                return lanes.ODD
            number, place = entry(found, NUMBER), counts[lanes.FRAMES]
            room.addresses[place], room.sizes[place] = entry(found, PAYLOAD), entry(found, PAYLOAD_BYTES)
            room.numbers[place] = number
            counts[lanes.FIRST_SEEN] += mark(notes.seen, number)
            counts[lanes.FRAMES] += 1
            counts[lanes.MESSAGES] += 1
            counts[lanes.CHARGED_BYTES] += charge(size)
        return lanes.FULL

    return receive_images


receive_images = _entry(STAMP)


@compiled
def read_image(at: int, end: int, lane: Lane, notes: Notes) -> bool:
    """Whether an image that fits lies there; then `notes.found` has its number and its payload's address and size."""
    begin, facts, found = at, notes.facts, notes.found
    if _is_known(at, end, notes):
        count, seen = entry(facts, FIELDS_LEFT), entry(facts, FIELDS_SEEN)
        at = _value(at + entry(facts, KNOWN_BYTES), end, NUMBER_SEEN, lane, notes)
        set_entry(found, MEMO_END, 0)
    else:
        if end - at > 3 and begin_of(at, end, 3) == _SELF_DESCRIBED:
            at += 3
        count, at = head_of(at, end, MAP)
        seen = 0
        set_entry(found, MEMO_END, 0)
    if at == NO or count > MOST_FIELDS:
        return False
    for left in range(count - 1, -1, -1):
        key, at = short_text(at, end)
        if at == NO:
            return False
        field = _field(key, at, end)
        if seen & field != 0:
            return False
        seen |= field
        if field == NUMBER_SEEN:
            set_entry(found, MEMO_END, at - begin)
            set_entry(found, MEMO_LEFT, left)
            set_entry(found, MEMO_SEEN, seen)
        at = _value(at, end, field, lane, notes)
        if at == NO:
            return False
    if at != end or seen != ALL_SEEN:
        return False
    if entry(found, MEMO_END) != 0:
        _memorise(begin, notes)
    return True


@compiled
def _is_known(at: int, end: int, notes: Notes) -> bool:
    """Whether the message begins like the latest one, up to its number."""
    known, memo = entry(notes.facts, KNOWN_BYTES), notes.memo
    if known == 0 or known >= end - at:
        return False
    words = known // 8
    for i in range(words):
        if load_word(at + 8 * i) != load_word(memo + 8 * i):
            return False
    return is_same(at + 8 * words, memo + 8 * words, known - 8 * words)


@compiled
def _memorise(at: int, notes: Notes) -> None:
    """Keep how this message began, up to its number."""
    found, facts = notes.found, notes.facts
    size = entry(found, MEMO_END)
    if size > lanes.MEMO_BYTES:
        return
    for i in range(size):
        put_byte(notes.memo + i, load_byte(at + i))
    set_entry(facts, KNOWN_BYTES, size)
    set_entry(facts, FIELDS_LEFT, entry(found, MEMO_LEFT))
    set_entry(facts, FIELDS_SEEN, entry(found, MEMO_SEEN))


@compiled
def _field(key: int, key_end: int, end: int) -> int:
    """Which of the needed keys this is; 0 = another."""
    size = key_end - key
    if size == 4:
        word = begin_of(key, end, 4)
        return TYPE_SEEN if word == _TYPE else DATA_SEEN if word == _DATA else 0
    if size == 8:
        return NUMBER_SEEN if begin_of(key, end, 8) == _IMAGE_ID else 0
    if size == 9:
        is_series = begin_of(key, end, 8) == _SERIES_I and begin_of(key + 8, end, 1) == _D
        return SERIES_SEEN if is_series else 0
    return 0


@compiled
def _value(at: int, end: int, field: int, lane: Lane, notes: Notes) -> int:
    """The position after the value of a field, when it is what is wanted."""
    if field == 0:
        return skip(at, end)
    if field == DATA_SEEN:
        return _channels(at, end, lane, notes)
    if field == TYPE_SEEN:
        size, at = head_of(at, end, TEXT)
        return at + size if at != NO and size == 5 and end - at >= 5 and begin_of(at, end, 5) == _IMAGE else NO
    number, at = head_of(at, end, UNSIGNED)
    if at == NO:
        return NO
    if field == SERIES_SEEN:
        return at if number == lane.series else NO
    own = in_scan(number, lane)
    set_entry(notes.found, NUMBER, own)
    return at if own != NO else NO


@compiled
def _channels(at: int, end: int, lane: Lane, notes: Notes) -> int:
    """The map of channels: arrays all of them, no name twice, the wanted one among them and fitting."""
    count, at = head_of(at, end, MAP)
    if at == NO or count > MOST_CHANNELS:
        return NO
    there, keys = False, notes.keys
    for i in range(count):
        key, at = short_text(at, end)
        if at == NO:
            return NO
        size = at - key
        set_entry(keys, 2 * i, key)
        set_entry(keys, 2 * i + 1, size)
        for j in range(i):
            if entry(keys, 2 * j + 1) == size and is_same(entry(keys, 2 * j), key, size):
                return NO
        wanted = is_name(key, size, lane.channel)
        at = _array(at, end, lane, wanted, notes)
        if at == NO:
            return NO
        there = there or wanted
    return at if there else NO


@compiled
def _array(at: int, end: int, lane: Lane, wanted: bool, notes: Notes) -> int:
    """Tag 40 over ([rows, columns], typed array); the wanted one must fit the scan, others be whole."""
    tag, at = head_of(at, end, TAG)
    if at == NO or tag != MULTI_DIM:
        return NO
    for _ in range(2):
        count, at = head_of(at, end, ARRAY)
        if at == NO or count != 2:
            return NO
    rows, at = head_of(at, end, UNSIGNED)
    if at == NO:
        return NO
    columns, at = head_of(at, end, UNSIGNED)
    if at == NO:
        return NO
    tag, at = head_of(at, end, TAG)
    if at == NO or tag not in (UINT8, UINT16_LE, UINT32_LE, FLOAT32_LE):
        return NO
    if wanted and (rows != lane.rows or columns != lane.columns or tag != lane.type_tag):
        return NO
    return _payload(at, end, lane, wanted, notes)


@compiled
def _payload(at: int, end: int, lane: Lane, wanted: bool, notes: Notes) -> int:
    """A byte string, or tag 56500 over [algorithm, element size, byte string]; its size can hold the frame."""
    packed = at < end and load_byte(at) >> 5 == TAG
    if packed:
        tag, at = head_of(at, end, TAG)
        if at == NO or tag != DECTRIS_COMPRESSION:
            return NO
        count, at = head_of(at, end, ARRAY)
        if at == NO or count != 3:
            return NO
        name, at = short_text(at, end)
        size = at - name
        if at == NO or (wanted and not is_name(name, size, lane.encoding_name)):
            return NO
        element, at = head_of(at, end, UNSIGNED)
        if at == NO or (wanted and lane.encoding == lanes.BSLZ4 and element != lane.item_bytes):
            return NO
    size, at = head_of(at, end, BYTE_STRING)
    if at == NO or size > end - at:
        return NO
    if wanted:
        if packed != (lane.encoding != lanes.PLAIN) or not holds_frame(size, lane):
            return NO
        set_entry(notes.found, PAYLOAD, at)
        set_entry(notes.found, PAYLOAD_BYTES, size)
    return at + size
