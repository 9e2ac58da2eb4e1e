"""Exact sums of one frame of whole-number pixels: in vectors (`strip_sums`) where nothing speaks against it.

Frames narrower than a vector, with pixels without data or with 32-bit pixels go by bands of eight rows, whose sums down
the columns and their suffix sums (rows 1..7, 2..7, ...) give total and first moment without a multiplication, and fit
16 bits while no pixel is above SMALL.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import carray  # type: ignore[attr-defined]
from numpy.typing import NDArray

from stream_rrvae.kernels.compiled import compiled, inlined
from stream_rrvae.kernels.exact_sums import (
    BRIGHT_FIELD,
    DARK_FIELD,
    HIGH_BITS,
    HIGH_X,
    HIGH_Y,
    MOMENT_X,
    MOMENT_Y,
    N_SUMS,
    TOP,
    TOTAL,
    WITHOUT_DATA,
)
from stream_rrvae.kernels.layout import BASIS, USABLE, Layout
from stream_rrvae.kernels.memory import pointer_at
from stream_rrvae.kernels.strip_sums import (
    ALONG,
    BLOCKS,
    BRIGHT,
    DARK,
    EARLY,
    LANES,
    LARGEST,
    LAST_START,
    MASKS,
    N_FIELDS,
    N_MASKS,
    PIXELS,
    ROOM,
    ROOM_BYTES,
    ROW_BYTES,
    STRIP_ROWS,
    VECTOR_BYTES,
    WHOLE,
    sum_strip_1,
    sum_strip_2,
    sum_strip_lean_1,
    sum_strip_lean_2,
)
from stream_rrvae.kernels.strip_sums import ROWS as ROWS_FIELD
from stream_rrvae.kernels.strip_sums import TOP as TOP_FIELD
from stream_rrvae.kernels.strip_sums import TOTAL as TOTAL_FIELD

ROWS = 8
SMALL = 65_535 // 28  # 28 = 0 + 1 + ... + 7: up to here weighted sums of eight pixels fit 16 bits
Scalar = Any  # of the pixel type or of the accumulator
LOW_32 = 0xFFFFFFFF


class SumBuffers(NamedTuple):
    """Room for the sums of one frame."""

    narrow: NDArray[np.uint16]  # [2, kx + bin_px]
    wide: NDArray[Any]  # [2, kx + bin_px] of the accumulators' type
    column: NDArray[Any]  # [kx] of the accumulators' type
    lanes: NDArray[np.uint8]  # strip_sums.ROOM_BYTES for each vector of a row, and one more
    strip: NDArray[np.int64]  # strip_sums.N_FIELDS
    sums: NDArray[np.int64]  # exact_sums.N_SUMS
    missing: NDArray[np.int64]  # [n_bins] pixels of the basis without data


@compiled
def make_sum_buffers(layout: Layout, zero: Scalar) -> SumBuffers:
    """Buffers for frames of `layout`; `zero` has the accumulators' type."""
    n_bins, width = layout.weights.shape[1], layout.zones.shape[1]
    length = width + layout.bin_px
    wide, column = np.full((2, length), zero), np.full(width, zero)
    vectors = layout.row_masks.shape[2] * column.itemsize  # accumulators are no narrower than pixels
    return SumBuffers(
        np.zeros((2, length), np.uint16),
        wide,
        column,
        np.zeros((vectors + 1) * ROOM_BYTES, np.uint8),
        np.zeros(N_FIELDS, np.int64),
        np.zeros(N_SUMS, np.int64),
        np.zeros(n_bins, np.int64),
    )


@inlined
def sum_frame(frame: NDArray[Any], clean: NDArray[Any], high: Scalar, layout: Layout, buffers: SumBuffers) -> bool:
    """Sum the usable pixels of `frame` up to `high` into `buffers`.

    `clean` [ky, kx] becomes the frame with zeros for all others when some of them had to be looked for one by one:
    tells whether it did.
    """
    if frame.itemsize <= 2 and frame.shape[1] >= LANES and _sum_vectors(frame, clean, high, layout, buffers):
        return False
    _sum_rows(frame, clean, high, layout, buffers)
    if buffers.sums[WITHOUT_DATA] > 0:
        _find_missing(frame, high, layout, buffers.missing)
    return True


