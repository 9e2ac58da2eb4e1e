"""A start and a frames header of the native protocol as other programs would write them, and how they are decoded."""

from __future__ import annotations

from typing import Any

import msgpack

from stream_rrvae.wire.native import NativeProtocol

START = {
    "p": "stream-rrvae",
    "v": 1,
    "t": "start",
    "scan_id": "a",
    "series": 1,
    "frame_shape": [2, 3],
    "pixel_type": "uint8",
    "frames_expected": 4,
}
FRAMES = {
    "p": "stream-rrvae",
    "v": 1,
    "t": "frames",
    "series": 1,
    "numbers": [0],
    "sizes": [6],
    "shape": [2, 3],
    "dtype": "uint8",
    "encoding": "none",
}


def decode(header: Any, *parts: bytes) -> Any:
    packed = header if isinstance(header, bytes) else msgpack.packb(header)
    return NativeProtocol().decode([memoryview(packed), *(memoryview(part) for part in parts)])
