"""A bounded parser of the CBOR that DECTRIS Stream V2 is made of (RFC 8949, RFC 8746).

Integers, floats, texts, byte strings, arrays and maps of definite length with text keys,
false, true, null, and the tags named below. Everything else is refused. Byte strings come
as slices of the message. Why by hand: ../decisions/001-cbor-subset-by-hand.md.

Positions only ever grow, so a length that reaches beyond the message is found at the next
item or by the one check at the end; nothing is allocated by an announced length.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from stream_rrvae.errors import WireError
from stream_rrvae.messages import Refusal

Value = Any  # None, bool, int, float, str, memoryview, list, dict[str, Value], or (tag, Value) for a tag in KEPT_TAGS
Budget = list[int]  # one entry: the items that may still come
Reader = Callable[[memoryview, int, int, Budget], tuple[Value, int]]

DATE_TEXT, MULTI_DIM, SELF_DESCRIBED, DECTRIS_COMPRESSION = 0, 40, 55799, 56500
UINT8, UINT16_LE, UINT32_LE, FLOAT32_LE = 64, 69, 70, 85
KEPT_TAGS = frozenset({MULTI_DIM, UINT8, UINT16_LE, UINT32_LE, FLOAT32_LE, DECTRIS_COMPRESSION})

MAX_DEPTH = 16
MAX_ITEMS = 1 << 14
MAX_TEXT_BYTES = 64 << 10

ARGUMENTS = {24: struct.Struct(">xB"), 25: struct.Struct(">xH"), 26: struct.Struct(">xI"), 27: struct.Struct(">xQ")}
_FLOATS = {25: struct.Struct(">xe"), 26: struct.Struct(">xf"), 27: struct.Struct(">xd")}
_CONSTANTS = {20: False, 21: True, 22: None}
CUT_SHORT = (IndexError, struct.error)


def parse(data: memoryview) -> Value:
    """The one item in `data`. Raises WireError(HEADER)."""
    try:
        value, end = READERS[data[0]](data, 0, MAX_DEPTH, [MAX_ITEMS])
    except CUT_SHORT as error:
        raise refusal("the message is cut short") from error
    check_end(data, end)
    return value


def read_argument(data: memoryview, position: int) -> tuple[int, int]:
    """The number in an item's head (its value, length, count or tag) and the position after the head."""
    info = data[position] & 31
    if info < 24:
        return info, position + 1
    layout = ARGUMENTS.get(info)
    if layout is None:
        raise refusal("an item is of indefinite length or malformed")
    return layout.unpack_from(data, position)[0], position + layout.size


def _small_unsigned(data: memoryview, position: int, _depth: int, _budget: Budget) -> tuple[Value, int]:
    return data[position], position + 1


def _unsigned(data: memoryview, position: int, _depth: int, _budget: Budget) -> tuple[Value, int]:
    return read_argument(data, position)


def _negative(data: memoryview, position: int, _depth: int, _budget: Budget) -> tuple[Value, int]:
    argument, position = read_argument(data, position)
    return -1 - argument, position


def _bytes(data: memoryview, position: int, _depth: int, _budget: Budget) -> tuple[Value, int]:
    length, position = read_argument(data, position)
    end = position + length
    return data[position:end], end


def _text(data: memoryview, position: int, _depth: int, _budget: Budget) -> tuple[Value, int]:
    length, position = read_argument(data, position)
    if length > MAX_TEXT_BYTES:
        raise refusal(f"a text of {length} bytes is over the limit of {MAX_TEXT_BYTES}")
    end = position + length
    return _decoded(data[position:end]), end


def read_key(data: memoryview, position: int) -> tuple[str, int]:
    """The key of a map, which must be a text, and the position after it."""
    initial = data[position]
    if 0x60 <= initial < 0x78:  # up to 23 bytes: nearly every key, and by far the most frequent item
        end = position + initial - 0x5F
        return _decoded(data[position + 1 : end]), end
    if initial >> 5 != 3:
        raise refusal("a key is not a text")
    return _text(data, position, 0, [])


def _decoded(text: memoryview) -> str:
    try:
        return str(text, "utf-8")
    except UnicodeDecodeError as error:
        raise refusal("a text is not UTF-8") from error


def _array(data: memoryview, position: int, depth: int, budget: Budget) -> tuple[Value, int]:
    count, position = read_argument(data, position)
    claim(budget, count)
    depth = _deeper(depth)
    values = []
    for _ in range(count):
        value, position = READERS[data[position]](data, position, depth, budget)
        values.append(value)
    return values, position


def _map(data: memoryview, position: int, depth: int, budget: Budget) -> tuple[Value, int]:
    count, position = read_argument(data, position)
    claim(budget, 2 * count)
    depth = _deeper(depth)
    values: dict[str, Value] = {}
    for _ in range(count):
        key, position = read_key(data, position)
        values[key], position = READERS[data[position]](data, position, depth, budget)
    if len(values) != count:
        raise refusal("a key occurs twice")
    return values, position


def _tagged(data: memoryview, position: int, depth: int, budget: Budget) -> tuple[Value, int]:
    tag, position = read_argument(data, position)
    value, position = READERS[data[position]](data, position, _deeper(depth), budget)
    if tag in KEPT_TAGS:
        return (tag, value), position
    if tag == SELF_DESCRIBED or (tag == DATE_TEXT and type(value) is str):
        return value, position
    raise refusal(f"the tag {tag} is not of the subset")


def _constant(data: memoryview, position: int, _depth: int, _budget: Budget) -> tuple[Value, int]:
    return _CONSTANTS[data[position] & 31], position + 1


def _float(data: memoryview, position: int, _depth: int, _budget: Budget) -> tuple[Value, int]:
    layout = _FLOATS[data[position] & 31]
    return layout.unpack_from(data, position)[0], position + layout.size


def _unknown(data: memoryview, position: int, _depth: int, _budget: Budget) -> tuple[Value, int]:
    raise refusal(f"an item that begins with {data[position]:#x} is not of the subset")


def claim(budget: Budget, items: int) -> None:
    """Take `items` from the budget before anything is made for them."""
    budget[0] -= items
    if budget[0] < 0:
        raise refusal(f"the message has more than {MAX_ITEMS} items")


def _deeper(depth: int) -> int:
    if depth == 0:
        raise refusal(f"the message is nested deeper than {MAX_DEPTH}")
    return depth - 1


def check_end(data: memoryview, end: int) -> None:
    """What was read ends where the message ends."""
    if end > len(data):
        raise refusal("the message is cut short")
    if end < len(data):
        raise refusal(f"{len(data) - end} bytes follow the message")


def refusal(detail: str) -> WireError:
    """The error for everything that is not of the subset."""
    return WireError(Refusal.HEADER, detail)


def _reader(initial: int) -> Reader:
    kind, info = initial >> 5, initial & 31
    if kind == 7:
        return _constant if info in _CONSTANTS else _float if info in _FLOATS else _unknown
    if info >= 24 and info not in ARGUMENTS:
        return _unknown
    if initial < 24:
        return _small_unsigned
    return (_unsigned, _negative, _bytes, _text, _array, _map, _tagged)[kind]


READERS = tuple(_reader(initial) for initial in range(256))
