"""Arrays within a snapshot: {"dtype", "shape", "bytes"}, and nothing is trusted of the three."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.errors import FeedError
from stream_rrvae.messages import Float32Array

DTYPE = "<f4"  # the only one: maps and patterns are float32
SIDE_LIMIT = 16384


def encode_array(array: Float32Array) -> dict[str, Any]:
    """`array` [rows, columns] as plain data. Raises FeedError when it is not a 2-d image."""
    sent = as_sent(array)
    return {"dtype": DTYPE, "shape": list(sent.shape), "bytes": sent.tobytes()}


def as_sent(array: NDArray[Any]) -> Float32Array:
    """The same with the type and order that are sent. Raises FeedError when it is not a 2-d image."""
    if array.ndim != 2:
        raise FeedError(f"an image has 2 dimensions, not {array.ndim}")
    return np.ascontiguousarray(array, dtype=DTYPE)


def decode_array(name: str, plain: Any) -> Float32Array:
    """Float32 [rows, columns] over the message's own bytes, read-only. Raises FeedError."""
    if not isinstance(plain, Mapping):
        raise FeedError(f"{name} is written as a mapping, not {type(plain).__name__}")
    rows, columns = decode_shape(name, plain.get("shape"))
    data = plain.get("bytes")
    if plain.get("dtype") != DTYPE or not isinstance(data, bytes):
        raise FeedError(f"{name} holds no {DTYPE} bytes")
    if len(data) != rows * columns * 4:
        raise FeedError(f"{name}: {len(data)} bytes do not fill {rows} x {columns} pixels")
    return np.frombuffer(data, DTYPE).reshape(rows, columns)


def decode_shape(name: str, plain: Any) -> tuple[int, int]:
    """Two sides within the limit. Raises FeedError."""
    if not isinstance(plain, list) or len(plain) != 2:
        raise FeedError(f"{name}: a shape is two numbers")
    for side in plain:
        if type(side) is not int or not 0 <= side <= SIDE_LIMIT:
            raise FeedError(f"{name}: {side!r} is no side between 0 and {SIDE_LIMIT}")
    return plain[0], plain[1]
