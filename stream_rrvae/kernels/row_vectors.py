"""Eight rows of pixels at once, in vectors of 64 pixels under masks of 64 bits.

What compilers make of the same loops is several times slower: they cannot know that sums of eight small pixels fit 16
bits, nor that a bit mask is a vector's mask. LLVM breaks the vectors up where the processor's are shorter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.core import cgutils

from stream_rrvae.kernels.memory import ADDRESS, BYTE, WORD, instruction, load_at, store_at

ROWS, LANES = 8, 64
BANDS_AHEAD, CACHE_LINE = 2, 64
SMALL = 65_535 // 28  # 28 = 0 + 1 + ... + 7: up to here weighted sums of eight pixels fit 16 bits
USABLE_MASK, BRIGHT_MASK, DARK_MASK = range(3)
N_MASKS = 3
# Fields of the description of a band, int64 each: addresses and numbers in, sums out.
PIXELS, ROW_BYTES, LAST_START, BLOCKS, MASKS, LINE, TOTAL, WEIGHTED, BRIGHT, DARK, TOP = range(11)
N_FIELDS = 11

NARROW, LONG = ir.VectorType(ir.IntType(16), LANES), ir.VectorType(ir.IntType(32), LANES)
BITS = ir.VectorType(ir.IntType(1), LANES)
INT = ir.IntType(32)


class _Sums:
    """Vectors of LANES sums that a loop over blocks goes on with."""

    def __init__(self, builder: Any, names: tuple[int, ...]) -> None:
        self._builder = builder
        self._places = {name: cast(Any, cgutils).alloca_once(builder, LONG) for name in names}
        for place in self._places.values():
            builder.store(ir.Constant(LONG, None), place)

    def update(self, name: int, change: Callable[[Any], Any]) -> None:
        place = self._places[name]
        self._builder.store(change(self._builder.load(place)), place)

    def value(self, name: int) -> Any:
        return self._builder.load(self._places[name])


def _summing(item_bytes: int, detectors: bool) -> Callable[[int], None]:
    """A function of the address of a band's description; `detectors` = bright and dark too."""
    pixel = ir.VectorType(ir.IntType(8 * item_bytes), LANES)

    def build(builder: Any, description: Any) -> None:
        def field(name: int) -> Any:
            return load_at(builder, builder.add(description, _number(8 * name)), WORD)

        given = {name: field(name) for name in (PIXELS, ROW_BYTES, LAST_START, BLOCKS, MASKS, LINE)}
        _fetch_ahead(builder, given)
        sums = _Sums(builder, (TOTAL, WEIGHTED, BRIGHT, DARK, TOP))
        with cgutils.for_range(builder, given[BLOCKS]) as loop:
            _add_block(builder, given, loop.index, pixel, sums, detectors)
        for name in (TOTAL, WEIGHTED, BRIGHT, DARK, TOP):
            whole = _folded(builder, sums.value(name), largest=name == TOP)
            store_at(builder, builder.zext(whole, WORD), builder.add(description, _number(8 * name)))

    return instruction(types.none, (ADDRESS,), build)


def _fetch_ahead(builder: Any, given: dict[int, Any]) -> None:
    """Ask for the band after the next: going down columns, the processor does not foresee what comes."""
    band_bytes = builder.mul(given[ROW_BYTES], _number(ROWS))
    begin = builder.add(given[PIXELS], builder.mul(band_bytes, _number(BANDS_AHEAD)))
    kind = ir.FunctionType(ir.VoidType(), [BYTE.as_pointer(), INT, INT, INT])
    fetch = cast(Any, cgutils).get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    for_reading, keep_near, data = (ir.Constant(INT, value) for value in (0, 3, 1))
    with cgutils.for_range(builder, builder.udiv(band_bytes, _number(CACHE_LINE))) as loop:
        at = builder.add(begin, builder.mul(loop.index, _number(CACHE_LINE)))
        builder.call(fetch, [builder.inttoptr(at, BYTE.as_pointer()), for_reading, keep_near, data])


