"""What the compiled loop takes of Stream V1 is what the decoder in Python makes of the same parts, and never more."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rrvae.errors import WireError
from stream_rrvae.messages import Encoding
from stream_rrvae.wire.dectris_v1 import DectrisV1Protocol
from stream_rrvae.wire.dectris_v1_image import usual_name
from stream_rrvae.wire.pixels import encode_lz4_block
from tests.ingest.lines.conftest import (
    LIMIT_BYTES,
    N_POSITIONS,
    PIXELS,
    SERIES,
    SHAPE,
    Bench,
    damaged,
    make_bench,
)
from tests.ingest.lines.conftest import PAYLOADS as FRAMED

SESSION = Path(__file__).resolve().parents[4] / "shared" / "data" / "dectris_v1_eiger1m"
PAYLOADS = {**FRAMED, Encoding.LZ4: encode_lz4_block(PIXELS)}  # in this stream one bare block
TIMES = b'{"htype":"dconfig-1.0","real_time":999999900,"start_time":2896044831605460,"stop_time":2896045831605360}'
NUMBERS = (0, 1, 9, 10, 255, 65_536, N_POSITIONS - 1, 5)


@pytest.fixture
def bench(encoding: Encoding) -> Iterator[Bench]:
    yield from v1_bench(encoding)


def v1_bench(encoding: Encoding) -> Iterator[Bench]:
    return make_bench("dectris-v1", DectrisV1Protocol(None, LIMIT_BYTES), encoding, None)


def taken_fields(number: int) -> dict[str, Any]:
    return {"frame": number, "hash": "2c68ca550c9ffa44e6beadad7e9be5fd", "htype": "dimage-1.0", "series": SERIES}


def described_fields(encoding: Encoding) -> dict[str, Any]:
    told = {"encoding": usual_name(encoding, 2), "htype": "dimage_d-1.0", "shape": [SHAPE[1], SHAPE[0]]}
    return {**told, "size": len(PAYLOADS[encoding]), "type": "uint16"}


def written(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()


def image(encoding: Encoding, number: int, first: dict[str, Any] | None = None, /, **described: Any) -> list[bytes]:
    """An image's parts, with changes to the first and the second (... = absent)."""
    second = {key: value for key, value in {**described_fields(encoding), **described}.items() if value is not ...}
    return [written({**taken_fields(number), **(first or {})}), written(second), PAYLOADS[encoding], TIMES]


def test_usual_images_are_taken_whatever_their_numbers(bench: Bench, encoding: Encoding) -> None:
    for number in NUMBERS:
        assert bench.check(image(encoding, number))


def test_the_size_need_not_be_told_and_more_may_be(bench: Bench, encoding: Encoding) -> None:
    assert bench.check(image(encoding, 3, size=...))
    assert bench.check(image(encoding, 3, {"user": "", "run": 0}, note="none"))
    assert bench.check([*image(encoding, 3)[:3], b"{}"])


def test_images_of_a_recorded_session_are_taken() -> None:
    if not SESSION.is_dir():
        pytest.skip(f"NOT CHECKED against a recorded session: {SESSION} is not there")
    files = [file.read_bytes() for file in sorted(SESSION.iterdir())]
    first, second, times = files[8], files[9], files[11]
    told, described = json.loads(first), json.loads(second)
    assert (told["htype"], described["htype"]) == ("dimage-1.0", "dimage_d-1.0")
    # The detector's own texts, but for what differs from the lane: series, shape, size and type.
    wanted = described_fields(Encoding.LZ4)
    assert described["encoding"] == wanted["encoding"]
    first = first.replace(b'"series":%d' % told["series"], b'"series":%d' % SERIES)
    for name, value in described.items():
        second = second.replace(written({name: value})[1:-1], written({name: wanted[name]})[1:-1])
    for bench in v1_bench(Encoding.LZ4):
        assert bench.check([first, second, PAYLOADS[Encoding.LZ4], times])


UNUSUAL_FIRST: list[dict[str, Any]] = [
    {"htype": "dimage-1.1"},
    {"htype": "dimage_d-1.0"},
    {"htype": "dseries_end-1.0"},
    {"htype": None},
    {"series": SERIES + 1},
    {"series": -SERIES},
    {"series": float(SERIES)},
    {"series": str(SERIES)},
    {"series": True},
    {"frame": N_POSITIONS},
    {"frame": -1},
    {"frame": 4.0},
    {"frame": 1e3},
    {"frame": None},
    {"frame": [4]},
    {"frame": 2**63},
    {"frame": 2**64 + 4},
    {"frame": 10**30 + 4},
    {"hash": "ä"},
    {"hash": '"'},
    {"hash": ["frame", 4]},
]


