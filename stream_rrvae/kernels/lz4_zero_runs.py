"""LZ4 blocks with long runs of zeros, which are told of instead of written.

Bit planes of frames with few counts are mostly zeros: a decoder that leaves them out writes little, and whoever reads
what it wrote knows where to look. Accepts what `lz4_block.decode_block` accepts.
"""

from __future__ import annotations

from stream_rrvae.kernels.compiled import compiled
from stream_rrvae.kernels.lz4_block import (
    LAST_LITERALS,
    LAST_MATCH,
    LONG,
    MARGIN,
    MIN_MATCH,
    copy_exactly,
    copy_literals,
    long_length,
    repeat,
)
from stream_rrvae.kernels.memory import (
    clear_32,
    copy_16,
    leading_zeros,
    load_byte,
    load_half,
    load_int,
    load_word,
    store_int,
)

ZERO_RUN = 64  # bytes; shorter runs are written
DAMAGED = -1


def most_runs(size: int) -> int:
    """How many zero runs a block of `size` bytes can have."""
    return size // ZERO_RUN + 1


@compiled
def decode_sparse(source: int, length: int, target: int, size: int, runs: int) -> int:
    """Decode as `decode_block` does; gives the number of zero runs left out, or DAMAGED.

    Their begins and ends go to `runs`, int64 [most_runs(size), 2]. The target and MARGIN bytes before and behind it
    must be zero: see `clear_sparse`.
    """
    at, end = source, source + length
    out, out_end = target, target + size
    zeros_before = target - MARGIN
    found = 0
    while at < end:
        token = load_byte(at)
        at += 1
        run = token >> 4
        if run < LONG and at <= end - 17 and out <= out_end - 32:
            copy_16(out, at)
        else:
            if run == LONG:
                run, at = long_length(LONG, at, end - LONG) if at < end - LONG else (-1, at)
                if run < 0:
                    return DAMAGED
            if out + run > out_end - LAST_MATCH or at + run > end - 8:
                if at + run == end and out + run == out_end and copy_exactly(out, at, run):
                    return found
                return DAMAGED
            copy_literals(out, at, run, end)
        at += run
        out += run
        offset = load_half(at)
        at += 2
        count = token & LONG
        if count == LONG:
            if at > end - 5:
                return DAMAGED
            more = load_byte(at)
            at += 1
            count += more
            if more == 255:
                count, at = long_length(count, at, end - 4)
                if count < 0:
                    return DAMAGED
        count += MIN_MATCH
        if out - offset < target or out + count > out_end - LAST_LITERALS:
            return DAMAGED
        of_zeros = offset <= leading_zeros(load_word(out - 8)) >> 3
        if offset < 16 and not of_zeros:
            repeat(out, offset, count)
        else:
            # Without a branch on `of_zeros`: it could not be foreseen, and most matches are short.
            begin = zeros_before if of_zeros else out - offset
            copy_16(out, begin)
            copy_16(out + 16, begin + 16)
            if count > 32:
                if not of_zeros:
                    _copy_on(out, offset, count)
                elif count < ZERO_RUN:
                    clear_32(out + 32)
                else:
                    store_int(runs + 16 * found, out - target)
                    store_int(runs + 16 * found + 8, out + count - target)
                    found += 1
        out += count
    return DAMAGED


@compiled
def _copy_on(out: int, offset: int, count: int) -> None:
    for done in range(32, count, 16):
        copy_16(out + done, out + done - offset)


@compiled
def clear_sparse(target: int, size: int, runs: int, found: int) -> None:
    """Make the target zero again, after a block with `found` runs."""
    begin = 0
    for i in range(found):
        clear(target + begin, load_int(runs + 16 * i) - begin)
        begin = load_int(runs + 16 * i + 8)
    clear(target + begin, size - begin)


@compiled
def clear(to: int, count: int) -> None:
    """Zeros from `to` on, up to 63 more than `count`."""
    for done in range(0, count + 32, 32):
        clear_32(to + done)
