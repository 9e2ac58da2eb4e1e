"""DECTRIS Stream V1's sending side: a header of JSON parts, then four parts an image.

Without a pixel mask and an appendix (`--announce nothing`) the header has detail "basic", the two parts that
LiberTEM-live's receiver reads.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import numpy as np

from detector_sim.dectris_told import DESCRIPTION, FRAME_TIME_S, detector_fields, site_appendix
from detector_sim.encoding import EncodedFrame
from detector_sim.message_format import Parts
from stream_rrvae.errors import ConfigError, WireError
from stream_rrvae.messages import Encoding, Frame, ScanStart
from stream_rrvae.wire.dectris_v1_image import PIXEL_TYPES_OF_BITS, usual_name
from stream_rrvae.wire.limits import PACKING_HEADER_BYTES
from stream_rrvae.wire.pixels import decode_pixels, encode_lz4_block

_FRAME_NS = round(FRAME_TIME_S * 1e9)
_NO_HASH = "00000000000000000000000000000000"  # of detectors too it has never been the sum that it should be
_TIMES = b'{"htype":"dconfig-1.0","real_time":%d,"start_time":%d,"stop_time":%d}'
_REMEMBERED = 1 << 18


class DectrisV1Format:
    """See MessageFormat."""

    largest_batch = 1

    def __init__(self) -> None:
        self.clock_offset_s = 0.0
        self._series = 0
        self._image_end = b""

    def start(self, start: ScanStart) -> Parts:
        """See MessageFormat."""
        self._series = start.series
        self._image_end = f',"hash":"{_NO_HASH}","htype":"dimage-1.0","series":{start.series}}}'.encode()
        appendix, tables = site_appendix(start), _tables(start)
        first = _json(header_detail=header_detail(start), htype="dheader-1.0", series=start.series)
        told = [_json(scan_id=start.scan_id, **appendix)] if appendix else []
        return [first, _json(**configuration(start)), *tables, *told]

    def frames(self, frames: Sequence[EncodedFrame]) -> Parts:
        """See MessageFormat."""
        (frame,) = frames
        payload = frame.payload
        if frame.encoding is Encoding.LZ4:
            payload = _bare_block(payload, frame.shape, frame.pixel_type)
        return [
            b'{"frame":%d' % frame.number + self._image_end,
            _described(frame.shape, frame.pixel_type, frame.encoding, len(payload)),
            payload,
            _times(frame.number, round(self.clock_offset_s * 1e9)),
        ]

    def end(self) -> Parts:
        """See MessageFormat."""
        return [_json(htype="dseries_end-1.0", series=self._series)]


def check_detector(name: str, pixel_type: str) -> None:
    """Raises ConfigError for pixels that the stream cannot announce: it would be taken for whole numbers."""
    if pixel_type not in PIXEL_TYPES_OF_BITS.values():
        raise ConfigError(
            f"Stream V1 carries whole numbers, and --detector {name} has {pixel_type} pixels: "
            f"give --detector HxW:uint16 (or uint8, uint32), or --protocol dectris-v2"
        )


def header_detail(start: ScanStart) -> str:
    """How much of a header is sent."""
    return "basic" if start.pixel_mask is None else "all"


def configuration(start: ScanStart) -> dict[str, Any]:
    """The detector's configuration under the names of the SIMPLON API: one image a trigger of the scan generator."""
    rows, columns = start.frame_shape
    return {
        **detector_fields(start),
        "bit_depth_image": 8 * np.dtype(start.pixel_type).itemsize,
        "data_collection_date": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "description": DESCRIPTION,
        "nimages": 1,
        "ntrigger": start.frames_expected,
        "pixel_mask_applied": start.pixel_mask is not None,
        "trigger_mode": "exte",
        "x_pixels_in_detector": columns,
        "y_pixels_in_detector": rows,
    }


def _tables(start: ScanStart) -> Parts:
    """What detail "all" adds: flatfield, pixel mask, count-rate table, of which only the mask has content."""
    if start.pixel_mask is None:
        return []
    bad, nothing = (~start.pixel_mask).astype("<u4"), {"shape": [], "type": "undefined"}
    mask = _json(htype="dpixelmask-1.0", shape=[bad.shape[1], bad.shape[0]], type="uint32")
    flatfield, counts = (_json(htype=htype, **nothing) for htype in ("dflatfield-1.0", "dcountrate_table-1.0"))
    return [flatfield, b"", mask, bad.tobytes(), counts, b""]


@lru_cache(maxsize=_REMEMBERED)
def _described(shape: tuple[int, int], pixel_type: str, encoding: Encoding, payload_bytes: int) -> bytes:
    name = usual_name(encoding, np.dtype(pixel_type).itemsize)
    size = {"shape": [shape[1], shape[0]], "size": payload_bytes, "type": pixel_type}
    return _json(encoding=name, htype="dimage_d-1.0", **size)


def _times(number: int, offset_ns: int) -> bytes:
    begin_ns = number * _FRAME_NS + offset_ns
    return _TIMES % (_FRAME_NS, begin_ns, begin_ns + _FRAME_NS)


@lru_cache(maxsize=_REMEMBERED)
def _bare_block(payload: bytes, shape: tuple[int, int], pixel_type: str) -> bytes:
    """This stream has LZ4 without framing; made once a payload."""
    framed = Frame(0, 0, shape, pixel_type, Encoding.LZ4, memoryview(payload))
    try:
        return encode_lz4_block(decode_pixels(framed))
    except WireError:  # damaged on purpose: sent as what it is
        return payload[PACKING_HEADER_BYTES:]


def _json(**fields: Any) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()
