"""Plain data with large arrays in it as one msgpack message, into which each array is copied once.

msgpack's own packer copies them four times, and holds the GIL meanwhile: at 14 MB a snapshot that is felt.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from stream_rrvae.errors import FeedError
from stream_rrvae.feed.array_codec import DTYPE, NOTHING, as_sent, holds_nothing

_BIN_32 = 0xC6  # msgpack: a byte string, whose length follows in 32 bits

Bytes = NDArray[np.uint8]


def message_of(plain: Mapping[str, Any], what: str) -> memoryview:
    """`plain` as msgpack; 2-d arrays in it as `array_codec.encode_array` writes them, 1-d ones without a shape.

    Raises FeedError.
    """
    try:
        pieces = list(_pieces(plain))
    except (TypeError, ValueError, OverflowError) as error:
        raise FeedError(f"{what} holds what msgpack cannot carry: {error}") from error
    message = np.empty(sum(piece.size for piece in pieces), np.uint8)
    at = 0
    for piece in pieces:
        message[at : at + piece.size] = piece
        at += piece.size
    return message.data


def _pieces(value: Any) -> Iterator[Bytes]:
    if isinstance(value, np.ndarray):
        yield from _pieces_of_array(value)
    elif isinstance(value, Mapping):
        yield _small(msgpack.Packer().pack_map_header(len(value)))
        for name, item in value.items():
            yield _small(msgpack.packb(name))
            yield from _pieces(item)
    else:
        yield _small(msgpack.packb(value))


def _pieces_of_array(array: NDArray[Any]) -> Iterator[Bytes]:
    if array.ndim == 1:
        yield from _described({"dtype": DTYPE}, np.ascontiguousarray(array, DTYPE))
        return
    sent = as_sent(array)
    if holds_nothing(sent):
        yield _small(msgpack.packb({"dtype": DTYPE, "shape": list(sent.shape), "bytes": b"", NOTHING: True}))
        return
    yield from _described({"dtype": DTYPE, "shape": list(sent.shape)}, sent)


def _described(description: Mapping[str, Any], sent: NDArray[np.float32]) -> Iterator[Bytes]:
    packed, nothing = msgpack.packb({**description, "bytes": b""}), msgpack.packb(b"")
    yield _small(packed[: -len(nothing)] + struct.pack(">BI", _BIN_32, sent.nbytes))
    yield sent.reshape(-1).view(np.uint8)


def _small(packed: bytes) -> Bytes:
    return np.frombuffer(packed, np.uint8)
