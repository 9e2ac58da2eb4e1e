"""What is acceptable from a detector, decided before anything is allocated for it.

All checks raise WireError with the Refusal that the counters show.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.errors import WireError
from stream_rrvae.messages import PIXEL_TYPES, Encoding, Refusal

MAX_SIDE_PX = 8192
MAX_SCAN_SIDE = 1 << 16
MAX_POSITIONS = 1 << 26
MAX_SERIES_FRAMES = 1 << 40  # of a series that is scan after scan: nothing is as large as all of it
MAX_CHANNELS = 32
MAX_TEXT = 256
MAX_HEADER_BYTES = 64 << 10  # what a message may hold besides pixels
MAX_SHARDS = 1024
PACKING_HEADER_BYTES = 12  # 8 bytes uncompressed size, 4 bytes block size, both big-endian
MAX_RATIO = 256  # LZ4 spends at least one byte on 255, so no honest payload is smaller

_LARGEST = sys.float_info.max  # so NaN and the infinities are outside every bound
ITEM_BYTES = {"uint8": 1, "uint16": 2, "uint32": 4, "float32": 4}
_WIRE_DTYPES = {name: np.dtype(name).newbyteorder("<") for name in PIXEL_TYPES}


def wire_dtype(pixel_type: str) -> np.dtype[np.generic]:
    """The little-endian dtype of an accepted pixel type. Raises WireError(PIXEL_TYPE)."""
    check_pixel_type(pixel_type)
    return _WIRE_DTYPES[pixel_type]


def check_message_bytes(parts: Sequence[memoryview], limit_bytes: int) -> None:
    """No part may be larger than `limit_bytes` (a frame's limit; headers have smaller ones of their own)."""
    for part in parts:
        if part.nbytes > limit_bytes:
            raise WireError(Refusal.SIZE, f"a message part of {part.nbytes} bytes is over the limit of {limit_bytes}")


def check_pixel_type(pixel_type: object) -> str:
    """`pixel_type` when it is one of PIXEL_TYPES."""
    if type(pixel_type) is not str:
        raise WireError(Refusal.TYPE, "the pixel type is not a text")
    if pixel_type not in ITEM_BYTES:
        raise WireError(Refusal.PIXEL_TYPE, f"pixels of type {pixel_type[:MAX_TEXT]!r} are not supported")
    return pixel_type


def check_frame_shape(shape: object) -> tuple[int, int]:
    """`shape` as (ky, kx), both in 1..MAX_SIDE_PX."""
    return _pair(shape, MAX_SIDE_PX, "frame")


def check_scan_shape(shape: object) -> tuple[int, int]:
    """`shape` as (y, x), of at most MAX_POSITIONS positions."""
    rows, columns = _pair(shape, MAX_SCAN_SIDE, "scan")
    if rows * columns > MAX_POSITIONS:
        raise WireError(Refusal.SHAPE, f"a scan of {rows} x {columns} positions is over the limit of {MAX_POSITIONS}")
    return rows, columns


def check_frame_bytes(shape: tuple[int, int], pixel_type: str, limit_bytes: int) -> int:
    """The bytes of a decoded frame, within `limit_bytes`."""
    size = shape[0] * shape[1] * ITEM_BYTES[pixel_type]
    if size > limit_bytes:
        raise WireError(Refusal.SIZE, f"a frame of {size} bytes is over the limit of {limit_bytes}")
    return size


def check_payload_bytes(payload_bytes: int, frame_bytes: int, encoding: Encoding) -> None:
    """A payload's length can hold a frame of `frame_bytes`, going by its encoding."""
    if encoding is Encoding.NONE:
        if payload_bytes != frame_bytes:
            raise WireError(Refusal.SIZE, f"{payload_bytes} bytes for a frame of {frame_bytes}")
    elif payload_bytes < PACKING_HEADER_BYTES + 1 or frame_bytes > MAX_RATIO * payload_bytes:
        raise WireError(Refusal.SIZE, f"{payload_bytes} compressed bytes cannot hold a frame of {frame_bytes}")


def check_encoding(encoding: object) -> Encoding:
    """`encoding` as an Encoding."""
    try:
        return Encoding(encoding)  # type: ignore[arg-type]  # a foreign value is what is being tested
    except ValueError:
        raise WireError(Refusal.ENCODING, f"the encoding {str(encoding)[:MAX_TEXT]!r} is not known") from None


def check_pixel_mask(usable: NDArray[np.bool_], frame_shape: tuple[int, int]) -> None:
    """The mask is as large as the frame and leaves a pixel to use."""
    if usable.shape != frame_shape:
        raise WireError(Refusal.SHAPE, f"a pixel mask of shape {usable.shape} for frames of {frame_shape}")
    if not usable.any():
        raise WireError(Refusal.FIELD, "the pixel mask leaves no usable pixel")


def check_number(value: object, what: str, low: float = -_LARGEST, high: float = _LARGEST) -> float:
    """`value` as a finite float in [low, high]."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WireError(Refusal.TYPE, f"{what} is a {type(value).__name__}, not a number")
    if not low <= value <= high:
        raise WireError(Refusal.FIELD, f"{what} is out of bounds")
    return float(value)


def _pair(shape: object, high: int, what: str) -> tuple[int, int]:
    if not isinstance(shape, list | tuple) or len(shape) != 2:
        raise WireError(Refusal.SHAPE, f"the {what} shape is not a pair")
    first, second = shape
    if type(first) is not int or type(second) is not int:
        raise WireError(Refusal.TYPE, f"the {what} shape is not a pair of whole numbers")
    if not (1 <= first <= high and 1 <= second <= high):
        raise WireError(Refusal.SHAPE, f"the {what} shape has a side outside 1..{high}")
    return first, second
