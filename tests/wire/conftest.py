"""Senders of every detector protocol, and scans to send."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cbor2
import numpy as np
import pytest
from cbor2 import CBORTag
from numpy.typing import NDArray

from stream_rrvae.messages import Calibration, Encoding, ScanEnd, ScanStart
from stream_rrvae.plain import to_plain
from stream_rrvae.wire.native import encode_end, encode_frames, encode_start
from stream_rrvae.wire.pixels import encode_bslz4, encode_lz4, encode_lz4_block, encode_raw

Parts = list[bytes]
Pixels = NDArray[Any]
PACKERS: dict[Encoding, Callable[[Pixels], bytes]] = {
    Encoding.NONE: encode_raw,
    Encoding.BSLZ4: encode_bslz4,
    Encoding.LZ4: encode_lz4,
}
TYPED_ARRAY_TAGS = {"uint8": 64, "uint16": 69, "uint32": 70, "float32": 85}


@dataclass(frozen=True)
class Sender:
    start: Callable[[ScanStart], Parts]
    frame: Callable[[int, int, Pixels, Encoding], Parts]  # series, number, pixels, encoding
    end: Callable[[ScanEnd], Parts]
    names_the_scan: bool = True  # its end says which scan it is, not only which series
    optional_parts: int = 0  # last parts of a start without a pixel mask that can be wrong and do not lose the scan
    knows_floats: bool = True


def native_frame(series: int, number: int, pixels: Pixels, encoding: Encoding) -> Parts:
    rows, columns = pixels.shape
    return encode_frames(series, [number], [PACKERS[encoding](pixels)], (rows, columns), pixels.dtype.name, encoding)


def v2_message(fields: Mapping[str, Any]) -> Parts:
    return [cbor2.dumps(CBORTag(55799, dict(fields)))]


def v2_array(pixels: Pixels, encoding: Encoding = Encoding.NONE) -> CBORTag:
    content: Any = PACKERS[encoding](pixels)
    if encoding is not Encoding.NONE:
        modifier = pixels.itemsize if encoding is Encoding.BSLZ4 else 0
        content = CBORTag(56500, [str(encoding), modifier, content])
    return CBORTag(40, [list(pixels.shape), CBORTag(TYPED_ARRAY_TAGS[pixels.dtype.name], content)])


def v2_start_fields(start: ScanStart) -> dict[str, Any]:
    center = start.calibration.beam_center_px or (0.0, 0.0)
    fields = {
        "type": "start",
        "arm_date": CBORTag(0, "2025-11-22T15:00:00.123456Z"),
        "beam_center_x": center[1],
        "beam_center_y": center[0],
        "channels": list(start.channels) or ["threshold_1"],
        "count_time": 1e-3,
        "countrate_correction_lookup_table": CBORTag(70, bytes(40)),
        "flatfield": {"threshold_1": v2_array(np.ones(start.frame_shape, np.float32))},
        "goniometer": {"chi": {"increment": 0.0, "start": 0.0}},
        "image_dtype": start.pixel_type,
        "image_size_x": start.frame_shape[1],
        "image_size_y": start.frame_shape[0],
        "incident_energy": start.calibration.beam_energy_ev or 0.0,
        "number_of_images": start.frames_expected,
        "saturation_value": int(start.saturation or 0),
        "sensor_material": "Si",
        "series_id": start.series,
        "series_unique_id": start.scan_id,
        "user_data": {
            "scan_shape": to_plain(start.scan_shape),
            "calibration": to_plain(start.calibration),
            "metadata": to_plain(start.metadata),
        },
    }
    if start.pixel_mask is not None:
        bad = np.where(start.pixel_mask, 0, 8).astype(np.uint32)
        fields["pixel_mask"] = {"threshold_1": v2_array(bad, Encoding.BSLZ4)}
    return fields


def v2_image_fields(series: int, number: int, data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "image",
        "series_id": series,
        "series_unique_id": "01JD-A",
        "image_id": number,
        "real_time": [50_000, 50_000_000],
        "series_date": CBORTag(0, "2025-11-22T15:00:00.123456Z"),
        "start_time": [5_000_000_000, 50_000_000],
        "stop_time": [5_000_050_000, 50_000_000],
        "user_data": {},
        "data": dict(data),
    }


def v2_frame(series: int, number: int, pixels: Pixels, encoding: Encoding) -> Parts:
    return v2_message(v2_image_fields(series, number, {"threshold_1": v2_array(pixels, encoding)}))


def v2_end(end: ScanEnd) -> Parts:
    return v2_message({"type": "end", "series_id": end.series, "series_unique_id": end.scan_id})


V1_ENCODINGS = {Encoding.NONE: "<", Encoding.LZ4: "lz4<", Encoding.BSLZ4: "bs{bits}-lz4<"}


def v1_part(htype: str | None, **fields: Any) -> bytes:
    return json.dumps({**({"htype": htype} if htype else {}), **fields}, separators=(",", ":")).encode()


def v1_config(start: ScanStart) -> dict[str, Any]:
    center = start.calibration.beam_center_px or (0.0, 0.0)
    return {
        "beam_center_x": center[1],
        "beam_center_y": center[0],
        "bit_depth_image": 8 * np.dtype(start.pixel_type).itemsize,
        "count_time": 1e-3,
        "data_collection_date": "2025-11-22T15:00:00.123+01:00",
        "incident_energy": start.calibration.beam_energy_ev or 0.0,
        "nimages": 1,
        "ntrigger": start.frames_expected,
        "saturation_value": int(start.saturation or 0),
        "sensor_material": "Si",
        "trigger_mode": "exte",
        "x_pixels_in_detector": start.frame_shape[1],
        "y_pixels_in_detector": start.frame_shape[0],
    }


def v1_start(start: ScanStart) -> Parts:
    parts = [v1_part("dheader-1.0", header_detail="all", series=start.series), v1_part(None, **v1_config(start))]
    parts += [v1_part("dflatfield-1.0", shape=[], type="undefined"), b""]
    if start.pixel_mask is not None:
        bad = np.where(start.pixel_mask, 0, 8).astype(np.uint32)
        parts += [v1_part("dpixelmask-1.0", shape=[bad.shape[1], bad.shape[0]], type="uint32"), bad.tobytes()]
    told = {"scan_id": start.scan_id, "scan_shape": to_plain(start.scan_shape)}
    told |= {"calibration": to_plain(start.calibration), "metadata": to_plain(start.metadata)}
    return [*parts, json.dumps(told).encode()]


def v1_blob(pixels: Pixels, encoding: Encoding) -> bytes:
    """LZ4 goes over this wire as one bare block: cut out of a framing that has one."""
    return encode_lz4_block(pixels) if encoding is Encoding.LZ4 else PACKERS[encoding](pixels)


def v1_frame(series: int, number: int, pixels: Pixels, encoding: Encoding) -> Parts:
    blob, bits = v1_blob(pixels, encoding), 8 * pixels.itemsize
    described = {"shape": [pixels.shape[1], pixels.shape[0]], "type": pixels.dtype.name, "size": len(blob)}
    return [
        v1_part("dimage-1.0", frame=number, hash="2c68ca550c9ffa44e6beadad7e9be5fd", series=series),
        v1_part("dimage_d-1.0", encoding=V1_ENCODINGS[encoding].format(bits=bits), **described),
        blob,
        v1_part("dconfig-1.0", real_time=999999900, start_time=2896044831605460, stop_time=2896045831605360),
    ]


def v1_end(end: ScanEnd) -> Parts:
    return [v1_part("dseries_end-1.0", series=end.series)]


SENDERS: dict[str, Sender] = {
    "native": Sender(encode_start, native_frame, encode_end),
    "dectris-v2": Sender(lambda start: v2_message(v2_start_fields(start)), v2_frame, v2_end),
    "dectris-v1": Sender(v1_start, v1_frame, v1_end, names_the_scan=False, optional_parts=3, knows_floats=False),
}


@dataclass(frozen=True)
class V2:
    """What Stream V2 messages are made from."""

    message: Callable[[Mapping[str, Any]], Parts] = v2_message
    array: Callable[..., CBORTag] = v2_array
    start_fields: Callable[[ScanStart], dict[str, Any]] = v2_start_fields
    image_fields: Callable[[int, int, Mapping[str, Any]], dict[str, Any]] = v2_image_fields


@dataclass(frozen=True)
class V1:
    """What Stream V1 messages are made from."""

    part: Callable[..., bytes] = v1_part
    config: Callable[[ScanStart], dict[str, Any]] = v1_config
    frame: Callable[[int, int, Pixels, Encoding], Parts] = v1_frame


@pytest.fixture(scope="session")
def v1() -> V1:
    return V1()


@pytest.fixture(scope="session")
def senders() -> dict[str, Sender]:
    return SENDERS


@pytest.fixture(scope="session")
def v2() -> V2:
    return V2()


@pytest.fixture(scope="session")
def packers() -> dict[Encoding, Callable[[Pixels], bytes]]:
    return PACKERS


@pytest.fixture(scope="session")
def views() -> Callable[[Sequence[bytes]], list[memoryview]]:
    return lambda parts: [memoryview(part) for part in parts]


@pytest.fixture(scope="session")
def announced() -> ScanStart:
    """A start that says everything it can."""
    mask = np.ones((33, 97), np.bool_)
    mask[3, 5] = False
    return ScanStart(
        scan_id="01JD-A",
        series=7,
        frame_shape=(33, 97),
        pixel_type="uint16",
        frames_expected=12,
        scan_shape=(3, 4),
        saturation=65_000.0,
        channels=("threshold_1",),
        calibration=Calibration(0.5, 20.0, (15.5, 48.25), 12.0, (0.1, 0.2), -1.5, True, 2e5),
        pixel_mask=mask,
        metadata={"sample": "SrTiO₃", "tilt": [0, -1.5, None], "nested": {"ok": True}},
    )


@pytest.fixture(scope="session")
def counts() -> Callable[[str], Pixels]:
    """A 33 x 97 frame of low-dose counts in a pixel type, one pixel without data (the type's maximum)."""

    def make(pixel_type: str) -> Pixels:
        pixels = np.random.default_rng(1).poisson(0.7, (33, 97)).astype(pixel_type)
        top = np.inf if pixel_type == "float32" else np.iinfo(pixels.dtype).max
        pixels[7, 11] = top
        return pixels

    return make
