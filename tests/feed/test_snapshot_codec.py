"""What was sent arrives unchanged; whatever else arrives is a FeedError and nothing worse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields, replace
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stream_rrvae.errors import FeedError
from stream_rrvae.feed.array_codec import decode_map
from stream_rrvae.feed.codec import IMAGE_BYTES_LIMIT, PROTOCOL, VERSION, decode_snapshot, encode_snapshot
from stream_rrvae.feed.plain_msgpack import DEPTH_LIMIT, ITEMS_LIMIT
from stream_rrvae.messages import Snapshot

MakeSnapshot = Callable[[int, tuple[int, int]], Snapshot]


def as_plain(snapshot: Snapshot) -> dict[str, Any]:
    plain = msgpack.unpackb(encode_snapshot(snapshot))
    assert isinstance(plain, dict)
    return plain


def test_round_trip_keeps_every_field(make_snapshot: MakeSnapshot) -> None:
    sent = make_snapshot(4, (3, 2))
    got = decode_snapshot(encode_snapshot(sent))
    for field in fields(Snapshot):
        if field.name not in ("maps", "pattern", "mean_pattern", "health"):
            assert getattr(got, field.name) == getattr(sent, field.name), field.name
    assert got.health.rate_fps == 7980.0
    assert np.isnan(got.health.latency_p50_s)
    for name, image in sent.maps.items():
        np.testing.assert_array_equal(got.maps[name], image)
    assert sent.pattern is not None and got.pattern is not None
    np.testing.assert_array_equal(got.pattern, sent.pattern)
    assert sent.mean_pattern is not None and got.mean_pattern is not None
    np.testing.assert_array_equal(got.mean_pattern, sent.mean_pattern)


def test_idle_snapshot_without_images(make_snapshot: MakeSnapshot) -> None:
    sent = replace(make_snapshot(1, (3, 2)), scan_shape=(0, 0), maps={}, pattern=None, pattern_position=None)
    assert decode_snapshot(encode_snapshot(sent)).maps == {}


def test_images_of_other_types_and_strides_are_sent_as_float32(make_snapshot: MakeSnapshot) -> None:
    image: Any = np.arange(12, dtype=np.float64).reshape(4, 3)[::2]
    sent = replace(make_snapshot(1, (2, 3)), maps={"sum": image}, pattern_position=None)
    got = decode_snapshot(encode_snapshot(sent)).maps["sum"]
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, image)


def test_fields_of_a_newer_sender_are_ignored(make_snapshot: MakeSnapshot) -> None:
    plain = as_plain(make_snapshot(1, (3, 2))) | {"weather": "fine"}
    assert decode_snapshot(msgpack.packb(plain)).serial == 1


def _change(plain: dict[str, Any], path: str, value: Any) -> bytes:
    *parents, last = path.split(".")
    node = plain
    for name in parents:
        node = node[name]
    node[last] = value
    return bytes(msgpack.packb(plain))


def _deep(levels: int) -> list[Any]:
    nested: list[Any] = []
    for _ in range(levels):
        nested = [nested]
    return nested


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("p", "another"),
        ("v", VERSION + 1),
        ("serial", "one"),
        ("serial", True),
        ("state", "exploded"),
        ("scan_shape", [3]),
        ("scan_shape", [3, 2.5]),
        ("scan_shape", [3, 3]),
        ("published_unix_s", float("nan")),
        ("maps", []),
        ("maps.sum", None),
        ("maps.sum.dtype", "<f8"),
        ("maps.sum.dtype", "|O"),
        ("maps.sum.shape", [6]),
        ("maps.sum.shape", [-3, -2]),
        ("maps.sum.shape", [3, True]),
        ("maps.sum.shape", [1 << 30, 1 << 30]),
        ("maps.sum.shape", [2, 3]),
        ("maps.sum.bytes", b"123"),
        ("maps.sum.bytes", "123456789012345678901234"),
        ("maps.<script>", {"dtype": "<f4", "shape": [3, 2], "bytes": bytes(24)}),
        ("pattern.shape", [5, 5]),
        ("pattern_position", [3, 0]),
        ("pattern_position", [-1, 0]),
        ("units", ["counts"]),
        ("units.sum", 1),
        ("metadata", [1]),
        ("model.quality", [1]),
        ("model.quality.pearson", "good"),
        ("model.model", {"decoder": [1]}),
        ("counters.refusals", None),
        ("counters.refusals.size", "many"),
        ("counters", None),
        ("counters.missing", "none"),
        ("health.rate_fps", "fast"),
        ("instrument", b"bytes"),
        ("shard_count", 0),
        ("shard_id", 2),
        ("shard_lines", -1),
        ("path.passes", 0),
        ("path.frame_flyback", 1 << 40),
        ("path.within", [2, 2]),
        ("mean_pattern.bytes", b"123"),
        ("metadata.deep", _deep(DEPTH_LIMIT + 1)),
        ("metadata.long", [0] * (ITEMS_LIMIT + 1)),
        ("metadata.ext", msgpack.ExtType(5, b"x")),
        ("metadata.time", msgpack.Timestamp(1)),
    ],
)
def test_malformed_fields_are_refused(make_snapshot: MakeSnapshot, path: str, value: Any) -> None:
    with pytest.raises(FeedError):
        decode_snapshot(_change(as_plain(make_snapshot(1, (3, 2))), path, value))


OPTIONAL = {f.name for f in fields(Snapshot) if f.default is not MISSING or f.default_factory is not MISSING}


@pytest.mark.parametrize("name", [field.name for field in fields(Snapshot) if field.name not in OPTIONAL])
def test_absent_fields_are_refused(make_snapshot: MakeSnapshot, name: str) -> None:
    plain = as_plain(make_snapshot(1, (3, 2)))
    del plain[name]
    with pytest.raises(FeedError):
        decode_snapshot(msgpack.packb(plain))


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xc1",
        b"\x90",
        b"\x91" * 5000,  # nests without end
        b"\xdd\xff\xff\xff\xff",  # a list said to be 4 G long
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\x81\x01\x02",  # a key that is no text
        b"\x80\x80",  # more than one object
        msgpack.packb({"p": PROTOCOL, "v": VERSION}),
    ],
)
def test_malformed_messages_are_refused(message: bytes) -> None:
    with pytest.raises(FeedError):
        decode_snapshot(message)


@given(st.binary(max_size=200))
def test_any_bytes_give_a_snapshot_or_a_feed_error(message: bytes) -> None:
    with pytest.raises(FeedError):
        decode_snapshot(message)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255), keep=st.booleans())
def test_a_damaged_snapshot_gives_a_snapshot_or_a_feed_error(
    make_snapshot: MakeSnapshot, position: float, byte: int, keep: bool
) -> None:
    message = bytearray(encode_snapshot(make_snapshot(1, (3, 2))))
    index = int(position * len(message))
    message[index] = byte
    damaged = bytes(message) if keep else bytes(message[:index])
    try:
        assert isinstance(decode_snapshot(damaged), Snapshot)
    except FeedError:
        assert damaged != encode_snapshot(make_snapshot(1, (3, 2)))


def test_a_map_without_a_value_is_told_and_not_sent(make_snapshot: MakeSnapshot) -> None:
    good = make_snapshot(1, (64, 64))
    nothing = np.full((64, 64), np.nan, np.float32)
    message = encode_snapshot(replace(good, maps={**good.maps, "misfit": nothing}))
    assert len(message) < len(encode_snapshot(good)) + 200
    sent = decode_snapshot(message).maps["misfit"]
    np.testing.assert_array_equal(sent, nothing)
    assert sent.dtype == np.float32 and not sent.flags.writeable
    nothing[3, 5] = 1.0
    one = encode_snapshot(replace(good, maps={**good.maps, "misfit": nothing}))
    np.testing.assert_array_equal(decode_snapshot(one).maps["misfit"], nothing)


@pytest.mark.parametrize(("shape", "content"), [([3, 2], bytes(24)), ([3, 2], None), ([16384, 16384], b""), ([3], b"")])
def test_a_map_that_lies_about_holding_nothing_is_refused(
    make_snapshot: MakeSnapshot, shape: list[int], content: bytes | None
) -> None:
    image = {"dtype": "<f4", "shape": shape, "bytes": content, "nothing": True}
    with pytest.raises(FeedError):
        decode_snapshot(_change(as_plain(make_snapshot(1, (3, 2))), "maps.sum", image))
    with pytest.raises(FeedError, match=r"nothing|dimensions|shape"):
        decode_map("sum", image, IMAGE_BYTES_LIMIT)


def test_what_viewers_would_refuse_is_not_sent(make_snapshot: MakeSnapshot) -> None:
    good = make_snapshot(1, (3, 2))
    for bad in (
        replace(good, metadata={"object": object()}),
        replace(good, metadata={"huge": 2**80}),
        replace(good, scan_shape=(4, 4)),
        replace(good, maps={"sum": np.zeros(6, np.float32)}),
    ):
        with pytest.raises(FeedError):
            encode_snapshot(bad)
