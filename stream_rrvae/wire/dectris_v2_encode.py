"""The sender's side of DECTRIS Stream V2, for scans that are sent again; see dectris/documentation, stream_v2."""

from __future__ import annotations

import struct
from typing import Any

import cbor2
import numpy as np

from stream_rrvae.messages import Encoding, ScanStart
from stream_rrvae.plain import to_plain
from stream_rrvae.scan_path import RASTER
from stream_rrvae.wire.limits import ITEM_BYTES

SELF_DESCRIBED, ARRAY, COMPRESSED = 55799, 40, 56500
TYPED_ARRAY = {"uint8": 64, "uint16": 69, "uint32": 70, "float32": 85}
CHANNEL = "threshold_1"
UINT, BYTES, LIST, MAP, TAG = 0, 2, 4, 5, 6  # CBOR's major types
_HEADS = ((8, struct.Struct(">BB")), (16, struct.Struct(">BH")), (32, struct.Struct(">BI")), (64, struct.Struct(">BQ")))


def encode_start(start: ScanStart) -> bytes:
    """The start message; what the protocol has no field for goes into the appendix."""
    appendix = {
        "scan_shape": None if start.scan_shape is None else list(start.scan_shape),
        "calibration": {name: v for name, v in to_plain(start.calibration).items() if v is not None},
        "metadata": to_plain(start.metadata),
        "path": None if start.path == RASTER else to_plain(start.path),
    }
    fields: dict[str, Any] = {
        **_identity("start", start),
        "number_of_images": start.frames_expected,
        "image_size_x": start.frame_shape[1],
        "image_size_y": start.frame_shape[0],
        "image_dtype": start.pixel_type,
        "channels": [CHANNEL],
        "user_data": {name: value for name, value in appendix.items() if value},
    }
    if start.saturation is not None:
        fields["saturation_value"] = start.saturation
    if start.pixel_mask is not None:
        defects = np.where(start.pixel_mask, 0, 1).astype("<u4").tobytes()
        fields["pixel_mask"] = {CHANNEL: _array(start.frame_shape, "uint32", defects)}
    return _dumped(fields)


class ImageEncoder:
    """Image messages of one series; what they have in common is written once, since cbor2 takes 6 us for each."""

    def __init__(self, start: ScanStart) -> None:
        fields = {**_identity("image", start), "image_id": 0, "data": 0}
        known = b"".join(cbor2.dumps(name) + cbor2.dumps(value) for name, value in list(fields.items())[:-2])
        self._head = _tag(SELF_DESCRIBED) + _head(MAP, len(fields)) + known + cbor2.dumps("image_id")
        self._array = {encoding: _array_head(start, encoding) for encoding in Encoding}

    def encode(self, number: int, encoding: Encoding, payload: memoryview) -> bytes:
        """One frame, its payload as it is."""
        return b"".join((self._head, _head(UINT, number), self._array[encoding], _head(BYTES, payload.nbytes), payload))


def _array_head(start: ScanStart, encoding: Encoding) -> bytes:
    """From the field `data` to the bytes of the pixels."""
    head = cbor2.dumps("data") + _head(MAP, 1) + cbor2.dumps(CHANNEL)
    head += _tag(ARRAY) + _head(LIST, 2) + cbor2.dumps(list(start.frame_shape)) + _tag(TYPED_ARRAY[start.pixel_type])
    if encoding is Encoding.NONE:
        return head
    element_bytes = ITEM_BYTES[start.pixel_type] if encoding is Encoding.BSLZ4 else 0
    return head + _tag(COMPRESSED) + _head(LIST, 3) + cbor2.dumps(str(encoding)) + cbor2.dumps(element_bytes)


def _tag(number: int) -> bytes:
    return _head(TAG, number)


def _head(major: int, value: int) -> bytes:
    """A CBOR item's first bytes, as few as can be (RFC 8949, section 3)."""
    if value < 24:
        return bytes((major << 5 | value,))
    for size, (least_bits, form) in enumerate(_HEADS):
        if value < 1 << least_bits:
            return form.pack(major << 5 | 24 + size, value)
    raise ValueError(f"{value} is too large")


def encode_end(start: ScanStart) -> bytes:
    """The end message."""
    return _dumped(_identity("end", start))


def _identity(kind: str, start: ScanStart) -> dict[str, Any]:
    return {"type": kind, "series_id": start.series, "series_unique_id": start.scan_id}


def _array(shape: tuple[int, int], pixel_type: str, content: Any) -> cbor2.CBORTag:
    return cbor2.CBORTag(ARRAY, [list(shape), cbor2.CBORTag(TYPED_ARRAY[pixel_type], content)])


def _dumped(fields: dict[str, Any]) -> bytes:
    message: bytes = cbor2.dumps(cbor2.CBORTag(SELF_DESCRIBED, fields))
    return message
