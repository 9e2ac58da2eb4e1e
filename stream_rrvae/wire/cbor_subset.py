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

_SELF_DESCRIBED_BYTES = b"\xd9\xd9\xf7"
_ARRAY, _MAP, _TAG = 4, 5, 6
_ARGUMENTS = {24: struct.Struct(">xB"), 25: struct.Struct(">xH"), 26: struct.Struct(">xI"), 27: struct.Struct(">xQ")}
_FLOATS = {25: struct.Struct(">xe"), 26: struct.Struct(">xf"), 27: struct.Struct(">xd")}
_CONSTANTS = {20: False, 21: True, 22: None}
_CUT_SHORT = (IndexError, struct.error)


def parse(data: memoryview) -> Value:
    """The one item in `data`. Raises WireError(HEADER)."""
    try:
        value, end = _READERS[data[0]](data, 0, MAX_DEPTH, [MAX_ITEMS])
    except _CUT_SHORT as error:
        raise _refusal("the message is cut short") from error
    _check_end(data, end)
    return value


def read_map(data: memoryview, needed: frozenset[str], fields: dict[str, Value], others: bool = False) -> None:
    """Fill `fields` from the map that `data` is; what was read stays there when the rest is refused.

    Keys not `needed` are skipped; with `others` those that are of the subset are kept too.
    Raises WireError(HEADER) when a needed value or the structure is not acceptable.
    """
    try:
        end = _read_pairs(data, needed, fields, others)
    except _CUT_SHORT as error:
        raise _refusal("the message is cut short") from error
    _check_end(data, end)


def _read_pairs(data: memoryview, needed: frozenset[str], fields: dict[str, Value], others: bool) -> int:
    position = 3 if data[:3] == _SELF_DESCRIBED_BYTES else 0
    if data[position] >> 5 != _MAP:
        raise _refusal("the message is not a map")
    count, position = _argument(data, position)
    budget = [MAX_ITEMS]
    _claim(budget, 2 * count)
    for _ in range(count):
        key, position = _key(data, position)
        if key in needed:
            if key in fields:
                raise _refusal(f"the key {key!r} occurs twice")
            fields[key], position = _READERS[data[position]](data, position, MAX_DEPTH, budget)
        elif others:
            position = _read_or_skip(data, position, budget, key, fields)
        else:
            position = _skip(data, position, budget)
    return position


def _read_or_skip(data: memoryview, position: int, budget: Budget, key: str, fields: dict[str, Value]) -> int:
    before = budget[0]
    try:
        fields[key], end = _READERS[data[position]](data, position, MAX_DEPTH, budget)
    except WireError:
        budget[0] = before
        return _skip(data, position, budget)
    return end


def _skip(data: memoryview, position: int, budget: Budget) -> int:
    """The position after the item, whatever its tags and values mean."""
    pending, left = 1, budget[0]
    while pending:
        initial = data[position]
        step = _WHOLE_BYTES[initial]
        if step:
            position += step
            pending -= 1
            continue
        children = _SMALL_CHILDREN[initial]
        if children:
            position += 1
        else:
            children, position = _children(data, position)
        left -= children
        pending += children - 1
        if left < 0:
            raise _refusal(f"the message has more than {MAX_ITEMS} items")
    budget[0] = left
    return position


def _children(data: memoryview, position: int) -> tuple[int, int]:
    kind = data[position] >> 5
    argument, position = _argument(data, position)
    if kind < _ARRAY:
        return 0, position + argument
    return (1 if kind == _TAG else argument * (kind - 3)), position


def _argument(data: memoryview, position: int) -> tuple[int, int]:
    info = data[position] & 31
    if info < 24:
        return info, position + 1
    layout = _ARGUMENTS.get(info)
    if layout is None:
        raise _refusal("an item is of indefinite length or malformed")
    return layout.unpack_from(data, position)[0], position + layout.size


def _small_unsigned(data: memoryview, position: int, _depth: int, _budget: Budget) -> tuple[Value, int]:
    return data[position], position + 1


def _unsigned(data: memoryview, position: int, _depth: int, _budget: Budget) -> tuple[Value, int]:
    return _argument(data, position)


def _negative(data: memoryview, position: int, _depth: int, _budget: Budget) -> tuple[Value, int]:
    argument, position = _argument(data, position)
    return -1 - argument, position


def _bytes(data: memoryview, position: int, _depth: int, _budget: Budget) -> tuple[Value, int]:
    length, position = _argument(data, position)
    end = position + length
    return data[position:end], end


