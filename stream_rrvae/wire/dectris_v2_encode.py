"""The sender's side of DECTRIS Stream V2, for scans that are sent again; see dectris/documentation, stream_v2."""

from __future__ import annotations

from typing import Any

import cbor2
import numpy as np

from stream_rrvae.messages import Encoding, ScanStart
from stream_rrvae.plain import to_plain
from stream_rrvae.wire.limits import ITEM_BYTES

SELF_DESCRIBED, ARRAY, COMPRESSED = 55799, 40, 56500
TYPED_ARRAY = {"uint8": 64, "uint16": 69, "uint32": 70, "float32": 85}
CHANNEL = "threshold_1"


def encode_start(start: ScanStart) -> bytes:
    """The start message; what the protocol has no field for goes into the appendix."""
    appendix = {
        "scan_shape": None if start.scan_shape is None else list(start.scan_shape),
        "calibration": {name: v for name, v in to_plain(start.calibration).items() if v is not None},
        "metadata": to_plain(start.metadata),
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


def encode_image(start: ScanStart, number: int, encoding: Encoding, payload: memoryview) -> bytes:
    """One frame, its payload as it is."""
    content: Any = bytes(payload)
    if encoding is not Encoding.NONE:
        element_bytes = ITEM_BYTES[start.pixel_type] if encoding is Encoding.BSLZ4 else 0
        content = cbor2.CBORTag(COMPRESSED, [str(encoding), element_bytes, content])
    data = {CHANNEL: _array(start.frame_shape, start.pixel_type, content)}
    return _dumped({**_identity("image", start), "image_id": number, "data": data})


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
