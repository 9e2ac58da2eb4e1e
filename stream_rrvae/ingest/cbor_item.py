"""Items of CBOR read by compiled code: their heads, short texts, and the way past what is not needed.

Positions are addresses, `end` is that of the message's end: every read is checked against it.
"""

from __future__ import annotations

import numpy as np

from stream_rrvae.ingest.lanes import NO
from stream_rrvae.kernels.compiled import compiled
from stream_rrvae.kernels.memory import load_big_64, load_byte

UNSIGNED, BYTE_STRING, TEXT, ARRAY, MAP, TAG, OTHER = 0, 2, 3, 4, 5, 6, 7
MOST_ITEMS, MOST_KEY_BYTES = 512, 255  # with the fields of a message less than wire's MAX_ITEMS
NOT_ASCII = np.uint64(0x8080808080808080)


@compiled
def short_text(at: int, end: int) -> tuple[int, int]:
    """Begin and end of a short ASCII text, whose end is the position after it."""
    size, at = head_of(at, end, TEXT)
    if at == NO or size > MOST_KEY_BYTES or size > end - at:
        return 0, NO
    done = 0
    while done < size:
        step = min(8, size - done)
        if begin_of(at + done, end, step) & NOT_ASCII != 0:
            return 0, NO
        done += step
    return at, at + size


@compiled
def begin_of(at: int, end: int, size: int) -> np.uint64:
    """1 to 8 bytes as a big-endian number; they lie before `end`."""
    if end - at >= 8:
        word: np.uint64 = load_big_64(at) >> np.uint64(64 - 8 * size)
        return word
    word = np.uint64(0)
    for i in range(size):
        word = (word << np.uint64(8)) | np.uint64(load_byte(at + i))
    return word


@compiled
def head_of(at: int, end: int, kind: int) -> tuple[int, int]:
    """The number in the head of an item that must be of `kind`, and the position after the head."""
    if at >= end or load_byte(at) >> 5 != kind:
        return 0, NO
    return number_in(at, end)


@compiled
def number_in(at: int, end: int) -> tuple[int, int]:
    """The number in an item's head, below 2^63, and the position after the head."""
    info = load_byte(at) & 31
    if info < 24:
        return info, at + 1
    if info > 27:
        return 0, NO
    width = 1 << (info - 24)
    if width >= end - at:
        return 0, NO
    number: int = np.int64(begin_of(at + 1, end, width))  # type: ignore[assignment]  # negative from 2^63 on
    return (number, at + 1 + width) if number >= 0 else (0, NO)


@compiled
def skip(at: int, end: int) -> int:
    """The position after an item, whatever it means."""
    pending, left = 1, MOST_ITEMS
    while pending > 0:
        if at >= end or left < 0:
            return NO
        kind, info = load_byte(at) >> 5, load_byte(at) & 31
        children = 0
        if kind == OTHER or kind < BYTE_STRING:
            if info > 27:
                return NO
            at += 1 if info < 24 else 1 + (1 << (info - 24))
        else:
            number, at = number_in(at, end)
            if at == NO or number > end - at:  # no item is shorter than a byte
                return NO
            if kind in (ARRAY, TAG):
                children = number if kind == ARRAY else 1
            elif kind == MAP:
                children = 2 * number
            else:
                at += number
        left -= children
        pending += children - 1
    return at if at <= end else NO
