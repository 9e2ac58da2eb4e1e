"""Which arrays can be frames: dimensions, sides, pixel types."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from stream_rrvae.errors import FileFormatError
from stream_rrvae.messages import PIXEL_TYPES
from stream_rrvae.wire.limits import MAX_POSITIONS, MAX_SIDE_PX

_READ_AS = {"float64": "float32", "bool": "uint8"}


def check_array(name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> str:
    """The pixel type that an array of frames is read as. Raises FileFormatError that says what is wanted."""
    if len(shape) not in (3, 4) or not all(1 <= side <= MAX_SIDE_PX for side in shape[-2:]) or 0 in shape:
        raise FileFormatError(f"{name} is {shape}: wanted 4-D [y, x, ky, kx] or 3-D [n, ky, kx]")
    if math.prod(shape[:-2]) > MAX_POSITIONS:
        raise FileFormatError(f"{name} is {shape}: more than {MAX_POSITIONS} frames")
    pixel_type = pixel_type_of(dtype)
    if pixel_type is None:
        raise FileFormatError(f"{name} holds {dtype}: convert it to one of {', '.join(PIXEL_TYPES)}")
    return pixel_type


def pixel_type_of(dtype: np.dtype[Any]) -> str | None:
    """What pixels of `dtype` are read as; None = they cannot be."""
    name = _READ_AS.get(dtype.name, dtype.name)
    return name if name in PIXEL_TYPES else None
