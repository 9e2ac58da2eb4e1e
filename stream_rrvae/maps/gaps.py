"""A frame as it is shown."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.kernels.frame_pass import valid_range
from stream_rrvae.kernels.plan import FramePlan
from stream_rrvae.messages import Float32Array


def with_gaps(frame: NDArray[Any], plan: FramePlan) -> Float32Array:
    """`frame` [ky, kx] with NaN where a pixel has no data."""
    low, high = valid_range(frame.dtype, plan.saturation)
    valid = plan.usable & (frame >= low) & (frame <= high)
    return np.where(valid, frame, np.float32(np.nan)).astype(np.float32)
