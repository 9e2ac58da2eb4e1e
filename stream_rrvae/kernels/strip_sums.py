"""Sums over a strip of rows in vectors of 64 bytes, under masks of 64 bits: one pass, folded once a strip.

Each vector of pixels costs a masked load and five instructions: largest, sum and moment along x by the processor's dot
products (with 1 and with the lanes' numbers), and the sums of the sums so far, which weigh rows by how early they come.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

from llvmlite import ir
from numba import types
from numba.core import cgutils

from stream_rrvae.kernels.byte_products import SUMS, add_products, summed
from stream_rrvae.kernels.fetch import fetch_at
from stream_rrvae.kernels.memory import ADDRESS, WORD, instruction, load_at, store_at

LANES, VECTOR_BYTES = 64, 64  # columns of a block; a vector has all of them or half
ROWS_AT_ONCE = 4
STRIP_ROWS = 256  # sums of the sums of so many rows of 16-bit pixels up to LARGEST fit 32 bits without sign
LARGEST = 32_767  # dot products take 16-bit numbers for signed
BYTES_AHEAD = 4096  # as far as fetching ahead helps; the next rows of the same columns come before it
USABLE_MASK, BRIGHT_MASK, DARK_MASK = range(3)
N_MASKS = 3
# Fields of the description of a strip, int64 each: addresses and numbers in, sums out.
PIXELS, ROW_BYTES, LAST_START, BLOCKS, MASKS, WHOLE, ROWS, ROOM, TOTAL, EARLY, ALONG, BRIGHT, DARK, TOP = range(14)
N_FIELDS = 14
SUMMED = (TOTAL, EARLY, ALONG, BRIGHT, DARK)
ROOM_BYTES = len(SUMMED) * VECTOR_BYTES  # for each vector

LONG = ir.VectorType(WORD, SUMS.count)
INT = ir.IntType(32)
Fields = dict[int, Any]


class _Kind(NamedTuple):
    """What to sum."""

    item_bytes: int
    detectors: bool
    masked: bool = True  # whether there are pixels that do not count

    @property
    def pixels(self) -> Any:
        return ir.VectorType(ir.IntType(8 * self.item_bytes), VECTOR_BYTES // self.item_bytes)

    @property
    def summed(self) -> tuple[int, ...]:
        return SUMMED if self.detectors else SUMMED[:3]


def _summing(item_bytes: int, detectors: bool) -> Callable[[int], None]:
    """A function of the address of a strip's description; `detectors` = bright and dark too."""
    kind = _Kind(item_bytes, detectors)

    def build(builder: Any, description: Any) -> None:
        given = {
            name: load_at(builder, _plus(builder, description, 8 * name), WORD)
            for name in (PIXELS, ROW_BYTES, LAST_START, BLOCKS, MASKS, WHOLE, ROWS, ROOM)
        }
        top = _variable(builder, kind.pixels)
        vectors = builder.mul(given[BLOCKS], _number(item_bytes))
        with cgutils.for_range(builder, vectors) as loop:
            for name in kind.summed:
                store_at(builder, ir.Constant(SUMS, None), _room(builder, given, loop.index, name))
        whole = builder.udiv(given[ROWS], _number(ROWS_AT_ONCE))
        with cgutils.for_range(builder, whole) as loop:
            _add_any_rows(builder, given, builder.mul(loop.index, _number(ROWS_AT_ONCE)), ROWS_AT_ONCE, kind, top)
        first = builder.mul(whole, _number(ROWS_AT_ONCE))
        with cgutils.for_range(builder, builder.sub(given[ROWS], first)) as loop:
            _add_any_rows(builder, given, builder.add(first, loop.index), 1, kind, top)
        for name, value in _folded(builder, given, vectors, kind).items():
            store_at(builder, value, _plus(builder, description, 8 * name))
        largest = builder.zext(_largest(builder, builder.load(top)), WORD)
        store_at(builder, largest, _plus(builder, description, 8 * TOP))

    return instruction(types.none, (ADDRESS,), build)


def _add_any_rows(builder: Any, given: Fields, y: Any, rows: int, kind: _Kind, top: Any) -> None:
    """Add some rows from `y` on; where every pixel of them counts, no masks are looked at for that."""
    flags = ir.IntType(8 * rows)
    whole = load_at(builder, builder.add(given[WHOLE], y), flags)
    every = ir.Constant(flags, int.from_bytes(b"\1" * rows, "little"))
    with builder.if_else(builder.icmp_unsigned("==", whole, every)) as (unmasked, masked):
        with unmasked:
            _add_rows(builder, given, y, rows, kind._replace(masked=False), top)
        with masked:
            _add_rows(builder, given, y, rows, kind, top)


def _add_rows(builder: Any, given: Fields, y: Any, rows: int, kind: _Kind, top: Any) -> None:
    """Add some rows from `y` on: blocks of 64 columns, the last of which begins so that it ends with the row."""
    at = builder.add(given[PIXELS], builder.mul(y, given[ROW_BYTES]))
    mask_bytes = builder.mul(given[BLOCKS], _number(8))
    masks = builder.add(given[MASKS], builder.mul(builder.mul(y, mask_bytes), _number(N_MASKS)))
    with cgutils.for_range(builder, given[BLOCKS]) as loop:
        begin = builder.add(at, builder.mul(_start(builder, given, loop.index), _number(kind.item_bytes)))
        for part in range(kind.item_bytes):
            vector = _plus(builder, builder.mul(loop.index, _number(kind.item_bytes)), part)
            mask = _plus(
                builder, builder.add(masks, builder.mul(loop.index, _number(8))), part * kind.pixels.count // 8
            )
            _add_vectors(
                builder, given, (_plus(builder, begin, VECTOR_BYTES * part), mask, mask_bytes), vector, rows, kind, top
            )


