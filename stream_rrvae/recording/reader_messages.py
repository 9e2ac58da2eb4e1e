"""What goes through the pipes between us and the process that reads a foreign file: data only.

A message is 4 bytes length, a msgpack map of plain values, and the arrays that it names, back to back.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from stream_rrvae.errors import FileFormatError

LENGTH = struct.Struct(">I")
HEADER_LIMIT_BYTES = 1 << 20
ARRAYS_LIMIT_BYTES = 2 << 30
PIECE_BYTES = 1 << 20
_DTYPES = {np.dtype(name).str: np.dtype(name) for name in ("u1", "<u2", "<u4", "<u8", "<i8", "<f4", "<f8")}


@dataclass(frozen=True, slots=True)
class ReaderMessage:
    """Plain `fields` and named `arrays`."""

    fields: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)


def write_message(stream: IO[bytes], message: ReaderMessage) -> None:
    """Send `message`; its arrays are of unsigned or 64-bit integers or floats."""
    arrays = {name: np.ascontiguousarray(array) for name, array in message.arrays.items()}
    described = [[name, array.dtype.str, list(array.shape)] for name, array in arrays.items()]
    header = msgpack.packb({"fields": message.fields, "arrays": described})
    stream.write(LENGTH.pack(len(header)) + header)
    for array in arrays.values():
        if array.size:
            stream.write(array.data.cast("B"))
    stream.flush()


def read_message(read: Callable[[int], bytes]) -> ReaderMessage:
    """The next message, where `read(n)` gives up to n bytes and none at the end. Raises FileFormatError, EOFError."""
    (length,) = LENGTH.unpack(_exactly(read, LENGTH.size))
    if length > HEADER_LIMIT_BYTES:
        raise FileFormatError(f"a description of {length} bytes is over the limit of {HEADER_LIMIT_BYTES}")
    try:
        header = msgpack.unpackb(_exactly(read, length), raw=False, strict_map_key=True, max_ext_len=0)
        fields, described = dict(header["fields"]), [(str(n), _DTYPES[d], _shape(s)) for n, d, s in header["arrays"]]
    except (ValueError, TypeError, KeyError, msgpack.UnpackException) as error:
        raise FileFormatError(f"a description cannot be understood: {error}") from error
    if sum(dtype.itemsize * math.prod(shape) for _, dtype, shape in described) > ARRAYS_LIMIT_BYTES:
        raise FileFormatError(f"a description has arrays over {ARRAYS_LIMIT_BYTES >> 20} MiB")
    return ReaderMessage(fields, {name: _array(read, dtype, shape) for name, dtype, shape in described})


def _shape(sides: Any) -> tuple[int, ...]:
    if not all(type(side) is int and side >= 0 for side in sides):
        raise ValueError("an array's shape is not of whole numbers")
    return tuple(sides)


def _array(read: Callable[[int], bytes], dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    return np.frombuffer(_exactly(read, dtype.itemsize * math.prod(shape)), dtype).reshape(shape)


def _exactly(read: Callable[[int], bytes], count: int) -> bytes:
    """Grows with what comes, so that a false count takes no memory."""
    got = bytearray()
    while len(got) < count:
        piece = read(min(count - len(got), PIECE_BYTES))
        if not piece:
            raise EOFError("the reading process ended in the middle of a message")
        got += piece
    return bytes(got)