def _add_block(builder: Any, given: dict[int, Any], block: Any, pixel: Any, sums: _Sums, detectors: bool) -> None:
    """64 columns of eight rows: the last of them begin so that they end with the row."""
    wanted = builder.mul(block, _number(LANES))
    start = builder.select(builder.icmp_signed("<", wanted, given[LAST_START]), wanted, given[LAST_START])
    at = builder.add(given[PIXELS], builder.mul(start, _number(pixel.element.width // 8)))
    mask_bytes = builder.mul(given[BLOCKS], _number(8))
    total = weighted = top = bright = dark = ir.Constant(NARROW, None)
    for row in reversed(range(ROWS)):
        place = builder.add(at, builder.mul(given[ROW_BYTES], _number(row)))

        def mask(which: int, row: int = row) -> Any:
            skipped = builder.mul(mask_bytes, _number(row * N_MASKS + which))
            word = load_at(builder, _sum(builder, given[MASKS], skipped, builder.mul(block, _number(8))), WORD)
            return builder.bitcast(word, BITS)

        loaded = builder.select(mask(USABLE_MASK), load_at(builder, place, pixel), ir.Constant(pixel, None))
        value = loaded if pixel.element.width == NARROW.element.width else builder.zext(loaded, NARROW)
        top = builder.select(builder.icmp_unsigned(">", value, top), value, top)
        total = builder.add(total, value)
        weighted = builder.add(weighted, total) if row else weighted
        if detectors:
            bright = builder.select(mask(BRIGHT_MASK), builder.add(bright, value), bright)
            dark = builder.select(mask(DARK_MASK), builder.add(dark, value), dark)
    store_at(builder, total, builder.add(given[LINE], builder.mul(block, _number(2 * LANES))))
    for name, vector in ((TOTAL, total), (WEIGHTED, weighted), (BRIGHT, bright), (DARK, dark)):
        sums.update(name, lambda so_far, v=vector: builder.add(so_far, builder.zext(v, LONG)))  # type: ignore[misc]
    wide = builder.zext(top, LONG)
    sums.update(TOP, lambda so_far: builder.select(builder.icmp_unsigned(">", wide, so_far), wide, so_far))


def _folded(builder: Any, vector: Any, largest: bool) -> Any:
    """The sum of all lanes, or the largest, by halves."""
    half = LANES // 2
    while half:
        low, high = (
            builder.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), _indices(range(begin, begin + half)))
            for begin in (0, half)
        )
        vector = builder.select(builder.icmp_unsigned(">", low, high), low, high) if largest else builder.add(low, high)
        half //= 2
    return builder.extract_element(vector, ir.Constant(INT, 0))


def _indices(which: range) -> Any:
    return ir.Constant(ir.VectorType(INT, len(which)), list(which))


def _number(value: int) -> Any:
    return ir.Constant(WORD, value)


def _sum(builder: Any, *values: Any) -> Any:
    total = values[0]
    for value in values[1:]:
        total = builder.add(total, value)
    return total


def _keeping(item_bytes: int) -> Callable[[int, int, int], None]:
    """A function (pixels' address, mask, to) that writes the lowest byte of 64 pixels, 0 outside the mask."""
    pixel, low = ir.VectorType(ir.IntType(8 * item_bytes), LANES), ir.VectorType(BYTE, LANES)

    def build(builder: Any, at: Any, mask: Any, to: Any) -> None:
        value = load_at(builder, at, pixel)
        value = value if item_bytes == 1 else builder.trunc(value, low)
        store_at(builder, builder.select(builder.bitcast(mask, BITS), value, ir.Constant(low, None)), to)

    return instruction(types.none, (ADDRESS, types.uint64, ADDRESS), build)


sum_rows_1, sum_rows_2 = _summing(1, True), _summing(2, True)
sum_rows_lean_1, sum_rows_lean_2 = _summing(1, False), _summing(2, False)
keep_low_1, keep_low_2 = _keeping(1), _keeping(2)
