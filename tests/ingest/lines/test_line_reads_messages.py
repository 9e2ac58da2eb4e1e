"""What compiled loops take from the socket is what the decoder in Python makes of the same bytes, and never more."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import cbor2
import msgpack
import numpy as np
import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rrvae.config import IngestSettings
from stream_rrvae.ingest import lanes
from stream_rrvae.ingest.libzmq import find_calls
from stream_rrvae.ingest.line import QUICK, Line
from stream_rrvae.ingest.scan import OpenScan
from stream_rrvae.messages import Encoding, Frame
from stream_rrvae.wire.dectris_v2 import DectrisV2Protocol
from stream_rrvae.wire.native import NativeProtocol
from tests.ingest.lines.conftest import (
    LIMIT_BYTES,
    N_POSITIONS,
    PAYLOADS,
    SERIES,
    SHAPE,
    START,
    Bench,
    damaged,
    make_bench,
)


@pytest.fixture(params=["threshold_1", "threshold_2"])
def channel(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def dectris(encoding: Encoding, channel: str) -> Iterator[Bench]:
    yield from make_bench("dectris-v2", DectrisV2Protocol(channel, LIMIT_BYTES), encoding, channel)


@pytest.fixture
def native(encoding: Encoding) -> Iterator[Bench]:
    yield from make_bench("native", NativeProtocol(None, LIMIT_BYTES), encoding, None)


def array(encoding: Encoding, payload: bytes) -> cbor2.CBORTag:
    packed: Any = payload
    if encoding is not Encoding.NONE:
        packed = cbor2.CBORTag(56500, [encoding.value, 2 if encoding is Encoding.BSLZ4 else 0, payload])
    return cbor2.CBORTag(40, [list(SHAPE), cbor2.CBORTag(69, packed)])


def image_fields(encoding: Encoding, number: int) -> dict[str, Any]:
    data = {name: array(encoding, PAYLOADS[encoding]) for name in ("threshold_1", "threshold_2")}
    return {
        "type": "image",
        "series_id": SERIES,
        "series_unique_id": "01GQN4J8S3",
        "real_time": [100, 50_000_000],
        "series_date": cbor2.CBORTag(0, "2026-11-22T19:00:00Z"),
        "user_data": {"note": [1, None, -7, 2.5, True]},
        "image_id": number,
        "start_time": [number * 5000, 50_000_000],
        "data": data,
    }


def image(encoding: Encoding, number: int, **fields: Any) -> bytes:
    return bytes(cbor2.dumps(cbor2.CBORTag(55799, {**image_fields(encoding, number), **fields})))


def frames_message(packed: Encoding, at: list[int], **fields: Any) -> list[bytes]:
    payload = PAYLOADS[packed]
    given = {
        "p": "stream-rrvae",
        "v": 1,
        "t": "frames",
        "series": SERIES,
        "numbers": at,
        "sizes": [len(payload)] * len(at),
        "shape": list(SHAPE),
        "dtype": "uint16",
        "encoding": packed.value,
        "seq": at[0],
    }
    return [bytes(msgpack.packb({**given, **fields})), payload * len(at)]


def test_usual_images_are_taken_whatever_their_numbers(dectris: Bench, encoding: Encoding) -> None:
    for number in (0, 1, 23, 24, 255, 256, 65_535, 65_536, N_POSITIONS - 1, 5):
        assert dectris.check([image(encoding, number)])


def test_the_order_of_an_images_fields_does_not_matter(dectris: Bench, encoding: Encoding) -> None:
    content = image_fields(encoding, 9)
    shuffled = random.Random(0)
    for _ in range(50):
        names = list(content)
        shuffled.shuffle(names)
        assert dectris.check([bytes(cbor2.dumps({name: content[name] for name in names}))])


UNUSUAL_IMAGES: list[dict[str, Any]] = [
    {"type": "start"},
    {"type": "end"},
    {"series_id": SERIES + 1},
    {"series_id": -1},
    {"image_id": N_POSITIONS},
    {"image_id": 2**63},
    {"image_id": "9"},
    {"data": {}},
    {"data": {"another": array(Encoding.NONE, PAYLOADS[Encoding.NONE])}},
    {"data": {"threshold_1": b"", "threshold_2": b""}},
    {"data": None},
]


@pytest.mark.parametrize("fields", UNUSUAL_IMAGES, ids=str)
def test_other_images_are_given_back(dectris: Bench, encoding: Encoding, fields: dict[str, Any]) -> None:
    assert dectris.check([image(encoding, 3)])
    assert not dectris.check([image(encoding, 4, **fields)])
    assert dectris.check([image(encoding, 5)])


@pytest.mark.parametrize("wrong", ["shape", "type", "size", "element", "encoding"])
def test_arrays_that_do_not_fit_are_given_back(dectris: Bench, encoding: Encoding, wrong: str) -> None:
    payload = PAYLOADS[encoding]
    other = next(e for e in Encoding if e is not encoding)
    values = {
        "shape": cbor2.CBORTag(40, [[8, 6], array(encoding, payload).value[1]]),
        "type": cbor2.CBORTag(40, [list(SHAPE), cbor2.CBORTag(64, array(encoding, payload).value[1].value)]),
        "size": array(encoding, payload[:10]),
        "element": cbor2.CBORTag(40, [list(SHAPE), cbor2.CBORTag(69, cbor2.CBORTag(56500, ["bslz4", 4, payload]))]),
        "encoding": array(other, PAYLOADS[other]),
    }
    data = {"threshold_1": values[wrong], "threshold_2": values[wrong]}
    assert not dectris.check([image(encoding, 4, data=data)])


def test_an_image_with_a_key_twice_or_too_many_keys_is_given_back(dectris: Bench, encoding: Encoding) -> None:
    plain = image(encoding, 4)
    assert plain[3] == 0xA9
    twice = plain[:3] + b"\xaa" + plain[4:] + bytes(cbor2.dumps("series_id")) + b"\x07"
    assert not dectris.check([twice])
    assert not dectris.check([image(encoding, 4, **{f"more_{i}": i for i in range(30)})])
    assert dectris.check([image(encoding, 4, **{f"more_{i}": i for i in range(10)})])


def test_several_parts_are_given_back(dectris: Bench, encoding: Encoding) -> None:
    assert not dectris.check([image(encoding, 4), b"more"])
    assert not dectris.check([image(encoding, 4), b"more", b"and more"])
    assert dectris.check([image(encoding, 4)])


def test_a_message_over_the_limit_is_given_back(dectris: Bench, encoding: Encoding) -> None:
    assert not dectris.check([image(encoding, 4, user_data=bytes(3 * LIMIT_BYTES))])


@pytest.mark.parametrize("seed", range(3))
def test_damaged_images_are_never_misread(dectris: Bench, encoding: Encoding, seed: int) -> None:
    rng = random.Random(seed)
    taken = 0
    for number in range(1500):
        taken += dectris.check([damaged(image(encoding, number), rng)])
        assert number % 100 or dectris.check([image(encoding, number)])
    assert 0 < taken < 1500


@pytest.mark.parametrize("numbers", [[0], [N_POSITIONS - 1], [5, 4, 5], list(range(16)), list(range(250, 506))])
def test_usual_frames_messages_are_taken(native: Bench, encoding: Encoding, numbers: list[int]) -> None:
    fits = len(numbers) * len(PAYLOADS[encoding]) <= LIMIT_BYTES
    assert native.check(frames_message(encoding, numbers)) == fits


UNUSUAL_FRAMES: list[dict[str, Any]] = [
    {"p": "another"},
    {"v": 2},
    {"v": True},
    {"t": "end"},
    {"t": "start"},
    {"series": SERIES + 1},
    {"numbers": [1, N_POSITIONS]},
    {"numbers": [1]},
    {"numbers": []},
    {"numbers": 1},
    {"sizes": [1, 1]},
    {"sizes": [0, 1]},
    {"shape": [8, 6]},
    {"shape": [6]},
    {"dtype": "uint8"},
    {"encoding": "gzip"},
    {"seq": -1},
    {"more": 1},
]


@pytest.mark.parametrize("fields", UNUSUAL_FRAMES, ids=str)
def test_other_frames_messages_are_given_back(native: Bench, encoding: Encoding, fields: dict[str, Any]) -> None:
    assert native.check(frames_message(encoding, [1, 2]))
    assert not native.check(frames_message(encoding, [1, 2], **fields))
    assert native.check(frames_message(encoding, [1, 2]))


def test_another_number_of_parts_is_given_back(native: Bench, encoding: Encoding) -> None:
    header, payload = frames_message(encoding, [1])
    assert not native.check([header])
    assert not native.check([header, payload, b"more"])
    assert not native.check([header, payload, b"more", b"and more"])
    assert native.check([header, payload])


@pytest.mark.parametrize("seed", range(3))
def test_damaged_headers_are_never_misread(native: Bench, encoding: Encoding, seed: int) -> None:
    rng = random.Random(seed)
    taken = 0
    for number in range(1500):
        header, payload = frames_message(encoding, [number, number + 1])
        taken += native.check([damaged(header, rng), payload])
        assert number % 100 or native.check([header, payload])
    assert 0 < taken < 1500


def test_a_batch_is_full_by_frames_and_by_bytes() -> None:
    for frames, limit_bytes, expected in ((4, 1 << 30, 4), (100, 3 * 96 * 3, 3)):
        with zmq.Context() as context, context.socket(zmq.PUSH) as sender, context.socket(zmq.PULL) as receiver:
            sender.linger = receiver.linger = 0
            sender.bind("inproc://line")
            receiver.connect("inproc://line")
            given_settings = IngestSettings(batch_frames=frames, queue_bytes=1 << 20)
            line = Line(QUICK["native"], find_calls(), receiver.underlying, given_settings, None)
            line._pool = type(line._pool)(find_calls(), frames, limit_bytes)
            scan = OpenScan(START, np.zeros(N_POSITIONS, np.uint8))
            line.open(scan, Frame(SERIES, 0, SHAPE, "uint16", Encoding.NONE, memoryview(b"")))
            for number in range(10):
                sender.send_multipart(frames_message(Encoding.NONE, [number]))
            assert line.receive(0.0) == (lanes.FULL, expected, expected)
            batch = line.take()
            assert batch is not None
            assert batch.numbers[:expected].tolist() == list(range(expected))
            batch.release()


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=5))
@settings(max_examples=30, deadline=None)
def test_numbers_of_any_width_are_read_or_given_back(numbers: list[int]) -> None:
    for bench in make_bench("native", NativeProtocol(None, LIMIT_BYTES), Encoding.NONE, None):
        assert bench.check(frames_message(Encoding.NONE, numbers)) == (max(numbers) < N_POSITIONS)
