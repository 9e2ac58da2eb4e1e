"""A frame as it is shown."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.kernels.frame_pass import valid_range
from stream_rrvae.kernels.plan import FramePlan
from stream_rrvae.messages import BoolArray, Float32Array


def with_gaps(frame: NDArray[Any], plan: FramePlan) -> Float32Array:
    """`frame` [ky, kx] with NaN where a pixel has no data, and inf where it is saturated."""
    return shown_frame(frame, plan.usable, plan.saturation)


def shown_frame(frame: NDArray[Any], usable: BoolArray | None, saturation: float | None) -> Float32Array:
    """The same for a frame whose pixels are `usable` and valid up to `saturation`; None = all of them."""
    low, high = valid_range(frame.dtype, None)
    has_data = (frame >= low) & (frame <= high)
    if usable is not None:
        has_data &= usable
    shown = np.where(has_data, frame, np.float32(np.nan)).astype(np.float32)
    if saturation is not None:
        shown[has_data & (frame > saturation)] = np.inf
    return shown