@inlined
def _sum_vectors(frame: NDArray[Any], clean: NDArray[Any], high: Scalar, layout: Layout, buffers: SumBuffers) -> bool:
    """All sums; False when there are usable pixels above `high`."""
    height, width = frame.shape
    sums, strip, blocks = buffers.sums, buffers.strip, layout.row_masks.shape[2]
    sums[:] = 0
    in_columns = False
    strip[ROW_BYTES], strip[LAST_START], strip[BLOCKS] = width * frame.itemsize, width - LANES, blocks
    # A vector then lies in one line of the cache.
    strip[ROOM] = (buffers.lanes.ctypes.data + VECTOR_BYTES - 1) // VECTOR_BYTES * VECTOR_BYTES
    for y in range(0, height, STRIP_ROWS):
        rows = min(STRIP_ROWS, height - y)
        strip[ROWS_FIELD] = rows
        strip[PIXELS] = frame.ctypes.data + y * strip[ROW_BYTES]
        strip[MASKS] = layout.row_masks.ctypes.data + y * 8 * N_MASKS * blocks
        strip[WHOLE] = layout.whole_rows.ctypes.data + y
        _sum_strip(frame, strip.ctypes.data, layout.detectors)
        top = strip[TOP_FIELD]
        if top > high:
            return False
        sums[TOP] = max(sums[TOP], top)
        if top > LARGEST:
            if not in_columns:
                buffers.column[:] = 0
            in_columns = True
            _sum_bands(frame, clean, y, rows, high, layout, buffers)
            continue
        sums[TOTAL] += strip[TOTAL_FIELD]
        sums[MOMENT_Y] += (y + rows) * strip[TOTAL_FIELD] - strip[EARLY]
        sums[MOMENT_X] += strip[ALONG]
        sums[BRIGHT_FIELD] += strip[BRIGHT]
        sums[DARK_FIELD] += strip[DARK]
    if in_columns:
        _add_columns(buffers.column, sums)
    return True


@inlined
def _sum_strip(frame: NDArray[Any], strip: int, detectors: bool) -> None:
    if frame.itemsize == 1:
        if detectors:
            sum_strip_1(strip)
        else:
            sum_strip_lean_1(strip)
    elif detectors:
        sum_strip_2(strip)
    else:
        sum_strip_lean_2(strip)


@compiled
def _add_columns(column: NDArray[Any], sums: NDArray[np.int64]) -> None:
    """The first moment along the rows from the column sums."""
    for x in range(column.size):
        sums[MOMENT_X] += x * (np.int64(column[x]) & LOW_32)
        sums[HIGH_X] += x * (np.int64(column[x]) >> 32) << HIGH_BITS


@compiled
def _sum_rows(frame: NDArray[Any], clean: NDArray[Any], high: Scalar, layout: Layout, buffers: SumBuffers) -> None:
    """All sums by way of `clean`."""
    buffers.sums[:] = 0
    buffers.column[:] = 0
    _sum_bands(frame, clean, 0, frame.shape[0], high, layout, buffers)
    _add_columns(buffers.column, buffers.sums)


@compiled
def _sum_bands(
    frame: NDArray[Any], clean: NDArray[Any], begin: int, count: int, high: Scalar, layout: Layout, buffers: SumBuffers
) -> None:
    """Add `count` rows from `begin` on, those of the first moment along the rows to the column sums."""
    sums, column = buffers.sums, buffers.column
    for y in range(begin, begin + count, ROWS):
        rows = min(ROWS, begin + count - y)
        sums[WITHOUT_DATA] += _clean(frame, clean, y, rows, high, layout)
        top = _top(clean, y, rows)
        sums[TOP] = max(sums[TOP], np.int64(top))
        if top <= SMALL:
            _sum_band(clean, y, rows, layout, buffers.narrow, column, sums)
        else:
            _sum_band(clean, y, rows, layout, buffers.wide, column, sums)


@compiled
def _clean(frame: NDArray[Any], pixels: NDArray[Any], y: int, rows: int, high: Scalar, layout: Layout) -> np.int64:
    """Copy rows with 0 for pixels that do not count; gives the pixels of the basis without data among them."""
    kind = frame.dtype.type
    count = rows * frame.shape[1]
    given, kept, zones = row_of(frame, y, count), row_of(pixels, y, count), row_of(layout.zones, y, count)
    without_data = np.uint32(0)
    for i in range(count):
        zone = zones[i]
        valid = given[i] <= high
        kept[i] = given[i] if valid & ((zone & USABLE) != 0) else kind(0)
        without_data = np.uint32(without_data + (np.uint32(0) if valid else np.uint32(zone >> 3)))
    return np.int64(without_data)


@compiled
def _top(pixels: NDArray[Any], y: int, rows: int) -> Scalar:
    """A number as large as the largest of some rows."""
    count = rows * pixels.shape[1]
    given = row_of(pixels, y, count)
    top = given[0]
    for i in range(count):
        if given[i] > top:
            top = given[i]
    return top


@compiled
def row_of(pixels: NDArray[Any], y: int, count: int) -> NDArray[Any]:
    """The first `count` of the pixels from row `y` on: arrays made of addresses are free, slices of arrays are not."""
    at = np.int64(pixels.ctypes.data) + y * pixels.shape[1] * pixels.itemsize
    row: NDArray[Any] = carray(pointer_at(at), (count,), pixels.dtype)
    return row


@compiled
def _sum_band(
    pixels: NDArray[Any], y: int, rows: int, layout: Layout, lines: NDArray[Any], column: NDArray[Any], sums: Any
) -> None:
    width = pixels.shape[1]
    line, moment = row_of(lines, 0, width), row_of(lines, 1, width)
    if rows == ROWS:
        _add_eight(pixels, y, line, moment)
    else:
        _add_few(pixels, y, rows, line, moment)
    for x in range(width):
        column[x] = column.dtype.type(column[x] + column.dtype.type(line[x]))
    total, first = _total(line), _total(moment)
    sums[TOTAL] += total
    sums[MOMENT_Y] += y * (total & LOW_32) + (first & LOW_32)
    sums[HIGH_Y] += y * (total >> 32) + (first >> 32) << HIGH_BITS
    if layout.detectors:
        if y + rows > layout.bright_rows[0] and y < layout.bright_rows[1]:
            sums[BRIGHT_FIELD] += _masked(pixels, y, rows, layout.bright, line)
        if y + rows > layout.dark_rows[0] and y < layout.dark_rows[1]:
            sums[DARK_FIELD] += _masked(pixels, y, rows, layout.dark, line)


