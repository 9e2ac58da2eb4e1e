"""The loops that Python calls, over frames packed or not, each measured while it is in cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import carray  # type: ignore[attr-defined]
from numpy.typing import NDArray

from stream_rrvae.kernels.borrowed import borrowed, borrowed_layout, borrowed_queue, borrowed_room, hold
from stream_rrvae.kernels.compiled import compiled_entry, sources_stamp
from stream_rrvae.kernels.detector_sums import sum_runs, write_detected
from stream_rrvae.kernels.float_queue import finish_floats
from stream_rrvae.kernels.frame_loops import Bounds, make_room, measure
from stream_rrvae.kernels.layout import Layout
from stream_rrvae.kernels.memory import pointer_at
from stream_rrvae.kernels.plane_bins import make_plane_bins, measure_planes
from stream_rrvae.kernels.plane_frame import sum_planes
from stream_rrvae.kernels.plane_tables import PlaneTables
from stream_rrvae.kernels.projection import finish, make_queue
from stream_rrvae.kernels.unpacking import MEASURED, PLAIN, Packed, check_sizes, unpack_frame

Entry = Callable[..., Any]


def _entries(stamp: int) -> tuple[Entry, Entry, Entry]:
    @compiled_entry
    def reduce_packed(
        sources: NDArray[np.int64], packed: Packed, image: NDArray[Any], bounds: Bounds, layout: Layout,
        runs: NDArray[np.int64], moments: Any, features: Any, detected: Any, outcome: NDArray[np.uint8],
    ) -> None:  # fmt: skip
        """Measure the packed frames at `sources` [B, 2] (address, bytes) whose `outcome` [B] is not MEASURED yet.

        `image` is the array at packed.pixels; frames that are not packed are measured where they lie. `runs` [n, 3]
        are those of the virtual detectors, see `detector_sums`, whose counts go to `detected` [B, K].
        """
        _ = stamp
        room, queue = make_room(layout, bounds[0], bounds[2]), make_queue(layout)
        lent, lent_room, lent_queue = borrowed_layout(layout), borrowed_room(room), borrowed_queue(queue)
        buffer, rows, lines = borrowed(image), borrowed(moments), borrowed(features)
        for i in range(sources.shape[0]):
            if outcome[i] == MEASURED:
                continue
            pixels = buffer
            if packed.packing == PLAIN and sources[i, 0] % packed.item_bytes == 0:
                outcome[i] = check_sizes(packed, sources[i, 0], sources[i, 1])
                pixels = carray(pointer_at(sources[i, 0]), image.shape, image.dtype)
            else:
                outcome[i] = unpack_frame(packed, sources[i, 0], sources[i, 1])
            if outcome[i] == MEASURED:
                measure(pixels, bounds, lent, lent_room, lent_queue, i, rows, lines)
                if runs.shape[0] != 0:
                    sum_runs(pixels, bounds[0], bounds[1], runs, detected[i])
        finish(queue, lent, lines)
        finish_floats(lent_room.floats, lent, lines)
        hold(room)
        hold(image)
        hold(moments)
        hold(features)

    @compiled_entry
    def reduce_planes(
        sources: NDArray[np.int64], packed: Packed, tables: PlaneTables, layout: Layout,
        moments: Any, features: Any, detected: Any, outcome: NDArray[np.uint8],
    ) -> None:  # fmt: skip
        """The same from bit planes, for all of `sources`; `outcome` may be UNSUITED too."""
        _ = stamp
        queue, bins, lent = make_queue(layout), make_plane_bins(layout), borrowed_layout(layout)
        lent_queue, rows, lines = borrowed_queue(queue), borrowed(moments), borrowed(features)
        for i in range(sources.shape[0]):
            outcome[i] = sum_planes(packed, tables, sources[i, 0], sources[i, 1])
            if outcome[i] == MEASURED:
                measure_planes(tables, lent, lent_queue, bins, i, rows, lines)
                if tables.n_detectors != 0:
                    write_detected(tables, detected[i])
        finish(queue, lent, lines)
        hold(moments)
        hold(features)

    @compiled_entry
    def unpack_one(packed: Packed, source: int, size: int) -> int:
        """Unpack one frame into the buffer; MEASURED or why not."""
        _ = stamp
        return unpack_frame(packed, source, size)

    return reduce_packed, reduce_planes, unpack_one


reduce_packed, reduce_planes, unpack_one = _entries(sources_stamp())
