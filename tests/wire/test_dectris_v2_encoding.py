"""Stream V2 as it is sent again: cbor2 and our own decoder read the same."""

from __future__ import annotations

import cbor2
import numpy as np
import pytest

from stream_rrvae.messages import Calibration, Encoding, Frame, ScanEnd, ScanStart
from stream_rrvae.wire.dectris_v2_encode import ImageEncoder, encode_end, encode_start
from stream_rrvae.wire.pixels import decode_pixels, encode_bslz4, encode_lz4, encode_raw
from stream_rrvae.wire.registry import protocol

ENCODERS = {Encoding.NONE: encode_raw, Encoding.BSLZ4: encode_bslz4, Encoding.LZ4: encode_lz4}


@pytest.fixture
def start() -> ScanStart:
    mask = np.ones((20, 30), np.bool_)
    mask[2, 3] = False
    known = Calibration(mrad_per_px=1.5, beam_center_px=(9.5, 14.0), detector_flip=True)
    return ScanStart(
        "again", 70_000, (20, 30), "uint16", 12, (3, 4), 4095.0, ("threshold_1",), known, mask,
        metadata={"specimen": "graphene"},
    )  # fmt: skip


def test_the_announcement_comes_back(start: ScanStart) -> None:
    (found,) = protocol("dectris-v2", None, 1 << 20).decode([memoryview(encode_start(start))])
    assert isinstance(found, ScanStart)
    for name in ("scan_id", "series", "frame_shape", "pixel_type", "frames_expected", "scan_shape", "saturation"):
        assert getattr(found, name) == getattr(start, name), name
    assert found.calibration == start.calibration
    assert found.metadata["specimen"] == "graphene"
    np.testing.assert_array_equal(found.pixel_mask, start.pixel_mask)


@pytest.mark.parametrize("encoding", Encoding)
@pytest.mark.parametrize("number", [0, 23, 24, 255, 256, 70_000, 1 << 33])
def test_frames_come_back(start: ScanStart, encoding: Encoding, number: int) -> None:
    decoder = protocol("dectris-v2", None, 1 << 20)
    decoder.decode([memoryview(encode_start(start))])
    pixels = np.random.default_rng(number).poisson(2.0, (20, 30)).astype(np.uint16)
    message = ImageEncoder(start).encode(number, encoding, memoryview(ENCODERS[encoding](pixels)))
    (frame,) = decoder.decode([memoryview(message)])
    assert isinstance(frame, Frame)
    assert (frame.number, frame.encoding, frame.series) == (number, encoding, 70_000)
    np.testing.assert_array_equal(decode_pixels(frame), pixels)
    plain = cbor2.loads(message)
    assert (plain["type"], plain["series_unique_id"], plain["image_id"]) == ("image", "again", number)
    assert cbor2.dumps(cbor2.CBORTag(55799, dict(plain)), canonical=False)[:12] == message[:12]


def test_the_end_comes_back(start: ScanStart) -> None:
    assert protocol("dectris-v2", None, 1 << 20).decode([memoryview(encode_end(start))]) == (ScanEnd(70_000, "again"),)
