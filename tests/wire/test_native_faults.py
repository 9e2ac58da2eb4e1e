"""The native protocol refuses, by reason, what a sender must not write."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest

from stream_rrvae.errors import WireError
from stream_rrvae.messages import Refusal
from stream_rrvae.wire.native import NativeProtocol
from tests.wire.native_messages import FRAMES, START, decode


def refusal(header: Any, *parts: bytes) -> Refusal:
    with pytest.raises(WireError) as refused:
        decode(header, *parts)
    return refused.value.reason


HEADER_FAULTS: list[tuple[Any, Refusal]] = [
    (b"\xc1", Refusal.HEADER),
    ([1, 2], Refusal.HEADER),
    (msgpack.packb(START) + b"\x00", Refusal.HEADER),
    (msgpack.packb({"p": msgpack.ExtType(4, b"code")}), Refusal.HEADER),
    (b"\xdd\xff\xff\xff\xff", Refusal.HEADER),
    (b"\x91" * 60_000, Refusal.HEADER),
    ({**START, "metadata": {"a": [None] * 1025}}, Refusal.HEADER),
    ({}, Refusal.VERSION),
    ({**START, "p": "other"}, Refusal.VERSION),
    ({**START, "v": 3}, Refusal.VERSION),
    ({**START, "v": 1.0}, Refusal.VERSION),
    ({**START, "v": True}, Refusal.VERSION),
    ({**START, "t": "pause"}, Refusal.TYPE),
    ({**START, "t": 5}, Refusal.TYPE),
    ({**START, "t": "frames"}, Refusal.PARTS),
    ({**START, "metadata": {"long": "a" * 70_000}}, Refusal.HEADER),
    ({key: value for key, value in START.items() if key != "t"}, Refusal.FIELD),
]


@pytest.mark.parametrize(("header", "reason"), HEADER_FAULTS)
def test_header_faults(header: Any, reason: Refusal) -> None:
    assert refusal(header) is reason


def test_a_long_header_is_refused_unread() -> None:
    with pytest.raises(WireError, match="limit"):
        NativeProtocol().decode([memoryview(b"\xc1" * 65_537)])


START_FAULTS: list[tuple[dict[str, Any], Refusal]] = [
    ({"scan_id": ""}, Refusal.FIELD),
    ({"scan_id": "../etc"}, Refusal.FIELD),
    ({"scan_id": ".hidden"}, Refusal.FIELD),
    ({"scan_id": "a\x00"}, Refusal.FIELD),
    ({"scan_id": "a" * 129}, Refusal.FIELD),
    ({"scan_id": 5}, Refusal.TYPE),
    ({"series": -1}, Refusal.FIELD),
    ({"series": 2**63}, Refusal.FIELD),
    ({"series": True}, Refusal.TYPE),
    ({"frame_shape": [2]}, Refusal.SHAPE),
    ({"frame_shape": [0, 3]}, Refusal.SHAPE),
    ({"frame_shape": [-1, 3]}, Refusal.SHAPE),
    ({"frame_shape": [8193, 3]}, Refusal.SHAPE),
    ({"frame_shape": [2.0, 3]}, Refusal.TYPE),
    ({"frame_shape": None}, Refusal.SHAPE),
    ({"pixel_type": "float64"}, Refusal.PIXEL_TYPE),
    ({"pixel_type": "object"}, Refusal.PIXEL_TYPE),
    ({"pixel_type": ["uint8"]}, Refusal.TYPE),
    ({"frames_expected": 0}, Refusal.FIELD),
    ({"frames_expected": 2**26 + 1}, Refusal.FIELD),
    ({"scan_shape": [2**14, 2**14]}, Refusal.SHAPE),
    ({"scan_shape": [0, 1]}, Refusal.SHAPE),
    ({"scan_shape": [2**17, 1]}, Refusal.SHAPE),
    ({"saturation": float("nan")}, Refusal.FIELD),
    ({"saturation": -1.0}, Refusal.FIELD),
    ({"channels": ["a", "a"]}, Refusal.FIELD),
    ({"channels": [str(i) for i in range(33)]}, Refusal.FIELD),
    ({"channels": [5]}, Refusal.TYPE),
    ({"calibration": {"mrad_per_px": float("inf")}}, Refusal.FIELD),
    ({"calibration": {"mrad_per_px": -1.0}}, Refusal.FIELD),
    ({"calibration": {"beam_center_px": [1.0]}}, Refusal.TYPE),
    ({"calibration": {"scan_step_nm": [0.0, 1.0]}}, Refusal.FIELD),
    ({"calibration": {"detector_flip": 1}}, Refusal.TYPE),
    ({"calibration": 5}, Refusal.TYPE),
    ({"shard_id": 1}, Refusal.FIELD),
    ({"shard_count": 0}, Refusal.FIELD),
    ({"metadata": []}, Refusal.TYPE),
    ({"metadata": {"a": b"bytes"}}, Refusal.TYPE),
    ({"metadata": {"a": float("inf")}}, Refusal.FIELD),
    ({"metadata": {"a": 2**64 - 1}}, Refusal.FIELD),
    ({"metadata": {"a": "b" * 33_000}}, Refusal.SIZE),
    ({"metadata": {"a": [[None] * 1000] * 5}}, Refusal.SIZE),
    ({"metadata": {"a": [[[[[[[[[1]]]]]]]]]}}, Refusal.SIZE),
]


@pytest.mark.parametrize(("change", "reason"), START_FAULTS)
def test_start_faults(change: dict[str, Any], reason: Refusal) -> None:
    assert refusal({**START, **change}) is reason


@pytest.mark.parametrize("missing", ["scan_id", "series", "frame_shape", "pixel_type", "frames_expected"])
def test_a_start_without_a_required_field(missing: str) -> None:
    assert refusal({key: value for key, value in START.items() if key != missing}) in (Refusal.FIELD, Refusal.TYPE)


def test_pixel_masks_that_do_not_fit() -> None:
    assert refusal(START, bytes(5)) is Refusal.SIZE
    assert refusal(START, bytes(6)) is Refusal.FIELD
    (start,) = decode(START, bytes([1, 1, 0, 1, 9, 1]))
    assert start.pixel_mask.tolist() == [[True, True, False], [True, True, True]]


FRAMES_FAULTS: list[tuple[dict[str, Any], Refusal]] = [
    ({"numbers": []}, Refusal.FIELD),
    ({"numbers": [-1]}, Refusal.FIELD),
    ({"numbers": [2**63]}, Refusal.FIELD),
    ({"numbers": 0}, Refusal.TYPE),
    ({"numbers": [0.0]}, Refusal.TYPE),
    ({"numbers": [0, 1]}, Refusal.SIZE),
    ({"numbers": [0] * 257, "sizes": [0] * 257}, Refusal.FIELD),
    ({"sizes": [5]}, Refusal.SIZE),
    ({"sizes": [0]}, Refusal.FIELD),
    ({"sizes": [2**62]}, Refusal.SIZE),
    ({"numbers": [0, 1], "sizes": [-6, 12]}, Refusal.FIELD),
    ({"shape": [3, 3]}, Refusal.SIZE),
    ({"shape": [8193, 1]}, Refusal.SHAPE),
    ({"shape": "ab"}, Refusal.SHAPE),
    ({"dtype": "int16"}, Refusal.PIXEL_TYPE),
    ({"dtype": "uint16"}, Refusal.SIZE),
    ({"encoding": "zip"}, Refusal.ENCODING),
    ({"encoding": []}, Refusal.ENCODING),
    ({"encoding": "bslz4"}, Refusal.SIZE),
    ({"seq": -1}, Refusal.FIELD),
    ({"series": "1"}, Refusal.TYPE),
    ({"padding": "a" * 4096}, Refusal.HEADER),
]


@pytest.mark.parametrize(("change", "reason"), FRAMES_FAULTS)
def test_frames_faults(change: dict[str, Any], reason: Refusal) -> None:
    assert refusal({**FRAMES, **change}, bytes(6)) is reason
