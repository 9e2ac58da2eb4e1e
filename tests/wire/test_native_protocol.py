"""The native protocol: its page, its limits, batches."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import stream_rrvae.wire.native
from stream_rrvae.errors import WireError
from stream_rrvae.messages import Calibration, Encoding, Frame, Refusal, ScanEnd, ScanStart
from stream_rrvae.wire.native import NativeProtocol, encode_end, encode_frames, encode_start
from stream_rrvae.wire.pixels import decode_pixels, encode_bslz4
from tests.wire.native_messages import FRAMES, START, decode

Views = Callable[[list[bytes]], list[memoryview]]
PAGE = Path(stream_rrvae.wire.native.__file__).with_name("native_protocol.md")


def example(kind: str) -> list[memoryview]:
    found = re.search(rf"```{kind}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return [memoryview(bytes.fromhex(line)) for line in found.group(1).split()]


def test_the_examples_of_the_page_are_what_it_says() -> None:
    decoder = NativeProtocol()
    assert list(decoder.decode(example("start"))) == [ScanStart("demo-1", 7, (2, 3), "uint16", 4, scan_shape=(2, 2))]
    first, second = decoder.decode(example("frames"))
    assert isinstance(first, Frame) and isinstance(second, Frame)
    assert (first.number, second.number) == (0, 1)
    np.testing.assert_array_equal(decode_pixels(first), np.arange(6).reshape(2, 3))
    assert not decode_pixels(second).any()
    assert list(decoder.decode(example("end"))) == [ScanEnd(7, "demo-1")]
    pixels = [np.arange(6, dtype="<u2").tobytes(), bytes(12)]
    assert example("frames") == encode_frames(7, [0, 1], pixels, (2, 3), "uint16", Encoding.NONE)
    assert example("end") == encode_end(ScanEnd(7, "demo-1"))


def test_the_page_names_every_field_and_reason() -> None:
    page = PAGE.read_text(encoding="utf-8")
    fields = {*START, *FRAMES, *ScanStart.__dataclass_fields__, *Calibration.__dataclass_fields__} - {"pixel_mask"}
    reasons = {str(reason) for reason in Refusal} - {"channel"}
    assert [name for name in sorted(fields | reasons) if f"`{name}`" not in page] == []


def test_a_start_of_all_defaults() -> None:
    (start,) = decode(START)
    assert start == ScanStart("a", 1, (2, 3), "uint8", 4)


def test_unknown_keys_are_ignored() -> None:
    (start,) = decode({**START, "colour": "red", "calibration": {"mrad_per_px": 2, "mood": 1}})
    assert start.calibration == Calibration(mrad_per_px=2.0)
    (frame,) = decode({**FRAMES, "colour": "red"}, bytes(6))
    assert frame.number == 0


def test_many_frames_in_one_message(views: Views) -> None:
    frames = np.random.default_rng(2).poisson(1.0, (256, 16, 16)).astype(np.uint16)
    numbers = [*range(1000, 1256)]
    parts = encode_frames(3, numbers, [encode_bslz4(frame) for frame in frames], (16, 16), "uint16", Encoding.BSLZ4)
    received = NativeProtocol().decode(views(parts))
    assert [frame.number for frame in received if isinstance(frame, Frame)] == numbers
    for frame, sent in zip(received, frames, strict=True):
        assert isinstance(frame, Frame)
        np.testing.assert_array_equal(decode_pixels(frame), sent)


def test_one_bad_payload_costs_only_its_frame(views: Views) -> None:
    good = encode_bslz4(np.ones((16, 16), np.uint16))
    parts = encode_frames(3, [4, 5, 6], [good, good[:5], good], (16, 16), "uint16", Encoding.BSLZ4)
    first, bad, last = NativeProtocol().decode(views(parts))
    assert isinstance(first, Frame) and isinstance(bad, Frame) and isinstance(last, Frame)
    assert decode_pixels(first).sum() == decode_pixels(last).sum() == 256
    with pytest.raises(WireError) as refused:
        decode_pixels(bad)
    assert refused.value.frame_number == 5


def test_a_single_frame_of_the_wrong_size_is_refused_at_once_and_named(views: Views) -> None:
    decoder = NativeProtocol()
    decoder.decode(views(encode_start(ScanStart("a", 3, (2, 3), "uint8", 9))))
    with pytest.raises(WireError) as refused:
        decoder.decode(views(encode_frames(3, [8], [bytes(5)], (2, 3), "uint8", Encoding.NONE)))
    assert (refused.value.reason, refused.value.frame_number) == (Refusal.SIZE, 8)
    with pytest.raises(WireError) as several:
        decoder.decode(views(encode_frames(3, [7, 8], [bytes(6)] * 2, (0, 3), "uint8", Encoding.NONE)))
    assert several.value.frame_number is None


def test_the_limit_on_bytes_holds_for_parts_and_for_decoded_frames(views: Views) -> None:
    decoder = NativeProtocol(limit_bytes=1000)
    decoder.decode(views(encode_frames(1, [0], [bytes(900)], (30, 30), "uint8", Encoding.NONE)))
    for parts in (
        encode_frames(1, [0, 1], [bytes(900)] * 2, (30, 30), "uint8", Encoding.NONE),
        encode_frames(1, [0], [encode_bslz4(np.zeros((40, 40), np.uint8))], (40, 40), "uint8", Encoding.BSLZ4),
    ):
        with pytest.raises(WireError) as refused:
            decoder.decode(views(parts))
        assert refused.value.reason is Refusal.SIZE


def test_senders_cannot_write_what_no_receiver_takes() -> None:
    start = ScanStart("a", 1, (2, 3), "uint8", 4)
    with pytest.raises(WireError):
        encode_start(replace(start, metadata={"long": "a" * 70_000}))
    with pytest.raises(ValueError, match="256"):
        encode_frames(1, range(257), [b"123456"] * 257, (2, 3), "uint8", Encoding.NONE)
    largest = [2**63 - 256 + i for i in range(256)]
    header, _ = encode_frames(2**63 - 1, largest, [bytes(70_000)] * 256, (8192, 8192), "float32", Encoding.BSLZ4)
    assert len(header) <= 4096
