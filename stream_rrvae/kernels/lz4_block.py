"""The LZ4 block format, decoded by compiled code that believes nothing of what it reads.

Accepts exactly what LZ4's own decoder accepts (lz4_Block_format.md and the end conditions of LZ4_decompress_safe,
1.9.4), so that a frame is good or damaged whichever of the two reads it. An offset of 0, which no encoder writes,
repeats zeros, as it does there. All is at addresses; the target must have MARGIN bytes of room behind it.
"""

from __future__ import annotations

from stream_rrvae.kernels.compiled import compiled
from stream_rrvae.kernels.memory import clear_32, copy_1, copy_8, copy_16, copy_32, load_byte, load_half

MARGIN = 64  # what copies in whole vectors may write behind the target
LONG = 15  # in four bits: the length goes on in bytes of their own
MIN_MATCH = 4
LAST_LITERALS = 5  # an encoder ends with so many literals, and begins no match nearer to the end than 12
LAST_MATCH = 12


@compiled
def decode_block(source: int, length: int, target: int, size: int) -> bool:
    """Whether the `length` bytes at `source` are a block that decodes to exactly `size` bytes, now at `target`."""
    at, end = source, source + length
    out, out_end = target, target + size
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
                    return False
            if out + run > out_end - LAST_MATCH or at + run > end - 8:
                return at + run == end and out + run == out_end and copy_exactly(out, at, run)
            copy_literals(out, at, run, end)
        at += run
        out += run
        offset = load_half(at)
        at += 2
        count = token & LONG
        if count == LONG:
            count, at = long_length(LONG, at, end - 4)
            if count < 0:
                return False
        count += MIN_MATCH
        if out - offset < target or out + count > out_end - LAST_LITERALS:
            return False
        _copy_match(out, offset, count)
        out += count
    return False


@compiled
def long_length(start: int, at: int, last: int) -> tuple[int, int]:
    """A length that goes on in bytes, and where they end; -1 when they go beyond `last`."""
    count = start
    while True:
        more = load_byte(at)
        at += 1
        count += more
        if at > last:
            return -1, at
        if more != 255:
            return count, at


@compiled
def copy_exactly(to: int, source: int, count: int) -> bool:
    """Copy byte by byte; gives True, to end with."""
    for i in range(count):
        copy_1(to + i, source + i)
    return True


@compiled
def copy_literals(to: int, source: int, count: int, end: int) -> None:
    """Copy by vectors while they do not read beyond `end`; at least 8 bytes come behind the literals."""
    done = 0
    while done < count and source + done + 32 <= end:
        copy_32(to + done, source + done)
        done += 32
    while done < count:
        copy_8(to + done, source + done)
        done += 8


@compiled
def _copy_match(to: int, offset: int, count: int) -> None:
    """Repeat the last `offset` bytes written."""
    if offset >= 32:
        for done in range(0, count, 32):
            copy_32(to + done, to + done - offset)
    elif offset >= 8:
        for done in range(0, count, 8):
            copy_8(to + done, to + done - offset)
    else:
        repeat(to, offset, count)


@compiled
def repeat(to: int, offset: int, count: int) -> None:
    """Repeat the last few bytes: one by one until whole words of repeats lie behind, then by words."""
    if offset == 0:
        for done in range(0, count, 32):
            clear_32(to + done)
        return
    period = offset
    while period < 8:
        period += offset
    for i in range(min(count, period)):
        copy_1(to + i, to + i - offset)
    for done in range(period, count, 8):
        copy_8(to + done, to + done - period)
