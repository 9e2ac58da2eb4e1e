"""Arrays whose owner lives longer than their use: compiled code counts no references to them.

What owns them has to be used after them (`hold`): compiled code lets go of its own arrays after the last use.
Every function that takes a named tuple of arrays counts all of them in and out, atomically: with a dozen arrays and
several functions a frame that was a twelfth of the time (192x192 uint8, 2,000 electrons: 7.1 us, 6.5 without).
"""

from __future__ import annotations

from typing import Any

from numba import carray  # type: ignore[attr-defined]

from stream_rrvae.kernels.binning import Bins
from stream_rrvae.kernels.compiled import compiled
from stream_rrvae.kernels.float_queue import FloatQueue
from stream_rrvae.kernels.float_rows import FloatRow
from stream_rrvae.kernels.frame_loops import Room
from stream_rrvae.kernels.frame_sums import SumBuffers
from stream_rrvae.kernels.layout import Layout
from stream_rrvae.kernels.memory import pointer_at
from stream_rrvae.kernels.projection import Queue


@compiled
def borrowed(array: Any) -> Any:
    """`array` without its owner."""
    return carray(pointer_at(array.ctypes.data), array.shape, array.dtype)


@compiled
def borrowed_layout(layout: Layout) -> Layout:
    """`layout`, which the caller holds."""
    return Layout(
        borrowed(layout.zones), borrowed(layout.bright), borrowed(layout.dark), borrowed(layout.basis),
        layout.bright_rows, layout.dark_rows, borrowed(layout.row_masks), borrowed(layout.whole_rows),
        borrowed(layout.float_masks),
        borrowed(layout.basis_words), layout.basis_range, layout.all_usable, layout.detectors, borrowed(layout.bands),
        borrowed(layout.bin_numbers), borrowed(layout.weights), borrowed(layout.float_weights),
        borrowed(layout.byte_weights), borrowed(layout.steps), borrowed(layout.offset),
        layout.pixels, layout.bin_px, layout.center_y, layout.center_x,
    )  # fmt: skip


@compiled
def borrowed_room(room: Room) -> Room:
    """`room`, which the caller holds."""
    sums, bins, row, floats = room.buffers, room.bins, room.float_row, room.floats
    return Room(
        borrowed(room.clean),
        SumBuffers(
            borrowed(sums.narrow), borrowed(sums.wide), borrowed(sums.column), borrowed(sums.lanes),
            borrowed(sums.strip), borrowed(sums.sums), borrowed(sums.missing),
        ),
        Bins(borrowed(bins.narrow), borrowed(bins.wide)),
        borrowed(room.low_bytes),
        FloatRow(
            borrowed(row.padded), borrowed(row.clean), borrowed(row.column), borrowed(row.sums),
            borrowed(row.numbers), borrowed(row.missing), borrowed(row.places),
        ),
        FloatQueue(
            borrowed(floats.rows), borrowed(floats.frames), borrowed(floats.factors), borrowed(floats.held),
            borrowed(floats.products),
        ),
    )  # fmt: skip


@compiled
def borrowed_queue(queue: Queue) -> Queue:
    """`queue`, which the caller holds."""
    return Queue(
        borrowed(queue.rows), borrowed(queue.frames), borrowed(queue.factors), borrowed(queue.held),
        borrowed(queue.products), borrowed(queue.sums), queue.takes_bytes,
    )  # fmt: skip


@compiled
def hold(_owner: Any) -> None:
    """Does nothing but use `_owner`."""