@pytest.mark.parametrize("first", UNUSUAL_FIRST, ids=str)
def test_images_with_another_first_part_are_given_back(bench: Bench, encoding: Encoding, first: dict[str, Any]) -> None:
    assert bench.check(image(encoding, 3))
    assert not bench.check(image(encoding, 4, first))
    assert bench.check(image(encoding, 5))


UNUSUAL_SECOND: list[dict[str, Any]] = [
    {"htype": "dimage-1.0"},
    {"shape": list(SHAPE)},
    {"shape": [SHAPE[1]]},
    {"shape": [SHAPE[1], SHAPE[0], 1]},
    {"shape": [float(SHAPE[1]), SHAPE[0]]},
    {"shape": ...},
    {"type": "uint8"},
    {"type": "uint32"},
    {"type": ...},
    {"encoding": "lz4>"},
    {"encoding": "lz4"},
    {"encoding": ""},
    {"encoding": "bs32-lz4<"},
    {"encoding": "bs16-lz4>"},
    {"encoding": "bs16"},
    {"encoding": ">"},
    {"size": 1},
    {"size": None},
    {"size": 96.0},
    {"frame": 4},
]


@pytest.mark.parametrize("second", UNUSUAL_SECOND, ids=str)
def test_images_with_another_second_part_are_given_back(
    bench: Bench, encoding: Encoding, second: dict[str, Any]
) -> None:
    assert not bench.check(image(encoding, 4, **second))
    assert bench.check(image(encoding, 5))


def test_images_of_another_encoding_are_given_back(bench: Bench, encoding: Encoding) -> None:
    first, _, payload, times = image(encoding, 4)
    for other in PAYLOADS.keys() - {encoding}:
        assert not bench.check(image(other, 4))
        assert not bench.check([first, image(other, 4, size=...)[1], payload, times])


@pytest.mark.parametrize("at", range(4))
def test_an_absent_part_or_one_over_its_limit_is_given_back(bench: Bench, encoding: Encoding, at: int) -> None:
    parts = image(encoding, 4)
    assert not bench.check([*parts[:at], *parts[at + 1 :]])
    assert not bench.check([*parts[:at], b"", *parts[at + 1 :]])
    assert not bench.check([*parts[:at], parts[at] + bytes(2 * LIMIT_BYTES), *parts[at + 1 :]])
    assert bench.check(parts)


def test_more_parts_are_given_back(bench: Bench, encoding: Encoding) -> None:
    for more in ([b"an appendix"], [b"", b"{}"], [b"more"] * 8):
        assert not bench.check([*image(encoding, 4), *more])
    assert bench.check(image(encoding, 4))


@pytest.mark.parametrize("times", [b"{", b"}", b"[]", b"", b"{" + 4096 * b" " + b"}", b"{}\n"])
def test_images_without_times_are_given_back(bench: Bench, encoding: Encoding, times: bytes) -> None:
    assert not bench.check([*image(encoding, 4)[:3], times])


def test_pixels_that_cannot_be_a_frame_are_given_back(encoding: Encoding) -> None:
    rows, columns = 64, 65
    fewest = {Encoding.NONE: 2 * rows * columns, Encoding.BSLZ4: 33, Encoding.LZ4: 17}[encoding]  # 1/256, and framing
    decoder = DectrisV1Protocol(None, LIMIT_BYTES)
    for bench in make_bench("dectris-v1", decoder, encoding, None, (rows, columns)):
        for size in (0, 1, fewest - 1, fewest, fewest + 1, LIMIT_BYTES, LIMIT_BYTES + 1):
            first, second, _, times = image(encoding, 4, shape=[columns, rows], size=size)
            fits = fewest <= size <= (fewest if encoding is Encoding.NONE else LIMIT_BYTES)
            parts = [first, second, b"x" * size, times]
            assert bench.check(parts) == fits
            with nullcontext() if fits else pytest.raises(WireError):
                decoder.decode([memoryview(part) for part in parts])


def test_an_empty_framing_is_filled_in_by_the_decoder() -> None:
    for bench in v1_bench(Encoding.BSLZ4):
        first, second, payload, times = image(Encoding.BSLZ4, 4)
        assert not bench.check([first, second, bytes(12) + payload[12:], times])
        for filled in (
            b"\x01" + bytes(11),
            bytes(7) + b"\x01" + bytes(4),
            bytes(8) + b"\x01" + bytes(3),
            bytes(11) + b"\x01",
        ):
            assert bench.check([first, second, filled + payload[12:], times])


def test_a_bare_block_of_any_size_is_put_into_framing() -> None:
    for bench in v1_bench(Encoding.LZ4):
        for size in (0, 1, 15, 16, 31, 32, 33, 64, 100, 8192, LIMIT_BYTES):
            first, second, _, times = image(Encoding.LZ4, 4, size=size)
            assert bench.check([first, second, random.Random(size).randbytes(size), times])


