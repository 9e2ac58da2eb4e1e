"""Arrays within a snapshot: {"dtype", "shape", "bytes"}, and nothing is trusted of the three.

A map without a value anywhere is told and not sent: no bytes, and "nothing": true.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.errors import FeedError
from stream_rrvae.feed.runs import Run
from stream_rrvae.messages import Float32Array

DTYPE = "<f4"  # the only one: maps and patterns are float32
NOTHING = "nothing"
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


def holds_nothing(image: Float32Array) -> bool:
    """Whether `image` [rows, columns] is NaN everywhere."""
    return image.size > 1 and bool(np.isnan(image[0, 0]) and np.isnan(image[-1, -1]) and np.isnan(image).all())


def decode_map(name: str, plain: Any, bytes_limit: int) -> Float32Array:
    """The same as `decode_array` for one that may hold nothing: NaN, which takes no memory. Raises FeedError."""
    if not isinstance(plain, Mapping) or plain.get(NOTHING) is not True:
        return decode_array(name, plain)
    rows, columns = decode_shape(name, plain.get("shape"))
    if plain.get("bytes") != b"" or rows * columns * 4 > bytes_limit:
        raise FeedError(f"{name} of {rows} x {columns} pixels says that it holds nothing")
    return np.broadcast_to(np.float32(np.nan), (rows, columns))


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


def decode_run(name: str, plain: Any, n_positions: int) -> Run:
    """{"first", "values": {"dtype", "bytes"}}: part of a map of so many positions, read-only. Raises FeedError."""
    first, values = (plain.get("first"), plain.get("values")) if isinstance(plain, Mapping) else (None, None)
    dtype, data = (values.get("dtype"), values.get("bytes")) if isinstance(values, Mapping) else (None, None)
    if type(first) is not int or dtype != DTYPE or not isinstance(data, bytes):
        raise FeedError(f"{name} holds no run of {DTYPE} values")
    size, rest = divmod(len(data), 4)
    if rest or not 0 <= first <= first + size <= n_positions:
        raise FeedError(f"{name}: {len(data)} bytes from position {first} on do not lie within {n_positions} positions")
    return Run(first, np.frombuffer(data, DTYPE))


def decode_shape(name: str, plain: Any) -> tuple[int, int]:
    """Two sides within the limit. Raises FeedError."""
    if not isinstance(plain, list) or len(plain) != 2:
        raise FeedError(f"{name}: a shape is two numbers")
    for side in plain:
        if type(side) is not int or not 0 <= side <= SIDE_LIMIT:
            raise FeedError(f"{name}: {side!r} is no side between 0 and {SIDE_LIMIT}")
    return plain[0], plain[1]
