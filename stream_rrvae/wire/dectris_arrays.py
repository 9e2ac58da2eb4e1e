"""The pixel arrays of DECTRIS Stream V2: tag 40 over a typed array, its bytes perhaps compressed (tag 56500)."""

from __future__ import annotations

from stream_rrvae.errors import WireError
from stream_rrvae.messages import Encoding, Frame, Refusal
from stream_rrvae.wire import limits
from stream_rrvae.wire.cbor_subset import (
    DECTRIS_COMPRESSION,
    FLOAT32_LE,
    MULTI_DIM,
    UINT8,
    UINT16_LE,
    UINT32_LE,
    Value,
)

_PIXEL_TYPES = {UINT8: "uint8", UINT16_LE: "uint16", UINT32_LE: "uint32", FLOAT32_LE: "float32"}
TYPE_TAGS = {pixel_type: tag for tag, pixel_type in _PIXEL_TYPES.items()}
_ENCODINGS = {"bslz4": Encoding.BSLZ4, "lz4": Encoding.LZ4}


def read_array(value: Value, series: int, number: int, limit_bytes: int) -> Frame:
    """A parsed two-dimensional array as a frame, its sizes checked. Raises WireError."""
    dims, typed = _pair(_content(value, MULTI_DIM), "a multi-dimensional array")
    if type(typed) is not tuple or typed[0] not in _PIXEL_TYPES:
        raise WireError(Refusal.PIXEL_TYPE, "the array's elements are not of a supported type")
    pixel_type = _PIXEL_TYPES[typed[0]]
    shape = limits.check_frame_shape(dims)
    frame_bytes = limits.check_frame_bytes(shape, pixel_type, limit_bytes)
    encoding, payload = _payload(typed[1], limits.ITEM_BYTES[pixel_type])
    limits.check_payload_bytes(len(payload), frame_bytes, encoding)
    return Frame(series, number, shape, pixel_type, encoding, payload)


def _payload(value: Value, item_bytes: int) -> tuple[Encoding, memoryview]:
    if type(value) is memoryview:
        return Encoding.NONE, value
    packed = _content(value, DECTRIS_COMPRESSION)
    if type(packed) is not list or len(packed) != 3:
        raise WireError(Refusal.TYPE, "compressed bytes are not written as algorithm, modifier, bytes")
    algorithm, modifier, payload = packed
    encoding = _ENCODINGS.get(algorithm) if type(algorithm) is str else None
    if encoding is None:
        raise WireError(Refusal.ENCODING, f"the compression {str(algorithm)[: limits.MAX_TEXT]!r} is not known")
    if encoding is Encoding.BSLZ4 and (type(modifier) is not int or modifier != item_bytes):
        raise WireError(Refusal.PIXEL_TYPE, f"elements of {item_bytes} bytes are said to be shuffled otherwise")
    if type(payload) is not memoryview:
        raise WireError(Refusal.TYPE, "the compressed bytes are not a byte string")
    return encoding, payload


def _content(value: Value, tag: int) -> Value:
    if type(value) is not tuple or value[0] != tag:
        raise WireError(Refusal.TYPE, f"tag {tag} was expected")
    return value[1]


def _pair(value: Value, what: str) -> tuple[Value, Value]:
    if type(value) is not list or len(value) != 2:
        raise WireError(Refusal.TYPE, f"{what} does not have two entries")
    return value[0], value[1]
