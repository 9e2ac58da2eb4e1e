"""Which way a scan goes, as senders say it: a version that older receivers refuse, and bounds."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import msgpack
import pytest

from stream_rrvae.errors import WireError
from stream_rrvae.messages import Calibration, Refusal, ScanStart
from stream_rrvae.scan_path import RASTER, ScanPath
from stream_rrvae.wire.appendix import read_appendix
from stream_rrvae.wire.dectris_v2 import DectrisV2Protocol
from stream_rrvae.wire.dectris_v2_encode import encode_start as encode_v2_start
from stream_rrvae.wire.native import NativeProtocol, encode_start

START = ScanStart("scan", 1, (4, 4), "uint8", 30, (5, 6))
PATHS = {
    1: (RASTER, ScanPath(offset=(3, 0), within=(8, 6))),
    2: (ScanPath(serpentine=True), ScanPath(2, 3, True, 4, (3, 0), (8, 6))),
}


@pytest.mark.parametrize(("version", "path"), [(version, path) for version, paths in PATHS.items() for path in paths])
def test_there_and_back(version: int, path: ScanPath) -> None:
    parts = encode_start(replace(START, path=path))
    header = msgpack.unpackb(parts[0])
    assert header["v"] == version and ("path" in header) == (path != RASTER)
    (back,) = NativeProtocol().decode([memoryview(part) for part in parts])
    assert isinstance(back, ScanStart) and back.path == path


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ({"passes": 0}, Refusal.FIELD),
        ({"passes": 256}, Refusal.FIELD),
        ({"line_flyback": -1}, Refusal.FIELD),
        ({"frame_flyback": 1 << 40}, Refusal.FIELD),
        ({"line_flyback": 1 << 20, "passes": 255}, Refusal.FIELD),
        ({"offset": [4, 4], "within": [6, 6]}, Refusal.FIELD),
        ({"within": [1 << 16, 1 << 16]}, Refusal.SHAPE),
        ({"serpentine": "yes"}, Refusal.TYPE),
        ({"offset": [1]}, Refusal.TYPE),
        ("back and forth", Refusal.TYPE),
    ],
)
def test_what_cannot_be_is_refused(path: Any, reason: Refusal) -> None:
    header = msgpack.unpackb(encode_start(START)[0]) | {"path": path, "v": 2}
    with pytest.raises(WireError) as refused:
        NativeProtocol().decode([memoryview(msgpack.packb(header))])
    assert refused.value.reason is reason


def test_frames_have_one_version() -> None:
    header = {"p": "stream-rrvae", "v": 2, "t": "end", "series": 1}
    with pytest.raises(WireError) as refused:
        NativeProtocol().decode([memoryview(msgpack.packb(header))])
    assert refused.value.reason is Refusal.VERSION


def test_of_an_appendix_what_is_wrong_is_left_out() -> None:
    told = ScanPath(line_flyback=3, passes=2)
    good = read_appendix({"scan_shape": [5, 6], "path": asdict(told)}, Calibration())
    assert good.path == told and not good.errors
    bad = read_appendix({"scan_shape": [5, 6], "path": {"passes": -2}}, Calibration())
    assert bad.path == RASTER and bad.scan_shape == (5, 6) and "path" in bad.errors[0]


def test_replayed_as_stream_v2_it_is_in_the_appendix() -> None:
    start = replace(START, path=ScanPath(1, 0, True, 2), channels=("threshold_1",))
    (back,) = DectrisV2Protocol().decode([memoryview(encode_v2_start(start))])
    assert isinstance(back, ScanStart)
    assert back.path == start.path and back.frames_expected == 30


@pytest.mark.parametrize("encode", [encode_start, lambda start: [encode_v2_start(start)]])
def test_only_an_endless_series_has_more_frames_than_a_scan_can(encode: Any) -> None:
    many = replace(START, frames_expected=2_000_000_000, channels=("threshold_1",), path=ScanPath(endless=True))
    decoder = NativeProtocol() if encode is encode_start else DectrisV2Protocol()
    (back,) = decoder.decode([memoryview(part) for part in encode(many)])
    assert isinstance(back, ScanStart) and back.frames_expected == 2_000_000_000
    for one in (replace(many, path=RASTER), replace(many, scan_shape=None), replace(many, frames_expected=1 << 41)):
        with pytest.raises(WireError) as refused:
            decoder.decode([memoryview(part) for part in encode(one)])
        assert refused.value.reason is Refusal.FIELD
    with pytest.raises(
        WireError, match=r'2000000000 frames .* put {"scan_shape": \[y, x\], "path": {"endless": true}}'
    ):
        decoder.decode([memoryview(part) for part in encode(replace(many, path=RASTER))])
