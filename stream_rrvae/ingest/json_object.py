"""Small JSON objects read by compiled code, as far as they are plain.

Plain: ASCII texts without escapes, whole numbers of at most 18 digits from 0 on. Everything else is NO, also where it
is good JSON. Positions are addresses, `end` is that of the part's end: every read is checked against it.
"""

from __future__ import annotations

from stream_rrvae.ingest.lanes import NO
from stream_rrvae.kernels.compiled import compiled
from stream_rrvae.kernels.memory import load_byte

MOST_DIGITS = 18  # below 2^63 whatever they are
LONGEST_WORD_BYTES = 8
QUOTE, BACKSLASH, COMMA, COLON, ZERO = (ord(sign) for sign in '"\\,:0')
OPENS, CLOSES, OPENS_LIST, CLOSES_LIST = (ord(sign) for sign in "{}[]")
_SPACE, _TAB, _NEW_LINE, _RETURN = (ord(sign) for sign in " \t\n\r")
_FIRST_PRINTED, _FIRST_NOT_ASCII = 0x20, 0x80


def word(text: bytes) -> int:
    """A text of at most 8 bytes as `word_at` gives it."""
    return int.from_bytes(text, "big")


@compiled
def word_at(at: int, size: int) -> int:
    """The text there as a number, which no other text has; 0 if it is longer than 8 bytes."""
    number = 0
    if size <= LONGEST_WORD_BYTES:
        for i in range(size):
            number = (number << 8) | load_byte(at + i)
    return number


@compiled
def after_space(at: int, end: int) -> int:
    """The next position that is not white space."""
    while at < end:
        sign = load_byte(at)
        if sign not in (_SPACE, _TAB, _NEW_LINE, _RETURN):
            return at
        at += 1
    return at


@compiled
def after_sign(sign: int, at: int, end: int) -> int:
    """The position after this sign and the white space around it; NO where it is another one."""
    if at == NO:
        return NO
    at = after_space(at, end)
    return after_space(at + 1, end) if at < end and load_byte(at) == sign else NO


@compiled
def after_text(at: int, end: int) -> int:
    """The position after the closing quote of the text whose opening quote lies there."""
    if at >= end or load_byte(at) != QUOTE:
        return NO
    at += 1
    while at < end:
        sign = load_byte(at)
        at += 1
        if sign == QUOTE:
            return at
        if sign == BACKSLASH or sign < _FIRST_PRINTED or sign >= _FIRST_NOT_ASCII:
            return NO
    return NO


@compiled
def number_at(at: int, end: int) -> tuple[int, int]:
    """A whole number without sign and the position after its last digit; a fraction's dot is left to who reads on."""
    if at < end and load_byte(at) == ZERO:
        return 0, at + 1
    number, begin = 0, at
    while at < end:
        digit = load_byte(at) - ZERO
        if digit < 0 or digit > 9:
            break
        if at - begin == MOST_DIGITS:
            return 0, NO
        number = 10 * number + digit
        at += 1
    return (number, at) if at > begin else (0, NO)


@compiled
def after_plain_value(at: int, end: int) -> int:
    """The position after a text or a number, whatever it is."""
    if at < end and load_byte(at) == QUOTE:
        return after_text(at, end)
    return number_at(at, end)[1]
