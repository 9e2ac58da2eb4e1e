"""DECTRIS Stream V2's sending side: one CBOR item a message, one frame an item.

Source of the fields and tags: DECTRIS, stream_v2 in github.com/dectris/documentation. What does not change
from frame to frame is encoded once: an image is (head of the series) + (head of the frame) + payload.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import cbor2
import numpy as np

from detector_sim.dectris_told import FRAME_TIME_S, detector_fields, site_appendix
from detector_sim.encoding import EncodedFrame
from detector_sim.message_format import Parts
from stream_rrvae.messages import Encoding, ScanStart

CHANNEL = "threshold_1"
SELF_DESCRIBED, MULTI_DIMENSIONAL, COMPRESSED, DATE = 55799, 40, 56500, 0
TYPED_ARRAY = {"uint8": 64, "uint16": 69, "uint32": 70, "float32": 85}
CLOCK_HZ = 50_000_000
FRAME_TICKS = round(FRAME_TIME_S * CLOCK_HZ)
_IMAGE_FIELDS = 10
_WRAP = cbor2.dumps(cbor2.CBORTag(SELF_DESCRIBED, {}))[:-1]  # without the empty map

_PAIR = b"\x82"
_IMAGE_ID, _CLOCK = cbor2.dumps("image_id"), cbor2.dumps(CLOCK_HZ)
_WHOLE, _BYTES = b"\x1b", b"\x5a"  # a number in 64 bits and a byte string of a length in 32 follow
_START, _STOP = cbor2.dumps("start_time") + _PAIR, cbor2.dumps("stop_time") + _PAIR


class DectrisV2Format:
    """See MessageFormat."""

    largest_batch = 1

    def __init__(self) -> None:
        self.clock_offset_s = 0.0
        self._head = b""
        self._end = b""
        self._heads: dict[int, tuple[EncodedFrame, bytes]] = {}  # by number: scans send the same frames again

    def start(self, start: ScanStart) -> Parts:
        """See MessageFormat."""
        identity = {"series_id": start.series, "series_unique_id": start.scan_id}
        date = cbor2.CBORTag(DATE, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
        per_series = {
            "type": "image",
            **identity,
            "series_date": date,
            "real_time": [FRAME_TICKS, CLOCK_HZ],
            "user_data": None,
        }
        self._head = _WRAP + bytes([0xA0 + _IMAGE_FIELDS]) + _items(per_series)
        self._end = _document({"type": "end", **identity})
        return [_document({"type": "start", **identity, "arm_date": date, **_announcement(start)})]

    def frames(self, frames: Sequence[EncodedFrame]) -> Parts:
        """See MessageFormat."""
        (frame,) = frames
        if self.clock_offset_s or not frame.recurs:
            return [self._head + _frame_head(frame, round(self.clock_offset_s * CLOCK_HZ)) + frame.payload]
        known = self._heads.get(frame.number)
        if known is None or known[0] is not frame:
            known = self._heads[frame.number] = (frame, _frame_head(frame))
        return [self._head + known[1] + frame.payload]

    def end(self) -> Parts:
        """See MessageFormat."""
        return [self._end]


def _document(fields: Mapping[str, Any]) -> bytes:
    document: bytes = cbor2.dumps(cbor2.CBORTag(SELF_DESCRIBED, dict(fields)))
    return document


def _items(fields: Mapping[str, Any]) -> bytes:
    """Keys and values of a CBOR map without its first byte."""
    return b"".join(cbor2.dumps(key) + cbor2.dumps(value) for key, value in fields.items())


def _frame_head(frame: EncodedFrame, offset_ticks: int = 0) -> bytes:
    number, begin = frame.number, max(0, frame.number * FRAME_TICKS + offset_ticks)
    head = _frame_layout(frame.shape, frame.pixel_type, frame.encoding)
    return head.numbered(number, begin, begin + FRAME_TICKS, len(frame.payload))


@dataclass(frozen=True, slots=True)
class _FrameLayout:
    """What is between the numbers of a frame's head; packed in one go: every frame of a first scan has new ones."""

    packed: struct.Struct
    between: tuple[bytes, bytes, bytes, bytes]

    def numbered(self, number: int, begin_ticks: int, end_ticks: int, payload_bytes: int) -> bytes:
        """The head of one frame."""
        first, second, third, last = self.between
        return self.packed.pack(first, number, second, begin_ticks, third, end_ticks, last, payload_bytes)


@lru_cache
def _frame_layout(shape: tuple[int, int], pixel_type: str, encoding: Encoding) -> _FrameLayout:
    array = _array_head(shape, pixel_type, encoding)
    between = (
        _IMAGE_ID + _WHOLE,
        _START + _WHOLE,
        _CLOCK + _STOP + _WHOLE,
        _CLOCK + array + _BYTES,
    )
    lengths = [len(piece) for piece in between]
    return _FrameLayout(struct.Struct(">{}sQ{}sQ{}sQ{}sI".format(*lengths)), between)


def _array_head(shape: tuple[int, int], pixel_type: str, encoding: Encoding) -> bytes:
    return cbor2.dumps("data") + cbor2.dumps({CHANNEL: _array(shape, pixel_type, encoding)})[:-1]


def _array(shape: tuple[int, int], pixel_type: str, encoding: Encoding, content: bytes = b"") -> cbor2.CBORTag:
    packed: Any = content
    if encoding is not Encoding.NONE:
        item_bytes = np.dtype(pixel_type).itemsize if encoding is Encoding.BSLZ4 else 0
        packed = cbor2.CBORTag(COMPRESSED, [str(encoding), item_bytes, content])
    return cbor2.CBORTag(MULTI_DIMENSIONAL, [list(shape), cbor2.CBORTag(TYPED_ARRAY[pixel_type], packed)])


def _announcement(start: ScanStart) -> dict[str, Any]:
    rows, columns = start.frame_shape
    known = {
        "channels": [CHANNEL],
        "image_dtype": start.pixel_type,
        "image_size_x": columns,
        "image_size_y": rows,
        "number_of_images": start.frames_expected,
        "pixel_mask_enabled": start.pixel_mask is not None,
        "user_data": site_appendix(start),
    }
    return {**known, **detector_fields(start), **_mask(start)}


def _mask(start: ScanStart) -> dict[str, Any]:
    if start.pixel_mask is None:
        return {}
    bad = (~start.pixel_mask).astype("<u4")
    return {"pixel_mask": {CHANNEL: _array(start.frame_shape, "uint32", Encoding.NONE, bad.tobytes())}}
