"""A CBOR message, which is a map: the wanted keys are read, the others skipped by their structure alone."""

from __future__ import annotations

from stream_rrvae.errors import WireError
from stream_rrvae.wire.cbor_subset import (
    ARGUMENTS,
    CUT_SHORT,
    MAX_DEPTH,
    MAX_ITEMS,
    READERS,
    Budget,
    Value,
    check_end,
    claim,
    read_argument,
    read_key,
    refusal,
)

_SELF_DESCRIBED_BYTES = b"\xd9\xd9\xf7"
_ARRAY, _MAP, _TAG = 4, 5, 6


def read_map(data: memoryview, needed: frozenset[str], fields: dict[str, Value], others: bool = False) -> None:
    """Fill `fields` from the map that `data` is; what was read stays there when the rest is refused.

    Keys not `needed` are skipped; with `others` those that are of the subset are kept too.
    Raises WireError(HEADER) when a needed value or the structure is not acceptable.
    """
    try:
        end = _read_pairs(data, needed, fields, others)
    except CUT_SHORT as error:
        raise refusal("the message is cut short") from error
    check_end(data, end)


def _read_pairs(data: memoryview, needed: frozenset[str], fields: dict[str, Value], others: bool) -> int:
    position = 3 if data[:3] == _SELF_DESCRIBED_BYTES else 0
    if data[position] >> 5 != _MAP:
        raise refusal("the message is not a map")
    count, position = read_argument(data, position)
    budget = [MAX_ITEMS]
    claim(budget, 2 * count)
    for _ in range(count):
        key, position = read_key(data, position)
        if key in needed:
            if key in fields:
                raise refusal(f"the key {key!r} occurs twice")
            fields[key], position = READERS[data[position]](data, position, MAX_DEPTH, budget)
        elif others:
            position = _read_or_skip(data, position, budget, key, fields)
        else:
            position = _skip(data, position, budget)
    return position


def _read_or_skip(data: memoryview, position: int, budget: Budget, key: str, fields: dict[str, Value]) -> int:
    before = budget[0]
    try:
        fields[key], end = READERS[data[position]](data, position, MAX_DEPTH, budget)
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
            raise refusal(f"the message has more than {MAX_ITEMS} items")
    budget[0] = left
    return position


def _children(data: memoryview, position: int) -> tuple[int, int]:
    kind = data[position] >> 5
    argument, position = read_argument(data, position)
    if kind < _ARRAY:
        return 0, position + argument
    return (1 if kind == _TAG else argument * (kind - 3)), position


def _whole_bytes(initial: int) -> int:
    """The length of an item that its first byte tells; 0 when it does not."""
    kind, info = initial >> 5, initial & 31
    if kind in (0, 1, 7):
        return 1 if info < 24 else ARGUMENTS[info].size if info in ARGUMENTS else 0
    return 1 + info if kind in (2, 3) and info < 24 else 0


def _small_children(initial: int) -> int:
    """The items within an array, map or tag whose first byte tells; 0 when it does not."""
    kind, info = initial >> 5, initial & 31
    return {_ARRAY: info, _MAP: 2 * info, _TAG: 1}.get(kind, 0) if info < 24 else 0


_SMALL_CHILDREN = tuple(_small_children(initial) for initial in range(256))
_WHOLE_BYTES = tuple(_whole_bytes(initial) for initial in range(256))
