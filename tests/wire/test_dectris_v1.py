"""Stream V1: parts, encodings, header details, and a recorded session of a real detector."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from stream_rrvae.errors import WireError
from stream_rrvae.messages import Calibration, Encoding, Frame, Message, Refusal, ScanEnd, ScanStart
from stream_rrvae.wire.dectris_v1 import DectrisV1Protocol
from stream_rrvae.wire.pixels import decode_pixels, encode_bslz4, encode_lz4_block

if TYPE_CHECKING:
    from tests.wire.conftest import V1

Views = Callable[[Sequence[bytes]], list[memoryview]]
SESSION = Path(__file__).resolve().parents[3] / "shared" / "data" / "dectris_v1_eiger1m"
PARTS_OF = {"dheader-1.0": 8, "dimage-1.0": 4, "dseries_end-1.0": 1}
NO_DATA = 2**32 - 1
PLAIN_START = ScanStart("series-7", 7, (3, 4), "uint16", 12)
PIXELS = np.arange(12, dtype=np.uint16).reshape(3, 4)


def head(v1: V1, detail: str, series: int = 7) -> bytes:
    return v1.part("dheader-1.0", header_detail=detail, series=series)


Start = Callable[..., ScanStart]
Image = Callable[..., Frame]


@pytest.fixture
def start(v1: V1, views: Views) -> Start:
    """Decodes a header of detail "basic" with changes to its configuration (... = absent) and further parts."""

    def run(*more: bytes, channel: str | None = None, **changes: Any) -> ScanStart:
        config = {**v1.config(PLAIN_START), "data_collection_date": ..., **changes}
        present = {key: value for key, value in config.items() if value is not ...}
        parts = [head(v1, "basic"), v1.part(None, **present), *more]
        (found,) = DectrisV1Protocol(channel).decode(views(parts))
        assert isinstance(found, ScanStart)
        return found

    return run


@pytest.fixture
def image(v1: V1, views: Views) -> Image:
    """Decodes an image of series 7, number 5, with changes to the description of its pixels or other pixels."""

    def run(blob: bytes | None = None, *, parts: int = 4, first: dict[str, Any] | None = None, **changes: Any) -> Frame:
        whole = v1.frame(7, 5, PIXELS, Encoding.NONE)
        blob = whole[2] if blob is None else blob
        told = {**json.loads(whole[1]), "size": len(blob), **changes}
        described = json.dumps({key: value for key, value in told.items() if value is not ...}).encode()
        number = json.dumps({**json.loads(whole[0]), **(first or {})}).encode()
        decoder = DectrisV1Protocol()
        decoder.decode(views([head(v1, "basic"), v1.part(None, **v1.config(PLAIN_START))]))
        (frame,) = decoder.decode(views([number, described, blob, whole[3], b"{}", b"{}"][:parts]))
        assert isinstance(frame, Frame)
        return frame

    return run


@pytest.fixture(scope="session")
def session() -> list[bytes]:
    """The message parts of a recorded session, where the checkout has it beside itself."""
    if not SESSION.is_dir():
        pytest.skip(f"NOT CHECKED against a recorded session: {SESSION} is not there")
    return [file.read_bytes() for file in sorted(SESSION.iterdir())]


def test_a_recorded_session_decodes(session: list[bytes], views: Views) -> None:
    decoder, found, at = DectrisV1Protocol(), list[Message](), 0
    while at < len(session):
        count = PARTS_OF[json.loads(session[at])["htype"]]
        found += decoder.decode(views(session[at : at + count]))
        at += count
    assert [type(message) for message in found] == 2 * [ScanStart, *[Frame] * 10, ScanEnd]
    for series, messages in ((71, found[:12]), (72, found[12:])):
        begin, *frames, _ = messages
        assert isinstance(begin, ScanStart)
        assert (begin.series, begin.frame_shape, begin.pixel_type) == (series, (1062, 1028), "uint32")
        assert begin.frames_expected == 10
        assert begin.scan_id.startswith(f"series-{series}-2022-01-20T20:")
        assert begin.metadata["detector"]["description"] == "Dectris EIGER2 Si 1M"
        for number, frame in enumerate(frames):
            assert isinstance(frame, Frame)
            assert (frame.series, frame.number) == (series, number)
            pixels = decode_pixels(frame)
            gap = (pixels == NO_DATA).all(axis=1)
            assert gap.sum() == 38  # between the two modules
            assert pixels[pixels != NO_DATA].max() < 1_702_012  # its count-rate cut-off


@pytest.mark.parametrize("pixel_type", ["uint8", "uint16", "uint32"])
def test_dashes_and_signs_of_the_encoding_may_be_left_out(image: Image, pixel_type: str) -> None:
    pixels, bits = PIXELS.astype(pixel_type), 8 * np.dtype(pixel_type).itemsize
    packed = {f"bs{bits}-lz4<": encode_bslz4, f"bs{bits}lz4": encode_bslz4, "lz4": encode_lz4_block}
    for name, pack in packed.items():
        frame = image(pack(pixels), encoding=name, type=pixel_type)
        np.testing.assert_array_equal(decode_pixels(frame), pixels)
    np.testing.assert_array_equal(decode_pixels(image(pixels.tobytes(), encoding="", type=pixel_type)), pixels)


def test_big_endian_bytes_are_their_own_reverse_only_in_8_bit(image: Image) -> None:
    pixels = PIXELS.astype(np.uint8)
    np.testing.assert_array_equal(decode_pixels(image(pixels.tobytes(), encoding=">", type="uint8")), pixels)
    with pytest.raises(WireError) as refused:
        image(encoding=">")
    assert refused.value.reason is Refusal.ENCODING


def test_floats_are_refused_with_the_stream_that_has_them(image: Image) -> None:
    with pytest.raises(WireError, match="dectris-v2") as refused:
        image(PIXELS.astype(np.float32).tobytes(), encoding="<", type="float32")
    assert (refused.value.reason, refused.value.frame_number) == (Refusal.PIXEL_TYPE, 5)


def test_width_comes_before_height(image: Image) -> None:
    assert image(shape=[4, 3]).shape == (3, 4)


def test_an_empty_frame_header_is_filled_in(image: Image) -> None:
    frame = image(bytes(12) + encode_bslz4(PIXELS)[12:], encoding="bs16-lz4<")
    np.testing.assert_array_equal(decode_pixels(frame), PIXELS)


def test_an_image_may_have_an_appendix(image: Image) -> None:
    np.testing.assert_array_equal(decode_pixels(image(parts=5)), PIXELS)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"parts": 3}, Refusal.PARTS),
        ({"parts": 6}, Refusal.PARTS),
        ({"parts": 1}, Refusal.PARTS),
        ({"htype": "dimage_d-2.0"}, Refusal.TYPE),
        ({"shape": [4]}, Refusal.SHAPE),
        ({"shape": [0, 3]}, Refusal.SHAPE),
        ({"shape": [8193, 1]}, Refusal.SHAPE),
        ({"shape": "4x3"}, Refusal.SHAPE),
        ({"shape": [4.0, 3]}, Refusal.TYPE),
        ({"shape": [5, 3]}, Refusal.SIZE),
        ({"shape": ...}, Refusal.FIELD),
        ({"type": "uint64"}, Refusal.PIXEL_TYPE),
        ({"type": 16}, Refusal.TYPE),
        ({"type": "uint8"}, Refusal.SIZE),
        ({"size": 23}, Refusal.SIZE),
        ({"size": "24"}, Refusal.TYPE),
        ({"encoding": "zstd<"}, Refusal.ENCODING),
        ({"encoding": "bs16<"}, Refusal.ENCODING),
        ({"encoding": "bs32-lz4<"}, Refusal.PIXEL_TYPE),
        ({"encoding": "lz4<" * 100}, Refusal.FIELD),
        ({"encoding": ...}, Refusal.FIELD),
        ({"blob": bytes(9), "encoding": "lz4<", "shape": [8192, 8192]}, Refusal.SIZE),
        ({"blob": b"", "encoding": "bs16-lz4<"}, Refusal.SIZE),
        ({"padding": "x" * 5000}, Refusal.HEADER),
    ],
)
def test_bad_images_are_refused_and_named(image: Image, changes: dict[str, Any], reason: Refusal) -> None:
    with pytest.raises(WireError) as refused:
        image(**changes)
    assert (refused.value.reason, refused.value.frame_number) == (reason, 5)


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        ({"frame": -1}, Refusal.FIELD),
        ({"frame": 1.5}, Refusal.TYPE),
        ({"frame": 2**63}, Refusal.FIELD),
        ({"series": None}, Refusal.TYPE),
        ({"htype": "dimage-2.0"}, Refusal.TYPE),
        ({"htype": 5}, Refusal.TYPE),
    ],
)
def test_images_that_do_not_say_which_they_are(image: Image, first: dict[str, Any], reason: Refusal) -> None:
    with pytest.raises(WireError) as refused:
        image(first=first)
    assert (refused.value.reason, refused.value.frame_number) == (reason, None)


@pytest.mark.parametrize(
    "text",
    [b"[]", b"5", b'{"a":1} {"b":2}', b'{"a":NaN}', b'{"a":-Infinity}', b"\xff\xfe", b"{" * 60_000, b'{"a":' * 9_000,
     b'{"series":' + b"9" * 5000 + b"}", b"x" * 70_000],
)  # fmt: skip
def test_malformed_json_is_refused(text: bytes, views: Views) -> None:
    with pytest.raises(WireError) as refused:
        DectrisV1Protocol().decode(views([text]))
    assert refused.value.reason is Refusal.HEADER


def test_only_what_is_needed(start: Start, v1: V1) -> None:
    needed = {"bit_depth_image", "nimages", "ntrigger", "x_pixels_in_detector", "y_pixels_in_detector"}
    bare = start(**{key: ... for key in v1.config(PLAIN_START) if key not in needed})
    assert replace(bare, metadata={}) == replace(PLAIN_START, channels=("threshold_1",))
    for name in sorted(needed):
        with pytest.raises(WireError) as refused:
            start(**{name: ...})
        assert refused.value.reason is Refusal.FIELD


@pytest.mark.parametrize(
    ("mode", "frames"), [("exte", 6), ("inte", 6), ("exts", 30), ("ints", 30), ("a newer one", 30), (..., 30)]
)
def test_how_many_frames_come_depends_on_the_trigger(start: Start, mode: Any, frames: int) -> None:
    assert start(trigger_mode=mode, ntrigger=6, nimages=5).frames_expected == frames


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"bit_depth_image": 12}, Refusal.PIXEL_TYPE),
        ({"x_pixels_in_detector": 8193}, Refusal.FIELD),
        ({"y_pixels_in_detector": "3"}, Refusal.TYPE),
        ({"ntrigger": 0}, Refusal.FIELD),
        ({"ntrigger": 2**20, "nimages": 2**20, "trigger_mode": "ints"}, Refusal.FIELD),
        ({"ntrigger": True}, Refusal.TYPE),
    ],
)
def test_headers_that_make_no_sense_are_refused(start: Start, changes: dict[str, Any], reason: Refusal) -> None:
    with pytest.raises(WireError) as refused:
        start(**changes)
    assert refused.value.reason is reason


def test_another_channel_is_not_to_be_had(start: Start) -> None:
    assert start(channel="threshold_1").channels == ("threshold_1",)
    with pytest.raises(WireError) as refused:
        start(channel="threshold_2")
    assert refused.value.reason is Refusal.CHANNEL


def test_the_appendix_comes_after_the_tables(start: Start, v1: V1) -> None:
    appendix = b'{"scan_shape": [4, 3], "scan_id": "mine/7", "calibration": {"mrad_per_px": 2}}'
    table = (v1.part("dcountrate_table-1.0", shape=[2, 1], type="float32"), bytes(8))
    for parts in ((appendix,), (*table, appendix)):
        found = start(*parts)
        assert (found.scan_id, found.scan_shape) == ("mine_7", (4, 3))
        assert found.calibration == Calibration(mrad_per_px=2.0)


@pytest.mark.parametrize("appendix", [b"the operator's own words", b"\xff\xfe\xfd", b'{"scan_id": 5}'])
def test_a_wrong_appendix_is_left_out_and_said(start: Start, appendix: bytes) -> None:
    found = start(appendix)
    assert found.metadata["appendix_error"]
    assert found.scan_id == "series-7"


def test_masks_that_do_not_fit_are_left_out_and_said(start: Start, v1: V1) -> None:
    good = np.zeros((3, 4), np.uint32)
    good[1, 2] = 1 << 31
    usable = start(v1.part("dpixelmask-1.0", shape=[4, 3], type="uint32"), good.tobytes()).pixel_mask
    np.testing.assert_array_equal(usable, good == 0)
    for changes, content in (
        ({"shape": [3, 4]}, good.tobytes()),
        ({"shape": [8192, 8192]}, good.tobytes()),
        ({"type": "undefined"}, good.tobytes()),
        ({}, good.tobytes()[:-1]),
        ({}, np.ones((3, 4), np.uint32).tobytes()),
    ):
        told = {"shape": [4, 3], "type": "uint32", **changes}
        found = start(v1.part("dpixelmask-1.0", **told), content)
        assert found.pixel_mask is None
        assert found.metadata["ignored_fields"][0].startswith("pixel_mask")
    assert start(v1.part("dpixelmask-1.0", shape=[], type="undefined"), b"").metadata.get("ignored_fields") is None


def test_a_header_of_too_many_parts_is_refused(start: Start) -> None:
    with pytest.raises(WireError) as refused:
        start(*[b"{}"] * 8)
    assert refused.value.reason is Refusal.PARTS


def test_without_configuration_the_first_image_completes_the_header(v1: V1, views: Views) -> None:
    decoder = DectrisV1Protocol()
    assert not decoder.decode(views([head(v1, "none"), b'{"scan_shape": [4, 3]}']))
    bad = v1.frame(7, 0, PIXELS, Encoding.NONE)
    with pytest.raises(WireError) as refused:
        decoder.decode(views([*bad[:2], bad[2][1:], bad[3]]))
    assert refused.value.frame_number == 0
    begin, frame = decoder.decode(views(v1.frame(7, 1, PIXELS, Encoding.NONE)))
    assert isinstance(begin, ScanStart) and isinstance(frame, Frame)
    assert (begin.frame_shape, begin.pixel_type, begin.frames_expected) == ((3, 4), "uint16", 12)
    assert [type(found) for found in decoder.decode(views(v1.frame(7, 2, PIXELS, Encoding.NONE)))] == [Frame]


def test_neither_configuration_nor_scan_shape_is_too_little(v1: V1, views: Views) -> None:
    for parts in ([head(v1, "none")], [head(v1, "none"), b"{}"]):
        with pytest.raises(WireError, match="header_appendix") as refused:
            DectrisV1Protocol().decode(views(parts))
        assert refused.value.reason is Refusal.FIELD


def test_a_header_may_come_in_two_messages(v1: V1, views: Views) -> None:
    decoder, config = DectrisV1Protocol(), v1.part(None, **v1.config(PLAIN_START))
    assert not decoder.decode(views([head(v1, "basic")]))
    (begin,) = decoder.decode(views([config]))
    assert isinstance(begin, ScanStart) and begin.frames_expected == 12
    with pytest.raises(WireError):  # a configuration belongs to the header just before it
        decoder.decode(views([config]))


def test_the_end_is_one_part(v1: V1, views: Views) -> None:
    end = v1.part("dseries_end-1.0", series=7)
    assert list(DectrisV1Protocol().decode(views([end]))) == [ScanEnd(7)]
    with pytest.raises(WireError) as refused:
        DectrisV1Protocol().decode(views([end, b""]))
    assert refused.value.reason is Refusal.PARTS
