"""Messages as plain data and back, and what does not fit."""

import json
from dataclasses import dataclass
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_rrvae.messages import Calibration, Counters, ModelStatus, ScanStart, ScanState
from stream_rrvae.plain import from_plain, to_plain

finite = st.floats(allow_nan=False, allow_infinity=False)
pairs = st.tuples(finite, finite)
calibrations = st.builds(
    Calibration,
    mrad_per_px=st.none() | finite,
    beam_center_px=st.none() | pairs,
    scan_step_nm=st.none() | pairs,
    detector_flip=st.booleans(),
)
starts = st.builds(
    ScanStart,
    scan_id=st.text(max_size=10),
    series=st.integers(0, 2**40),
    frame_shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    pixel_type=st.sampled_from(["uint8", "float32"]),
    frames_expected=st.integers(1, 99),
    scan_shape=st.none() | st.tuples(st.integers(1, 9), st.integers(1, 9)),
    saturation=st.none() | finite,
    channels=st.lists(st.text(max_size=5), max_size=3).map(tuple),
    calibration=calibrations,
    metadata=st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5) | st.none(), max_size=3),
)


@given(starts)
def test_a_start_comes_back_through_json(start: ScanStart) -> None:
    assert from_plain(ScanStart, json.loads(json.dumps(to_plain(start)))) == start


@given(calibrations)
def test_a_calibration_comes_back_through_msgpack(calibration: Calibration) -> None:
    assert from_plain(Calibration, msgpack.unpackb(msgpack.packb(to_plain(calibration)))) == calibration


def test_counters_and_status_come_back() -> None:
    counters = Counters(5, 4, 1, 3, 1, 0, 0, {"decode": 1})
    status = ModelStatus(2, "ready", "apply", "", {"loss": 0.5, "pearson": [0.1, 0.2]})
    assert from_plain(Counters, to_plain(counters)) == counters
    assert from_plain(ModelStatus, to_plain(status)) == status


def test_plain_data_is_plain() -> None:
    plain = to_plain(ScanStart("s", 1, (2, 3), "uint8", 6, channels=("a",)))
    assert plain["frame_shape"] == [2, 3]
    assert plain["channels"] == ["a"]
    assert plain["calibration"]["detector_flip"] is False
    assert type(to_plain(ScanState.RUNNING)) is str


def test_what_a_newer_sender_says_more_is_ignored() -> None:
    assert from_plain(Calibration, {"mrad_per_px": 2.0, "of_tomorrow": 1}).mrad_per_px == 2.0


def test_a_whole_number_is_a_float_where_one_is_wanted() -> None:
    value = from_plain(Calibration, {"mrad_per_px": 2}).mrad_per_px
    assert value == 2.0 and type(value) is float


GOOD: dict[str, Any] = to_plain(ScanStart("s", 1, (2, 3), "uint8", 6))


@pytest.mark.parametrize(
    "change",
    [
        {"series": "1"},
        {"series": True},
        {"series": 1.0},
        {"series": None},
        {"scan_id": 5},
        {"scan_id": b"s"},
        {"frame_shape": [2]},
        {"frame_shape": [2, 3, 4]},
        {"frame_shape": "23"},
        {"frame_shape": [2, "3"]},
        {"frame_shape": None},
        {"saturation": "high"},
        {"saturation": True},
        {"saturation": 10**400},
        {"channels": "abc"},
        {"channels": [1]},
        {"calibration": None},
        {"calibration": [1]},
        {"calibration": {"detector_flip": 1}},
        {"calibration": {"beam_center_px": [1.0]}},
        {"metadata": None},
        {"metadata": [1]},
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        from_plain(ScanStart, {**GOOD, **change})


@pytest.mark.parametrize("missing", ["scan_id", "series", "frame_shape", "pixel_type", "frames_expected"])
def test_a_required_field_must_be_there(missing: str) -> None:
    with pytest.raises(TypeError):
        from_plain(ScanStart, {name: value for name, value in GOOD.items() if name != missing})


@pytest.mark.parametrize("plain", [None, 3, "text", [1], b"bytes"])
def test_a_message_is_a_mapping(plain: object) -> None:
    with pytest.raises(TypeError):
        from_plain(Calibration, plain)


@pytest.mark.parametrize("refusals", [{"decode": "1"}, {"decode": 1.5}, {3: 1}])
def test_a_mapping_of_numbers_holds_numbers(refusals: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        from_plain(Counters, {"refusals": refusals})


def test_an_unknown_word_of_a_list_of_words_is_refused() -> None:
    @dataclass(frozen=True)
    class Holder:
        state: ScanState

    assert from_plain(Holder, {"state": "running"}).state is ScanState.RUNNING
    with pytest.raises(ValueError, match="sleeping"):
        from_plain(Holder, {"state": "sleeping"})
