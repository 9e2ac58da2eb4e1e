"""A scan's announcement as JSON and back, whole, so that it can be sent again."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from stream_rrvae.errors import FileFormatError
from stream_rrvae.messages import BoolArray, ScanStart
from stream_rrvae.plain import from_plain, to_plain

LIMIT_CHARS = 32 << 20
_MASK, _BYTES = "pixel_mask", "base64"


def start_to_json(start: ScanStart) -> str:
    """Everything of `start`; the pixel mask as packed bits, bytes as base64."""
    plain = to_plain(start)
    mask = plain.pop(_MASK)
    plain[_MASK] = None if mask is None else mask_to_plain(mask)
    return json.dumps(plain, default=_stand_in)


def start_from_json(text: str) -> ScanStart:
    """The announcement that `start_to_json` wrote. Raises FileFormatError when it is none."""
    try:
        if len(text) > LIMIT_CHARS:
            raise ValueError(f"{len(text)} characters")
        plain = json.loads(text)
        if not isinstance(plain, dict):
            raise ValueError("not a mapping")
        plain["metadata"] = _with_bytes(plain.get("metadata", {}))
        start = from_plain(ScanStart, {**plain, _MASK: None})
        mask = None if plain.get(_MASK) is None else mask_from_plain(plain[_MASK], start.frame_shape)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise FileFormatError(f"the announcement of a scan cannot be read: {error}") from error
    return start if mask is None else from_plain(ScanStart, {**to_plain(start), _MASK: mask})


def mask_to_plain(mask: BoolArray) -> dict[str, Any]:
    """A pixel mask [ky, kx] as packed bits."""
    return {_BYTES: _text(np.packbits(mask).tobytes()), "shape": list(mask.shape)}


def mask_from_plain(packed: Any, frame_shape: tuple[int, int]) -> BoolArray:
    """The mask that `mask_to_plain` packed. Raises ValueError, TypeError or KeyError when it is none of that shape."""
    bits = np.frombuffer(base64.b64decode(packed[_BYTES], validate=True), np.uint8)
    count = math.prod(frame_shape)
    if bits.size != (count + 7) // 8:
        raise ValueError("the pixel mask is not of the frame's size")
    return np.unpackbits(bits, count=count).astype(np.bool_).reshape(frame_shape)


def _stand_in(value: Any) -> Any:
    """What JSON does not know: bytes can be had back, anything else as its text."""
    if isinstance(value, bytes | bytearray | memoryview):
        return {_BYTES: _text(bytes(value))}
    if isinstance(value, np.generic):
        return value.item()
    return str(value)


def _with_bytes(value: Any) -> Any:
    if isinstance(value, Mapping):
        if set(value) == {_BYTES}:
            return base64.b64decode(value[_BYTES], validate=True)
        return {key: _with_bytes(item) for key, item in value.items()}
    return [_with_bytes(item) for item in value] if isinstance(value, list) else value


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
