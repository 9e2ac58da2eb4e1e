"""What every registered detector protocol must do, whoever wrote it."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from stream_rrvae.errors import WireError
from stream_rrvae.messages import PIXEL_TYPES, Encoding, Frame, Message, Refusal, ScanEnd, ScanStart
from stream_rrvae.wire.pixels import decode_pixels
from stream_rrvae.wire.protocol import DetectorProtocol
from stream_rrvae.wire.registry import protocol, protocol_names

if TYPE_CHECKING:
    from tests.wire.conftest import Sender

Views = Callable[[list[bytes]], list[memoryview]]
Counts = Callable[[str], Any]
SHARED_FIXTURES = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture(params=protocol_names())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def decoder(name: str) -> DetectorProtocol:
    return protocol(name)


@pytest.fixture
def sender(name: str, senders: dict[str, Sender]) -> Sender:
    assert name in senders, f"tests/wire/conftest.py has no sender of {name!r}: every registered protocol needs one"
    return senders[name]


def only(messages: Any, kind: type[Message]) -> Any:
    (message,) = messages
    assert isinstance(message, kind)
    return message


def test_is_what_its_name_says(decoder: DetectorProtocol, name: str) -> None:
    assert decoder.name == name


def test_a_start_arrives_whole(decoder: DetectorProtocol, sender: Sender, views: Views, announced: ScanStart) -> None:
    start = only(decoder.decode(views(sender.start(announced))), ScanStart)
    assert announced.pixel_mask is not None
    np.testing.assert_array_equal(start.pixel_mask, announced.pixel_mask)
    assert start.metadata.items() >= announced.metadata.items()
    assert replace(start, pixel_mask=None, metadata={}) == replace(announced, pixel_mask=None, metadata={})


def test_an_end_arrives_whole(decoder: DetectorProtocol, sender: Sender, views: Views) -> None:
    scan_id = "01JD-A" if sender.names_the_scan else ""
    assert list(decoder.decode(views(sender.end(ScanEnd(7, "01JD-A"))))) == [ScanEnd(7, scan_id)]


@pytest.mark.parametrize("encoding", list(Encoding))
@pytest.mark.parametrize("pixel_type", PIXEL_TYPES)
def test_every_pixel_arrives(
    decoder: DetectorProtocol, sender: Sender, views: Views, counts: Counts, pixel_type: str, encoding: Encoding
) -> None:
    sent = counts(pixel_type)
    message = views(sender.frame(7, 11, sent, encoding))
    if pixel_type == "float32" and not sender.knows_floats:
        with pytest.raises(WireError) as refused:
            decoder.decode(message)
        assert refused.value.reason is Refusal.PIXEL_TYPE
        return
    frame = only(decoder.decode(message), Frame)
    assert (frame.series, frame.number, frame.shape, frame.pixel_type) == (7, 11, (33, 97), pixel_type)
    np.testing.assert_array_equal(decode_pixels(frame), sent)


def test_payloads_are_slices_of_the_message(
    decoder: DetectorProtocol, sender: Sender, views: Views, counts: Counts
) -> None:
    parts = sender.frame(7, 0, counts("uint16"), Encoding.BSLZ4)
    frame = only(decoder.decode(views(parts)), Frame)
    assert any(frame.payload.obj is part for part in parts)


def test_a_refused_frame_is_named_when_its_number_was_readable(
    name: str, sender: Sender, views: Views, announced: ScanStart
) -> None:
    decoder = protocol(name, limit_bytes=100_000)
    decoder.decode(views(sender.start(announced)))
    too_large = np.zeros((400, 400), np.uint16)
    with pytest.raises(WireError) as refused:
        decoder.decode(views(sender.frame(announced.series, 9, too_large, Encoding.BSLZ4)))
    assert (refused.value.reason, refused.value.frame_number) == (Refusal.SIZE, 9)
    with pytest.raises(WireError) as foreign:
        decoder.decode(views(sender.frame(announced.series + 1, 9, too_large, Encoding.BSLZ4)))
    assert foreign.value.frame_number is None


def test_a_frame_damaged_inside_is_refused_when_decoded(
    decoder: DetectorProtocol, sender: Sender, views: Views, counts: Counts
) -> None:
    frame = only(decoder.decode(views(sender.frame(7, 5, counts("uint16"), Encoding.BSLZ4))), Frame)
    with pytest.raises(WireError) as refused:
        decode_pixels(replace(frame, payload=frame.payload[:-7]))
    assert (refused.value.reason, refused.value.frame_number) == (Refusal.DECODE, 5)


@pytest.mark.parametrize("parts", [[], [b""], [b"", b""], [b"\x80"], [b"\xa0"], [b"\xd9\xd9\xf7\xa0"], [b"x"] * 5])
def test_what_is_no_message_is_refused(decoder: DetectorProtocol, views: Views, parts: list[bytes]) -> None:
    with pytest.raises(WireError):
        decoder.decode(views(parts))


def test_every_truncation_is_refused(
    decoder: DetectorProtocol, sender: Sender, views: Views, announced: ScanStart, counts: Counts
) -> None:
    start = sender.start(replace(announced, pixel_mask=None))
    optional = {id(part) for part in start[len(start) - sender.optional_parts :]}
    for parts in (start, sender.frame(7, 0, counts("uint8"), Encoding.NONE), sender.end(ScanEnd(7))):
        for index, part in enumerate(parts):
            if id(part) in optional:
                continue
            for length in range(0, len(part), max(1, len(part) // 400)):
                with pytest.raises(WireError):
                    decoder.decode(views([*parts[:index], part[:length], *parts[index + 1 :]]))


@pytest.mark.parametrize("shape", [(1, 1 << 14), (8193, 1)])
def test_frames_that_are_too_large_are_refused_before_memory_is_taken(
    decoder: DetectorProtocol, sender: Sender, views: Views, announced: ScanStart, shape: tuple[int, int]
) -> None:
    parts = sender.frame(7, 0, np.zeros(shape, np.uint8), Encoding.BSLZ4)
    with pytest.raises(WireError) as refused:
        decoder.decode(views(parts))
    assert refused.value.reason is Refusal.SHAPE


def test_a_size_bomb_costs_no_memory(decoder: DetectorProtocol, sender: Sender, views: Views) -> None:
    honest = only(decoder.decode(views(sender.frame(7, 0, np.zeros((64, 64), np.uint32), Encoding.BSLZ4))), Frame)
    bomb = replace(honest, shape=(8192, 8192))
    gc.collect()
    tracemalloc.start()
    with pytest.raises(WireError):
        decode_pixels(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


def survives(decoder: DetectorProtocol, parts: list[bytes]) -> None:
    """Whatever arrives, only WireError may come out, from the decoder and from the pixels."""
    try:
        messages = decoder.decode([memoryview(part) for part in parts])
        for message in messages:
            if isinstance(message, Frame):
                decode_pixels(message)
    except WireError as error:
        assert error.frame_number is None or error.frame_number >= 0


@SHARED_FIXTURES
@given(parts=st.lists(st.binary(max_size=300), max_size=3))
@example(parts=[b"\x9b" + b"\xff" * 8])
@example(parts=[b"\xbb" + b"\xff" * 8])
@example(parts=[b"\x9f" * 100_000])
@example(parts=[b"\x81" * 100_000])
@example(parts=[b"\xdd\xff\xff\xff\xff" * 1000])
@example(parts=[b"\xd9\xd9\xf7" * 10_000])
def test_random_bytes_raise_only_wire_errors(decoder: DetectorProtocol, parts: list[bytes]) -> None:
    survives(decoder, parts)


@SHARED_FIXTURES
@given(data=st.data())
def test_mutated_messages_raise_only_wire_errors(
    decoder: DetectorProtocol, sender: Sender, announced: ScanStart, counts: Counts, data: st.DataObject
) -> None:
    pixels = counts(data.draw(st.sampled_from(PIXEL_TYPES)))[:5, :9]
    valid = data.draw(
        st.sampled_from(
            [
                sender.start(announced),
                sender.frame(7, 3, pixels, Encoding.NONE),
                sender.frame(7, 3, pixels, Encoding.BSLZ4),
                sender.frame(7, 3, pixels, Encoding.LZ4),
                sender.end(ScanEnd(7, "x")),
            ]
        )
    )
    parts = [bytearray(part) for part in valid]
    for _ in range(data.draw(st.integers(1, 4))):
        part = data.draw(st.sampled_from(parts))
        # Early bytes are mostly header, so half of the changes go there.
        reach = data.draw(st.sampled_from([min(len(part), 120), len(part)]))
        if not reach:
            continue
        position = data.draw(st.integers(0, reach - 1))
        change = data.draw(st.sampled_from(["set", "delete", "insert"]))
        value = data.draw(st.integers(0, 255))
        if change == "set":
            part[position] = value
        elif change == "delete":
            del part[position : position + 1 + value % 8]
        else:
            part.insert(position, value)
    survives(decoder, [bytes(part) for part in parts])
