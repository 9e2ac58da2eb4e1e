"""A bounded parser of the CBOR that DECTRIS Stream V2 is made of (RFC 8949, RFC 8746).

Integers, floats, texts, byte strings, arrays and maps of definite length with text keys,
false, true, null, and the tags in TAGS. Everything else is refused. Byte strings come as
slices of the message. Why by hand: ../decisions/001-cbor-subset-by-hand.md.
"""

from __future__ import annotations

import struct
from typing import Any

from stream_rrvae.errors import WireError
from stream_rrvae.messages import Refusal

Value = (
    Any  # None, bool, int, float, str, memoryview, list, dict[str, Value], or (tag, Value) for the tags in KEPT_TAGS
)

DATE_TEXT, MULTI_DIM, SELF_DESCRIBED, DECTRIS_COMPRESSION = 0, 40, 55799, 56500
UINT8, UINT16_LE, UINT32_LE, FLOAT32_LE = 64, 69, 70, 85
KEPT_TAGS = frozenset({MULTI_DIM, UINT8, UINT16_LE, UINT32_LE, FLOAT32_LE, DECTRIS_COMPRESSION})

MAX_DEPTH = 16
MAX_ITEMS = 1 << 16
MAX_TEXT_BYTES = 64 << 10

_SELF_DESCRIBED_BYTES = b"\xd9\xd9\xf7"
_INTEGERS = {24: struct.Struct(">B"), 25: struct.Struct(">H"), 26: struct.Struct(">I"), 27: struct.Struct(">Q")}
_FLOATS = {25: struct.Struct(">e"), 26: struct.Struct(">f"), 27: struct.Struct(">d")}
_CONSTANTS = {20: False, 21: True, 22: None}


def parse(data: memoryview) -> Value:
    """The one item in `data`. Raises WireError(HEADER)."""
    budget = [MAX_ITEMS]
    try:
        value, end = _item(data, 0, MAX_DEPTH, budget)
    except (IndexError, struct.error) as error:
        raise _refusal("the message is cut short") from error
    if end != len(data):
        raise _refusal(f"{len(data) - end} bytes follow the message")
    return value


def read_map(data: memoryview, needed: frozenset[str], fields: dict[str, Value], others: bool = False) -> None:
    """Fill `fields` from the map that `data` is; what was read stays there when the rest is refused.

    Keys not `needed` are skipped; with `others` those that are of the subset are kept too.
    Raises WireError(HEADER) when a needed value or the structure is not acceptable.
    """
    try:
        end = _read_pairs(data, needed, fields, others)
    except (IndexError, struct.error) as error:
        raise _refusal("the message is cut short") from error
    if end != len(data):
        raise _refusal(f"{len(data) - end} bytes follow the message")


def _read_pairs(data: memoryview, needed: frozenset[str], fields: dict[str, Value], others: bool) -> int:
    position = 3 if data[:3] == _SELF_DESCRIBED_BYTES else 0
    initial = data[position]
    if initial >> 5 != 5:
        raise _refusal("the message is not a map")
    count, position = _argument(data, position, initial & 31)
    budget = [MAX_ITEMS]
    _claim(budget, 2 * count, len(data) - position)
    for _ in range(count):
        key, position = _key(data, position)
        if key in fields:
            raise _refusal(f"the key {key[:64]!r} occurs twice")
        if key in needed:
            fields[key], position = _item(data, position, MAX_DEPTH, budget)
        elif others:
            position = _item_or_skip(data, position, budget, key, fields)
        else:
            position = _skip(data, position, budget)
    return position


def _item_or_skip(data: memoryview, position: int, budget: list[int], key: str, fields: dict[str, Value]) -> int:
    before = budget[0]
    try:
        fields[key], end = _item(data, position, MAX_DEPTH, budget)
    except WireError:
        budget[0] = before
        return _skip(data, position, budget)
    return end


