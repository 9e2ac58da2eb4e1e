"""Arrays whose owner lives longer than their use: compiled code counts no references to them.

Every function that takes a named tuple of arrays counts all of them in and out, atomically: with a dozen arrays and
several functions a frame that was a twelfth of the time (192x192 uint8, 2,000 electrons: 7.1 us, 6.5 without).
"""

from __future__ import annotations

from typing import Any

from numba import carray  # type: ignore[attr-defined]

from stream_rrvae.kernels.compiled import compiled
from stream_rrvae.kernels.layout import Layout
from stream_rrvae.kernels.memory import pointer_at


@compiled
def borrowed(array: Any) -> Any:
    """`array` without its owner."""
    return carray(pointer_at(array.ctypes.data), array.shape, array.dtype)


@compiled
def borrowed_layout(layout: Layout) -> Layout:
    """`layout`, which the caller holds."""
    return Layout(
        borrowed(layout.zones), borrowed(layout.bright), borrowed(layout.dark), borrowed(layout.basis),
        layout.bright_rows, layout.dark_rows, borrowed(layout.row_masks), borrowed(layout.lane_columns),
        borrowed(layout.basis_words), layout.basis_range, layout.all_usable, layout.detectors, borrowed(layout.bands),
        borrowed(layout.bin_numbers), borrowed(layout.weights), borrowed(layout.byte_weights), borrowed(layout.steps),
        borrowed(layout.offset), layout.pixels, layout.bin_px, layout.center_y, layout.center_x,
    )  # fmt: skip