@pytest.mark.parametrize("seed", range(3))
def test_damaged_parts_are_never_misread(bench: Bench, encoding: Encoding, seed: int) -> None:
    rng = random.Random(seed)
    taken = 0
    for number in range(1500):
        parts = image(encoding, number)
        at = rng.choice((0, 0, 1, 1, 3))
        parts[at] = damaged(parts[at], rng)
        taken += bench.check(parts)
        assert number % 100 or bench.check(image(encoding, number))
    assert 0 < taken < 1500


Pairs = list[tuple[str, str]]  # key and value as they are written
SPACES = st.text(" \t\n\r", max_size=2)
ODD_VALUES = st.sampled_from([
    "-1", "-0", "05", "00", "7.0", "7e0", "0x7", "+7", "7 7", "70000", "9" * 18, "9" * 19, "18446744073709551623",
    "9" * 5000, "NaN", "Infinity", "true", "null", '""', '"7"', '"7', "[]", "[8]", "[8,6,1]", "[8,6", "[8 6]", "[8,6,]",
    "[06,8]", "[6,8]", '["8",6]', "{}", '{"frame":4}', '"dimage-1.0"', '"dimage_d-1.0"', '"dimage\\u002d1.0"', '"\t"',
    '"ä"', '"uint16 "', '"<"', '"bs16-lz4<"', '"bs16lz4"', '"lz4<"', "", "'7'",
])  # fmt: skip
MORE_KEYS = st.sampled_from(
    ["frame", "series", "htype", "size", "shape", "type", "encoding", "user", "fram\\u0065", ""]
)


@st.composite
def objects(draw: st.DrawFn, usual: dict[str, Any]) -> bytes:
    """`usual` as JSON that a sender might write: other orders, other spaces, and now and then what nobody should."""
    pairs: Pairs = draw(st.permutations([(key, json.dumps(value)) for key, value in usual.items()]))
    for _ in range(draw(st.sampled_from((0, 0, 0, 1, 2)))):
        at = draw(st.integers(0, len(pairs) - 1))
        change = draw(st.sampled_from(("value", "again", "absent", "more", "escaped")))
        key, value = pairs[at]
        if change == "value":
            pairs[at] = key, draw(ODD_VALUES)
        elif change == "again":
            pairs.append((key, draw(st.one_of(ODD_VALUES, st.just(value)))))
        elif change == "absent" and len(pairs) > 1:
            del pairs[at]
        elif change == "more":
            pairs.insert(at, (draw(MORE_KEYS), draw(ODD_VALUES)))
        else:
            pairs[at] = key.replace("e", "\\u0065"), value
    space = iter(draw(st.lists(SPACES, min_size=4 * len(pairs) + 2, max_size=4 * len(pairs) + 2)))
    inside = ",".join(f'{next(space)}"{key}"{next(space)}:{next(space)}{value}{next(space)}' for key, value in pairs)
    behind = draw(st.sampled_from(["", "", "", "", ",", "}", "\x0b", "\x00", " {}", "\u00a0"]))
    return f"{next(space)}{{{inside}}}{next(space)}{behind}".encode()


@given(st.data(), st.sampled_from(list(PAYLOADS)), st.sampled_from((*NUMBERS, N_POSITIONS)))
@settings(max_examples=300, deadline=None)
def test_however_it_is_written_it_is_read_as_the_decoder_reads_it_or_given_back(
    data: st.DataObject, encoding: Encoding, number: int
) -> None:
    first, second = data.draw(objects(taken_fields(number))), data.draw(objects(described_fields(encoding)))
    for bench in v1_bench(encoding):
        bench.check([first, second, PAYLOADS[encoding], TIMES])


def spaced(fields: dict[str, Any], rng: random.Random) -> bytes:
    """JSON in any order with white space wherever it may be."""
    tokens = [token for key, value in rng.sample(list(fields.items()), len(fields)) for token in _tokens(key, value)]
    return "".join(rng.choice(("", " ", "\n", "\t\r")) + token for token in ("{", *tokens[:-1], "}", "")).encode()


def _tokens(key: str, value: Any) -> list[str]:
    inside = ["[", str(value[0]), ",", str(value[1]), "]"] if isinstance(value, list) else [json.dumps(value)]
    return [json.dumps(key), ":", *inside, ","]


def test_order_and_white_space_do_not_matter(bench: Bench, encoding: Encoding) -> None:
    rng = random.Random(0)
    for number in range(200):
        first, second = spaced(taken_fields(number), rng), spaced(described_fields(encoding), rng)
        assert bench.check([first, second, PAYLOADS[encoding], TIMES])