@compiled
def _total(line: NDArray[Any]) -> np.int64:
    """Sum of a line, with no wider additions than it needs."""
    if line.itemsize == 2:
        narrow = np.uint32(0)
        for x in range(line.size):
            narrow = np.uint32(narrow + np.uint32(line[x]))
        return np.int64(narrow)
    total = np.int64(0)
    for x in range(line.size):
        total += np.int64(line[x])
    return total


@compiled
def _add_eight(pixels: NDArray[Any], y: int, line: NDArray[Any], moment: NDArray[Any]) -> None:
    """Sums down eight rows, plain and weighted with 0..7."""
    n, kind = line.size, line.dtype.type
    r0, r1, r2, r3 = row_of(pixels, y, n), row_of(pixels, y + 1, n), row_of(pixels, y + 2, n), row_of(pixels, y + 3, n)
    y += 4
    r4, r5, r6, r7 = row_of(pixels, y, n), row_of(pixels, y + 1, n), row_of(pixels, y + 2, n), row_of(pixels, y + 3, n)
    for x in range(n):
        total = kind(r7[x])
        weighted = total
        total = kind(total + kind(r6[x]))
        weighted = kind(weighted + total)
        total = kind(total + kind(r5[x]))
        weighted = kind(weighted + total)
        total = kind(total + kind(r4[x]))
        weighted = kind(weighted + total)
        total = kind(total + kind(r3[x]))
        weighted = kind(weighted + total)
        total = kind(total + kind(r2[x]))
        weighted = kind(weighted + total)
        total = kind(total + kind(r1[x]))
        moment[x] = kind(weighted + total)
        line[x] = kind(total + kind(r0[x]))


@compiled
def _add_few(pixels: NDArray[Any], y: int, rows: int, line: NDArray[Any], moment: NDArray[Any]) -> None:
    """The same of the last rows, which may be fewer."""
    kind = line.dtype.type
    line[:] = 0
    moment[:] = 0
    for r in range(rows):
        row = row_of(pixels, y + r, line.size)
        for x in range(line.size):
            line[x] = kind(line[x] + kind(row[x]))
            moment[x] = kind(moment[x] + kind(kind(r) * kind(row[x])))


@compiled
def _masked(pixels: NDArray[Any], y: int, rows: int, mask: NDArray[np.int8], line: NDArray[Any]) -> np.int64:
    """Sum of rows under a mask of 0 and -1 [ky, kx]; `line` is room for their column sums."""
    line[:] = 0
    done = 0
    while done + 4 <= rows:
        _add_four_masked(pixels, mask, y + done, line)
        done += 4
    while done < rows:
        add_masked(pixels, mask, y + done, 0, line)
        done += 1
    return _total(line)


@compiled
def _add_four_masked(pixels: NDArray[Any], mask: NDArray[np.int8], y: int, line: NDArray[Any]) -> None:
    n, kind = line.size, line.dtype.type
    r0, r1, r2, r3 = row_of(pixels, y, n), row_of(pixels, y + 1, n), row_of(pixels, y + 2, n), row_of(pixels, y + 3, n)
    m0, m1, m2, m3 = row_of(mask, y, n), row_of(mask, y + 1, n), row_of(mask, y + 2, n), row_of(mask, y + 3, n)
    for x in range(n):
        upper = kind(kind(kind(r0[x]) & kind(m0[x])) + kind(kind(r1[x]) & kind(m1[x])))
        lower = kind(kind(kind(r2[x]) & kind(m2[x])) + kind(kind(r3[x]) & kind(m3[x])))
        line[x] = kind(line[x] + kind(upper + lower))


@compiled
def add_masked(pixels: NDArray[Any], mask: NDArray[np.int8], y: int, column: int, line: NDArray[Any]) -> None:
    """Add a row from `column` on, under its mask, to `line`."""
    kind = line.dtype.type
    row, keep = row_of(pixels, y, pixels.shape[1])[column:], row_of(mask, y, pixels.shape[1])[column:]
    for x in range(min(line.size, row.size)):
        line[x] = kind(line[x] + kind(kind(row[x]) & kind(keep[x])))


@compiled
def _find_missing(frame: NDArray[Any], high: Scalar, layout: Layout, missing: NDArray[np.int64]) -> None:
    """Count the pixels of the basis without data in each bin."""
    missing[:] = 0
    for y in range(layout.bands[0, 0], layout.bands[-1, 1]):
        for x in range(frame.shape[1]):
            if frame[y, x] > high and (layout.zones[y, x] & BASIS) != 0:
                missing[layout.bin_numbers[y, x]] += 1
