"""Stream V2 images: the choice of the channel, and arrays that are not what they say."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import cbor2
import numpy as np
import pytest
from cbor2 import CBORTag

from stream_rrvae.errors import WireError
from stream_rrvae.messages import Encoding, Frame, Refusal, ScanStart
from stream_rrvae.wire.dectris_v2 import DectrisV2Protocol
from stream_rrvae.wire.pixels import decode_pixels, encode_bslz4

if TYPE_CHECKING:
    from tests.wire.conftest import V2

Views = Callable[[list[bytes]], list[memoryview]]
CHANNELS = ("difference", "threshold_2", "threshold_1")
PIXELS = np.arange(12, dtype=np.uint16).reshape(3, 4)


@pytest.fixture
def decode(v2: V2, views: Views) -> Callable[..., Frame]:
    def run(
        data: Any, channel: str | None = None, announced: tuple[str, ...] = ("threshold_1",), **changes: Any
    ) -> Frame:
        decoder = DectrisV2Protocol(channel)
        if announced:
            start = v2.start_fields(ScanStart("a", 7, (3, 4), "uint16", 12, channels=announced))
            decoder.decode(views(v2.message(start)))
        fields = {**v2.image_fields(7, 5, {}), "data": data, **changes}
        (frame,) = decoder.decode(views(v2.message({k: v for k, v in fields.items() if v is not ...})))
        assert isinstance(frame, Frame)
        return frame

    return run


Decode = Callable[..., Frame]


@pytest.mark.parametrize(
    ("wanted", "announced", "chosen"),
    [
        (None, CHANNELS, "threshold_1"),
        (None, (), "threshold_1"),
        ("difference", CHANNELS, "difference"),
        ("difference", (), "difference"),
        (None, ("difference", "threshold_2"), "difference"),
        (None, ("threshold_2",), "threshold_2"),
    ],
)
def test_one_channel_is_chosen_and_stays(
    decode: Decode, v2: V2, wanted: str | None, announced: tuple[str, ...], chosen: str
) -> None:
    data = {name: v2.array(np.full((3, 4), number, np.uint16)) for number, name in enumerate(CHANNELS)}
    frame = decode(data, wanted, announced)
    assert (decode_pixels(frame) == CHANNELS.index(chosen)).all()


def test_an_image_without_the_chosen_channel_is_refused_by_name(decode: Decode, v2: V2) -> None:
    with pytest.raises(WireError) as refused:
        decode({"threshold_1": v2.array(PIXELS)}, announced=("threshold_2", "difference"))
    assert (refused.value.reason, refused.value.frame_number) == (Refusal.CHANNEL, 5)


def test_pixels_without_data_stay_what_they_are(decode: Decode, v2: V2) -> None:
    for dtype in (np.uint8, np.uint16, np.uint32):
        pixels = np.full((3, 4), np.iinfo(dtype).max, dtype)
        np.testing.assert_array_equal(decode_pixels(decode({"threshold_1": v2.array(pixels, Encoding.BSLZ4)})), pixels)


def test_the_modifier_of_lz4_means_nothing(decode: Decode, v2: V2) -> None:
    array = v2.array(PIXELS, Encoding.LZ4)
    algorithm, _, payload = array.value[1].value.value
    array.value[1].value.value[:] = [algorithm, 77, payload]
    np.testing.assert_array_equal(decode_pixels(decode({"threshold_1": array})), PIXELS)


def multi_dim(shape: Any, tag: int, content: Any) -> CBORTag:
    return CBORTag(40, [shape, CBORTag(tag, content)])


def packed(algorithm: Any, modifier: Any, payload: Any) -> CBORTag:
    return CBORTag(56500, [algorithm, modifier, payload])


PAYLOAD = encode_bslz4(PIXELS)
BAD_ARRAYS: list[tuple[Any, Refusal]] = [
    (5, Refusal.TYPE),
    (b"raw", Refusal.TYPE),
    (CBORTag(69, PIXELS.tobytes()), Refusal.TYPE),
    (CBORTag(40, b""), Refusal.TYPE),
    (CBORTag(40, [[3, 4]]), Refusal.TYPE),
    (CBORTag(40, [[3, 4], PIXELS.tobytes()]), Refusal.PIXEL_TYPE),
    (multi_dim([3, 4], 40, [[3, 4], b""]), Refusal.PIXEL_TYPE),
    (multi_dim([12], 69, PIXELS.tobytes()), Refusal.SHAPE),
    (multi_dim([3, 4, 1], 69, PIXELS.tobytes()), Refusal.SHAPE),
    (multi_dim([-3, -4], 69, PIXELS.tobytes()), Refusal.SHAPE),
    (multi_dim([0, 4], 69, b""), Refusal.SHAPE),
    (multi_dim([3.0, 4], 69, PIXELS.tobytes()), Refusal.TYPE),
    (multi_dim([4, 4], 69, PIXELS.tobytes()), Refusal.SIZE),
    (multi_dim([3, 4], 70, PIXELS.tobytes()), Refusal.SIZE),
    (multi_dim([3, 4], 69, [1, 2]), Refusal.TYPE),
    (multi_dim([3, 4], 69, None), Refusal.TYPE),
    (multi_dim([3, 4], 69, CBORTag(56500, [])), Refusal.TYPE),
    (multi_dim([3, 4], 69, CBORTag(56500, "bslz4")), Refusal.TYPE),
    (multi_dim([3, 4], 69, packed("zstd", 2, PAYLOAD)), Refusal.ENCODING),
    (multi_dim([3, 4], 69, packed("none", 0, PIXELS.tobytes())), Refusal.ENCODING),
    (multi_dim([3, 4], 69, packed(5, 2, PAYLOAD)), Refusal.ENCODING),
    (multi_dim([3, 4], 69, packed("bslz4", 4, PAYLOAD)), Refusal.PIXEL_TYPE),
    (multi_dim([3, 4], 69, packed("bslz4", "2", PAYLOAD)), Refusal.PIXEL_TYPE),
    (multi_dim([3, 4], 69, packed("bslz4", 2, "text")), Refusal.TYPE),
    (multi_dim([3, 4], 69, packed("bslz4", 2, PAYLOAD[:12])), Refusal.SIZE),
    (multi_dim([8192, 8192], 69, packed("bslz4", 2, PAYLOAD)), Refusal.SIZE),
    (CBORTag(40, [[3, 4], CBORTag(65, PIXELS.tobytes())]), Refusal.HEADER),  # big-endian, not of the format
    (CBORTag(1040, [[3, 4], CBORTag(69, PIXELS.tobytes())]), Refusal.HEADER),  # column-major
]


@pytest.mark.parametrize(("array", "reason"), BAD_ARRAYS)
def test_bad_arrays_are_refused_and_the_image_named(decode: Decode, array: Any, reason: Refusal) -> None:
    with pytest.raises(WireError) as refused:
        decode({"threshold_1": array})
    assert (refused.value.reason, refused.value.frame_number) == (reason, 5)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"data": ...}, Refusal.FIELD),
        ({"data": []}, Refusal.TYPE),
        ({"data": {}}, Refusal.CHANNEL),
        ({"image_id": ...}, Refusal.FIELD),
        ({"image_id": -1}, Refusal.FIELD),
        ({"image_id": 2**63}, Refusal.FIELD),
        ({"image_id": 1.0}, Refusal.TYPE),
        ({"series_id": "7"}, Refusal.TYPE),
        ({"series_id": ...}, Refusal.FIELD),
    ],
)
def test_images_that_make_no_sense_are_refused(
    decode: Decode, v2: V2, changes: dict[str, Any], reason: Refusal
) -> None:
    with pytest.raises(WireError) as refused:
        decode(**{"data": {"threshold_1": v2.array(PIXELS)}, **changes})
    assert refused.value.reason is reason
    assert refused.value.frame_number == (5 if "data" in changes else None)


def test_a_message_without_the_self_describing_tag_is_read_too(v2: V2) -> None:
    data = cbor2.dumps(v2.image_fields(7, 5, {"threshold_1": v2.array(PIXELS)}))
    (frame,) = DectrisV2Protocol().decode([memoryview(data)])
    assert isinstance(frame, Frame)
    np.testing.assert_array_equal(decode_pixels(frame), PIXELS)


def test_fields_of_newer_detectors_are_skipped(decode: Decode, v2: V2) -> None:
    newer = {"a": CBORTag(4711, [b"x", CBORTag(2, b"big"), {"deep": [[[[]]]]}]), "b": 1.5}
    frame = decode({"threshold_1": v2.array(PIXELS)}, user_data=newer, gain=newer)
    np.testing.assert_array_equal(decode_pixels(frame), PIXELS)


def test_the_limit_on_bytes(v2: V2, views: Views) -> None:
    message = v2.message(v2.image_fields(7, 5, {"threshold_1": v2.array(np.zeros((100, 100), np.uint8))}))
    DectrisV2Protocol(limit_bytes=10_000).decode(views(message))
    with pytest.raises(WireError) as refused:
        DectrisV2Protocol(limit_bytes=9_999).decode(views(message))
    assert refused.value.reason is Refusal.SIZE