def _add_vectors(
    builder: Any, given: Fields, at: tuple[Any, Any, Any], vector: Any, rows: int, kind: _Kind, top: Any
) -> None:
    """Add the vector number `vector` of some rows; `at`: addresses of pixels and masks, bytes of a row of masks."""
    pixels, masks, mask_bytes = at
    sums = {name: load_at(builder, _room(builder, given, vector, name), SUMS) for name in kind.summed}
    lanes = ir.Constant(kind.pixels, list(range(kind.pixels.count)))
    ones, zeros = ir.Constant(kind.pixels, [1] * kind.pixels.count), ir.Constant(kind.pixels, None)
    for row in range(rows):
        place = builder.add(pixels, builder.mul(given[ROW_BYTES], _number(row)))

        def mask(which: int, row: int = row) -> Any:
            address = builder.add(masks, builder.mul(mask_bytes, _number(row * N_MASKS + which)))
            bits = load_at(builder, address, ir.IntType(kind.pixels.count))
            return builder.bitcast(bits, ir.VectorType(ir.IntType(1), kind.pixels.count))

        fetch_at(builder, _plus(builder, place, BYTES_AHEAD))
        value = load_at(builder, place, kind.pixels)
        value = builder.select(mask(USABLE_MASK), value, zeros) if kind.masked else value
        so_far = builder.load(top)
        builder.store(builder.select(builder.icmp_unsigned(">", value, so_far), value, so_far), top)
        sums[TOTAL] = add_products(builder, sums[TOTAL], value, ones)
        sums[EARLY] = builder.add(sums[EARLY], sums[TOTAL])
        sums[ALONG] = add_products(builder, sums[ALONG], value, lanes)
        if kind.detectors:
            for name, which in ((BRIGHT, BRIGHT_MASK), (DARK, DARK_MASK)):
                sums[name] = add_products(builder, sums[name], builder.select(mask(which), value, zeros), ones)
    for name, value in sums.items():
        store_at(builder, value, _room(builder, given, vector, name))


def _folded(builder: Any, given: Fields, vectors: Any, kind: _Kind) -> dict[int, Any]:
    """The sums over all vectors, each of which begins at a column of its own."""
    wide = {name: _variable(builder, LONG) for name in kind.summed}
    with cgutils.for_range(builder, vectors) as loop:
        block, part = (divide(loop.index, _number(kind.item_bytes)) for divide in (builder.udiv, builder.urem))
        column = builder.add(_start(builder, given, block), builder.mul(part, _number(kind.pixels.count)))
        lanes = {
            name: builder.zext(load_at(builder, _room(builder, given, loop.index, name), SUMS), LONG)
            for name in kind.summed
        }
        lanes[ALONG] = builder.add(lanes[ALONG], builder.mul(lanes[TOTAL], _everywhere(builder, column)))
        for name, value in lanes.items():
            builder.store(builder.add(builder.load(wide[name]), value), wide[name])
    return {name: summed(builder, builder.load(place)) for name, place in wide.items()}


def _start(builder: Any, given: Fields, block: Any) -> Any:
    """First column of a block."""
    wanted = builder.mul(block, _number(LANES))
    return builder.select(builder.icmp_signed("<", wanted, given[LAST_START]), wanted, given[LAST_START])


def _room(builder: Any, given: Fields, vector: Any, name: int) -> Any:
    begin = builder.add(given[ROOM], builder.mul(vector, _number(ROOM_BYTES)))
    return _plus(builder, begin, VECTOR_BYTES * SUMMED.index(name))


def _largest(builder: Any, vector: Any) -> Any:
    """The largest of all lanes, by halves."""
    half = vector.type.count // 2
    while half:
        low, high = (
            builder.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), _indices(range(begin, begin + half)))
            for begin in (0, half)
        )
        vector = builder.select(builder.icmp_unsigned(">", low, high), low, high)
        half //= 2
    return builder.extract_element(vector, ir.Constant(INT, 0))


def _everywhere(builder: Any, value: Any) -> Any:
    first = builder.insert_element(ir.Constant(LONG, ir.Undefined), value, ir.Constant(INT, 0))
    return builder.shuffle_vector(first, ir.Constant(LONG, ir.Undefined), _indices([0] * LONG.count))


def _indices(which: Any) -> Any:
    return ir.Constant(ir.VectorType(INT, len(which)), list(which))


def _variable(builder: Any, kind: Any) -> Any:
    place = cast(Any, cgutils).alloca_once(builder, kind)
    builder.store(ir.Constant(kind, None), place)
    return place


def _number(value: int) -> Any:
    return ir.Constant(WORD, value)


def _plus(builder: Any, value: Any, more: int) -> Any:
    return builder.add(value, _number(more))


sum_strip_1, sum_strip_2 = _summing(1, True), _summing(2, True)
sum_strip_lean_1, sum_strip_lean_2 = _summing(1, False), _summing(2, False)
