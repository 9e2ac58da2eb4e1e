"""What is sent is what our receiver, and for Stream V2 an independent CBOR library, reads."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import cbor2
import numpy as np
import pytest

from detector_sim.detector import detector_model
from detector_sim.encoding import encode_frame
from detector_sim.launch import FORMATS
from detector_sim.message_format import MessageFormat, Parts
from detector_sim.send_dectris_v1 import DectrisV1Format
from detector_sim.send_dectris_v2 import DectrisV2Format
from detector_sim.send_native import NativeFormat
from detector_sim.settings import SimulationSettings
from detector_sim.simulation import Simulation
from stream_rrvae.messages import PIXEL_TYPES, Encoding, Frame, Message, ScanEnd, ScanStart
from stream_rrvae.wire.pixels import decode_pixels
from stream_rrvae.wire.registry import protocol

SETTINGS = SimulationSettings(
    detector=detector_model("16x24:uint16"), scan_shape=(3, 4), rotation_deg=20.0, dead_pixels=3
)
every_protocol = pytest.mark.parametrize("name", list(FORMATS))


def decoded(name: str, *messages: Parts) -> list[Message]:
    receiver = protocol(name, None, 1 << 24)
    return [found for parts in messages for found in receiver.decode([memoryview(part) for part in parts])]


def announced(form: MessageFormat, **changes: Any) -> tuple[ScanStart, Parts]:
    start = Simulation(replace(SETTINGS, **changes)).start(7, "sim-7")
    return start, form.start(start)


@every_protocol
def test_the_announcement_arrives_whole(name: str) -> None:
    sent, parts = announced(FORMATS[name]())
    (start,) = decoded(name, parts)
    assert isinstance(start, ScanStart)
    for field in ("scan_id", "series", "frame_shape", "pixel_type", "frames_expected", "scan_shape", "saturation"):
        assert getattr(start, field) == getattr(sent, field)
    assert start.calibration == sent.calibration
    assert start.pixel_mask is not None
    assert np.array_equal(start.pixel_mask, np.asarray(sent.pixel_mask))
    assert start.metadata["specimen"] == "graphene"


@every_protocol
def test_a_silent_announcement_tells_no_geometry(name: str) -> None:
    (start,) = decoded(name, announced(FORMATS[name](), announce="nothing")[1])
    assert isinstance(start, ScanStart)
    assert start.scan_shape is None
    assert start.calibration.mrad_per_px is None
    assert start.frames_expected == 12


@pytest.mark.parametrize("encoding", list(Encoding))
@pytest.mark.parametrize(
    ("name", "pixel_type"),
    [(name, kind) for name in FORMATS for kind in PIXEL_TYPES if (name, kind) != ("dectris-v1", "float32")],
)
def test_pixels_arrive_unchanged(name: str, encoding: Encoding, pixel_type: str) -> None:
    form = FORMATS[name]()
    _, start = announced(form, detector=detector_model(f"16x24:{pixel_type}"), encoding=encoding)
    pixels = np.random.default_rng(2).integers(0, 200, (16, 24)).astype(pixel_type)
    _, frame = decoded(name, start, form.frames([encode_frame(5, pixels, encoding)]))
    assert isinstance(frame, Frame)
    assert (frame.number, frame.series, frame.encoding) == (5, 7, encoding)
    assert np.array_equal(decode_pixels(frame), pixels)


@every_protocol
def test_the_end_names_the_scan(name: str) -> None:
    form = FORMATS[name]()
    (end,) = decoded(name, announced(form)[1], form.end())[1:]
    assert isinstance(end, ScanEnd)
    assert (end.series, end.scan_id or "sim-7") == (7, "sim-7")


def test_native_packs_many_frames_into_a_message() -> None:
    form = NativeFormat()
    start = announced(form)[1]
    frames = [encode_frame(n, np.full((16, 24), n, np.uint16), Encoding.BSLZ4) for n in range(form.largest_batch)]
    found = decoded("native", start, form.frames(frames))[1:]
    assert [frame.number for frame in found if isinstance(frame, Frame)] == list(range(64))
    assert all(isinstance(f, Frame) and (decode_pixels(f) == f.number).all() for f in found)


def test_stream_v2_images_are_the_cbor_that_dectris_documents() -> None:
    form = DectrisV2Format()
    announced(form)
    pixels = np.arange(16 * 24, dtype=np.uint16).reshape(16, 24)
    (message,) = form.frames([encode_frame(3, pixels, Encoding.NONE)])
    assert message[:3] == b"\xd9\xd9\xf7"
    image = dict(cbor2.loads(message))
    assert next(iter(image)) == "type"
    assert (image["type"], image["series_id"], image["series_unique_id"], image["image_id"]) == ("image", 7, "sim-7", 3)
    assert set(image) == {
        "type", "series_id", "series_unique_id", "series_date", "real_time", "user_data", "image_id", "start_time",
        "stop_time", "data",
    }  # fmt: skip
    array = image["data"]["threshold_1"]
    assert array.tag == 40
    assert list(array.value[0]) == [16, 24]
    assert array.value[1].tag == 69
    assert np.array_equal(np.frombuffer(array.value[1].value, "<u2").reshape(16, 24), pixels)


def test_stream_v2_compression_is_announced_by_its_tag() -> None:
    form = DectrisV2Format()
    announced(form)
    frame = encode_frame(3, np.zeros((16, 24), np.uint16), Encoding.BSLZ4)
    compressed = cbor2.loads(form.frames([frame])[0])["data"]["threshold_1"].value[1].value
    assert compressed.tag == 56500
    assert list(compressed.value) == ["bslz4", 2, frame.payload]


def test_stream_v1_without_anything_to_tell_has_the_two_parts_of_a_basic_header() -> None:
    form = DectrisV1Format()
    _, (first, config) = announced(form, announce="nothing", dead_pixels=0)
    assert json.loads(first) == {"htype": "dheader-1.0", "header_detail": "basic", "series": 7}
    needed = {"ntrigger": 12, "nimages": 1, "trigger_mode": "exte", "bit_depth_image": 16}
    assert json.loads(config).items() >= needed.items()


def test_stream_v1_images_are_the_parts_that_dectris_documents() -> None:
    form = DectrisV1Format()
    announced(form)
    frame = encode_frame(3, np.zeros((16, 24), np.uint16), Encoding.BSLZ4)
    image, described, payload, times = form.frames([frame])
    assert json.loads(image) | {"hash": ""} == {"htype": "dimage-1.0", "frame": 3, "hash": "", "series": 7}
    assert json.loads(described) == {
        "htype": "dimage_d-1.0", "encoding": "bs16-lz4<", "shape": [24, 16], "size": len(payload), "type": "uint16",
    }  # fmt: skip
    assert payload == frame.payload
    assert set(json.loads(times)) == {"htype", "start_time", "stop_time", "real_time"}
    assert json.loads(form.end()[0]) == {"htype": "dseries_end-1.0", "series": 7}