def _item(data: memoryview, position: int, depth: int, budget: list[int]) -> tuple[Value, int]:
    initial = data[position]
    kind, info = initial >> 5, initial & 31
    if kind == 7:
        return _simple(data, position, info)
    if info < 24:
        argument, position = info, position + 1
    else:
        argument, position = _argument(data, position, info)
    if kind == 0:
        return argument, position
    if kind == 1:
        return -1 - argument, position
    if kind == 2:
        end = position + argument
        _check_end(data, end)
        return data[position:end], end
    if kind == 3:
        return _text(data, position, argument)
    if depth == 0:
        raise _refusal(f"the message is nested deeper than {MAX_DEPTH}")
    return _NESTED[kind](data, position, argument, depth - 1, budget)


def _argument(data: memoryview, position: int, info: int) -> tuple[int, int]:
    if info < 24:
        return info, position + 1
    layout = _INTEGERS.get(info)
    if layout is None:
        raise _refusal("an item is of indefinite length or malformed")
    argument: int = layout.unpack_from(data, position + 1)[0]
    return argument, position + 1 + layout.size


def _simple(data: memoryview, position: int, info: int) -> tuple[Value, int]:
    if info in _CONSTANTS:
        return _CONSTANTS[info], position + 1
    layout = _FLOATS.get(info)
    if layout is None:
        raise _refusal(f"the simple value {info} is not of the subset")
    return layout.unpack_from(data, position + 1)[0], position + 1 + layout.size


def _text(data: memoryview, position: int, length: int) -> tuple[str, int]:
    end = position + length
    _check_end(data, end)
    if length > MAX_TEXT_BYTES:
        raise _refusal(f"a text of {length} bytes is over the limit of {MAX_TEXT_BYTES}")
    try:
        return str(data[position:end], "utf-8"), end
    except UnicodeDecodeError as error:
        raise _refusal("a text is not UTF-8") from error


def _key(data: memoryview, position: int) -> tuple[str, int]:
    initial = data[position]
    if initial >> 5 != 3:
        raise _refusal("a key is not a text")
    length, position = _argument(data, position, initial & 31)
    return _text(data, position, length)


def _array(data: memoryview, position: int, count: int, depth: int, budget: list[int]) -> tuple[Value, int]:
    _claim(budget, count, len(data) - position)
    values = []
    for _ in range(count):
        value, position = _item(data, position, depth, budget)
        values.append(value)
    return values, position


def _map(data: memoryview, position: int, count: int, depth: int, budget: list[int]) -> tuple[Value, int]:
    _claim(budget, 2 * count, len(data) - position)
    values: dict[str, Value] = {}
    for _ in range(count):
        key, position = _key(data, position)
        values[key], position = _item(data, position, depth, budget)
    if len(values) != count:
        raise _refusal("a key occurs twice")
    return values, position


def _tagged(data: memoryview, position: int, tag: int, depth: int, budget: list[int]) -> tuple[Value, int]:
    value, position = _item(data, position, depth, budget)
    if tag in KEPT_TAGS:
        return (tag, value), position
    if tag == SELF_DESCRIBED or (tag == DATE_TEXT and type(value) is str):
        return value, position
    raise _refusal(f"the tag {tag} is not of the subset")


_NESTED = {4: _array, 5: _map, 6: _tagged}


def _skip(data: memoryview, position: int, budget: list[int]) -> int:
    """The position after the item, whatever its tags and values mean."""
    pending = 1
    while pending:
        initial = data[position]
        kind = initial >> 5
        argument, position = _argument(data, position, initial & 31)
        pending -= 1
        if kind in (2, 3):
            position += argument
        elif kind == 6:
            pending += 1
            _claim(budget, 1, len(data) - position)
        elif kind in (4, 5):
            children = argument * (kind - 3)
            _claim(budget, children, len(data) - position)
            pending += children
        _check_end(data, position)
    return position


def _claim(budget: list[int], items: int, bytes_left: int) -> None:
    """Take `items` from the budget before anything is made for them; each needs a byte at least."""
    if items > bytes_left:
        raise _refusal("the message is cut short")
    budget[0] -= items
    if budget[0] < 0:
        raise _refusal(f"the message has more than {MAX_ITEMS} items")


def _check_end(data: memoryview, end: int) -> None:
    if end > len(data):
        raise _refusal("the message is cut short")


def _refusal(detail: str) -> WireError:
    return WireError(Refusal.HEADER, detail)