def _text(data: memoryview, position: int, _depth: int, _budget: Budget) -> tuple[Value, int]:
    length, position = _argument(data, position)
    if length > MAX_TEXT_BYTES:
        raise _refusal(f"a text of {length} bytes is over the limit of {MAX_TEXT_BYTES}")
    end = position + length
    return _decoded(data[position:end]), end


def _key(data: memoryview, position: int) -> tuple[str, int]:
    initial = data[position]
    if 0x60 <= initial < 0x78:  # up to 23 bytes: nearly every key, and by far the most frequent item
        end = position + initial - 0x5F
        return _decoded(data[position + 1 : end]), end
    if initial >> 5 != 3:
        raise _refusal("a key is not a text")
    return _text(data, position, 0, [])


def _decoded(text: memoryview) -> str:
    try:
        return str(text, "utf-8")
    except UnicodeDecodeError as error:
        raise _refusal("a text is not UTF-8") from error


def _array(data: memoryview, position: int, depth: int, budget: Budget) -> tuple[Value, int]:
    count, position = _argument(data, position)
    _claim(budget, count)
    depth = _deeper(depth)
    values = []
    for _ in range(count):
        value, position = _READERS[data[position]](data, position, depth, budget)
        values.append(value)
    return values, position


def _map(data: memoryview, position: int, depth: int, budget: Budget) -> tuple[Value, int]:
    count, position = _argument(data, position)
    _claim(budget, 2 * count)
    depth = _deeper(depth)
    values: dict[str, Value] = {}
    for _ in range(count):
        key, position = _key(data, position)
        values[key], position = _READERS[data[position]](data, position, depth, budget)
    if len(values) != count:
        raise _refusal("a key occurs twice")
    return values, position


def _tagged(data: memoryview, position: int, depth: int, budget: Budget) -> tuple[Value, int]:
    tag, position = _argument(data, position)
    value, position = _READERS[data[position]](data, position, _deeper(depth), budget)
    if tag in KEPT_TAGS:
        return (tag, value), position
    if tag == SELF_DESCRIBED or (tag == DATE_TEXT and type(value) is str):
        return value, position
    raise _refusal(f"the tag {tag} is not of the subset")


def _constant(data: memoryview, position: int, _depth: int, _budget: Budget) -> tuple[Value, int]:
    return _CONSTANTS[data[position] & 31], position + 1


def _float(data: memoryview, position: int, _depth: int, _budget: Budget) -> tuple[Value, int]:
    layout = _FLOATS[data[position] & 31]
    return layout.unpack_from(data, position)[0], position + layout.size


def _unknown(data: memoryview, position: int, _depth: int, _budget: Budget) -> tuple[Value, int]:
    raise _refusal(f"an item that begins with {data[position]:#x} is not of the subset")


def _claim(budget: Budget, items: int) -> None:
    """Take `items` from the budget before anything is made for them."""
    budget[0] -= items
    if budget[0] < 0:
        raise _refusal(f"the message has more than {MAX_ITEMS} items")


def _deeper(depth: int) -> int:
    if depth == 0:
        raise _refusal(f"the message is nested deeper than {MAX_DEPTH}")
    return depth - 1


def _check_end(data: memoryview, end: int) -> None:
    if end > len(data):
        raise _refusal("the message is cut short")
    if end < len(data):
        raise _refusal(f"{len(data) - end} bytes follow the message")


def _refusal(detail: str) -> WireError:
    return WireError(Refusal.HEADER, detail)


def _reader(initial: int) -> Reader:
    kind, info = initial >> 5, initial & 31
    if kind == 7:
        return _constant if info in _CONSTANTS else _float if info in _FLOATS else _unknown
    if info >= 24 and info not in _ARGUMENTS:
        return _unknown
    if initial < 24:
        return _small_unsigned
    return (_unsigned, _negative, _bytes, _text, _array, _map, _tagged)[kind]


def _whole_bytes(initial: int) -> int:
    """The length of an item that its first byte tells; 0 when it does not."""
    kind, info = initial >> 5, initial & 31
    if kind in (0, 1, 7):
        return 1 if info < 24 else _ARGUMENTS[info].size if info in _ARGUMENTS else 0
    return 1 + info if kind in (2, 3) and info < 24 else 0


def _small_children(initial: int) -> int:
    """The items within an array, map or tag whose first byte tells; 0 when it does not."""
    kind, info = initial >> 5, initial & 31
    return {_ARRAY: info, _MAP: 2 * info, _TAG: 1}.get(kind, 0) if info < 24 else 0


_READERS = tuple(_reader(initial) for initial in range(256))
_SMALL_CHILDREN = tuple(_small_children(initial) for initial in range(256))
_WHOLE_BYTES = tuple(_whole_bytes(initial) for initial in range(256))
