"""Stream V2 starts: what the detector announces, and the site's appendix to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from cbor2 import CBORTag

from stream_rrvae.errors import WireError
from stream_rrvae.messages import Calibration, Encoding, Refusal, ScanStart
from stream_rrvae.wire.dectris_v2 import DectrisV2Protocol

if TYPE_CHECKING:
    from tests.wire.conftest import V2

Decode = Callable[..., ScanStart]
PLAIN_START = ScanStart("01JD-A", 7, (33, 97), "uint16", 12)


@pytest.fixture
def decode(v2: V2) -> Decode:
    """Decodes a start of the given fields over the usual ones; ... = the field is absent."""

    def run(channel: str | None = None, **changes: Any) -> ScanStart:
        fields = {**v2.start_fields(PLAIN_START), "user_data": None, **changes}
        present = {key: value for key, value in fields.items() if value is not ...}
        (part,) = v2.message(present)
        (start,) = DectrisV2Protocol(channel).decode([memoryview(part)])
        assert isinstance(start, ScanStart)
        return start

    return run


def test_only_what_is_needed(decode: Decode, v2: V2) -> None:
    needed = {
        "type",
        "series_id",
        "series_unique_id",
        "number_of_images",
        "image_size_x",
        "image_size_y",
        "image_dtype",
        "channels",
    }
    start = decode(**{key: ... for key in v2.start_fields(PLAIN_START) if key not in needed})
    assert start == replace(PLAIN_START, channels=("threshold_1",), metadata={"detector": {}})
    for name in sorted(needed):
        with pytest.raises(WireError) as refused:
            decode(**{name: ...})
        assert refused.value.reason is Refusal.FIELD


@pytest.mark.parametrize("as_text", [False, True])
def test_the_appendix_is_a_map_or_its_json_text(decode: Decode, as_text: bool) -> None:
    appendix: Any = {
        "scan_shape": [3, 4],
        "calibration": {"mrad_per_px": 1, "beam_center_px": [1.5, 2.5], "unheard_of": 1},
        "metadata": {"operator": "Ωmega"},
    }
    start = decode(user_data=json.dumps(appendix) if as_text else appendix, incident_energy=2e5, beam_center_x=9.0)
    assert start.scan_shape == (3, 4)
    assert start.calibration == Calibration(mrad_per_px=1.0, beam_center_px=(1.5, 2.5), beam_energy_ev=2e5)
    assert start.metadata["operator"] == "Ωmega"
    assert "appendix_error" not in start.metadata


BAD_APPENDICES: list[tuple[Any, str]] = [
    (5, "user_data"),
    ("not JSON", "user_data"),
    ("[1, 2]", "user_data"),
    ("[" * 50_000, "user_data"),
    ('{"calibration": {"mrad_per_px": 1' + "0" * 400 + "}}", "calibration"),
    ({"scan_shape": [3]}, "scan_shape"),
    ({"scan_shape": [0, 4]}, "scan_shape"),
    ({"scan_shape": [2**16, 2**16]}, "scan_shape"),
    ({"scan_shape": ["3", "4"]}, "scan_shape"),
    ({"calibration": 5}, "calibration"),
    ({"calibration": {"mrad_per_px": -1}}, "calibration"),
    ({"calibration": {"mrad_per_px": float("nan")}}, "calibration"),
    ({"calibration": {"scan_step_nm": [1.0]}}, "calibration"),
    ({"calibration": {"detector_flip": "yes"}}, "calibration"),
    ({"metadata": []}, "metadata"),
    ({"metadata": {"a": b"bytes"}}, "metadata"),
    ('{"metadata": {"a": "\\ud800"}}', "metadata"),
    ('{"metadata": {"a": NaN}}', "metadata"),
    ({"metadata": {"a": ["b" * 1000] * 20}}, "metadata"),
    ({"metadata": {"a": CBORTag(64, b"pixels")}}, "metadata"),
]


@pytest.mark.parametrize(("appendix", "part"), BAD_APPENDICES)
def test_a_wrong_appendix_is_left_out_and_said(decode: Decode, appendix: Any, part: str) -> None:
    start = decode(user_data=appendix)
    assert start.metadata["appendix_error"].startswith(part)
    assert (start.scan_shape, start.calibration) == (None, Calibration())
    json.dumps(dict(start.metadata), allow_nan=False)


def test_only_the_wrong_part_of_an_appendix_is_left_out(decode: Decode) -> None:
    start = decode(user_data={"scan_shape": [3, 4], "calibration": {"mrad_per_px": -1}, "metadata": {"a": 1}})
    assert (start.scan_shape, start.calibration, start.metadata["a"]) == ((3, 4), Calibration(), 1)


def test_an_appendix_with_foreign_tags_does_not_lose_the_scan(decode: Decode) -> None:
    assert decode(user_data={"scan_shape": [3, 4], "when": CBORTag(1, 0)}).scan_shape is None


def test_what_the_detector_says_of_itself_is_kept(decode: Decode) -> None:
    detector = decode(detector_serial_number="E-01", future_field={"a": [1, 2.5]}).metadata["detector"]
    assert detector["detector_serial_number"] == "E-01"
    assert detector["future_field"] == {"a": [1, 2.5]}
    assert detector["arm_date"] == "2025-11-22T15:00:00.123456Z"
    assert not {"flatfield", "countrate_correction_lookup_table", "user_data", "channels"} & set(detector)


def test_fields_beyond_the_room_for_metadata_are_dropped_one_by_one(decode: Decode) -> None:
    start = decode(long=["a" * 1000] * 60, short="b", endless=float("inf"), user_data={"metadata": {"c": "d" * 15_000}})
    assert "long" not in start.metadata["detector"]
    assert "endless" not in start.metadata["detector"]
    assert start.metadata["detector"]["short"] == "b"


def test_the_beam_centre_is_in_rows_and_columns_and_zero_means_unset(decode: Decode) -> None:
    assert decode(beam_center_x=48.5, beam_center_y=16.0).calibration.beam_center_px == (16.0, 48.5)
    assert decode(beam_center_x=0.0, beam_center_y=0.0).calibration.beam_center_px is None
    assert decode(beam_center_x=48.5, beam_center_y=...).calibration.beam_center_px is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("incident_energy", "high"), ("beam_center_x", float("nan")), ("saturation_value", -5), ("saturation_value", [])],
)
def test_optional_fields_that_make_no_sense_are_left_out_and_said(decode: Decode, name: str, value: Any) -> None:
    start = decode(**{name: value})
    assert name in start.metadata["ignored_fields"][0]
    assert start.saturation is None and start.calibration == Calibration()


@pytest.mark.parametrize("encoding", list(Encoding))
def test_every_bit_of_the_pixel_mask_is_a_defect(decode: Decode, v2: V2, encoding: Encoding) -> None:
    mask = np.zeros((33, 97), np.uint32)
    mask[0, 1], mask[5, 6] = 1, 1 << 31
    usable = decode(pixel_mask={"threshold_1": v2.array(mask, encoding)}).pixel_mask
    assert usable is not None
    np.testing.assert_array_equal(usable, mask == 0)


def test_pixel_masks_that_do_not_fit_are_left_out_and_said(decode: Decode, v2: V2) -> None:
    fitting = np.zeros((33, 97), np.uint32)
    for bad in (v2.array(fitting.T.copy()), v2.array(fitting + 1), CBORTag(40, [[33, 97], b""]), 5):
        start = decode(pixel_mask={"threshold_1": bad})
        assert start.pixel_mask is None
        assert start.metadata["ignored_fields"][0].startswith("pixel_mask")
    assert decode(pixel_mask={"threshold_2": v2.array(fitting)}).pixel_mask is None


def test_the_mask_is_that_of_the_wanted_channel(decode: Decode, v2: V2) -> None:
    masks = {}
    for row, name in enumerate(("threshold_1", "threshold_2")):
        mask = np.zeros((33, 97), np.uint32)
        mask[row] = 1
        masks[name] = v2.array(mask)
    usable = decode("threshold_2", channels=["threshold_1", "threshold_2"], pixel_mask=masks).pixel_mask
    assert usable is not None
    assert usable[0].all() and not usable[1].any()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"image_dtype": "uint64"}, Refusal.PIXEL_TYPE),
        ({"image_dtype": 16}, Refusal.TYPE),
        ({"image_size_x": 8193}, Refusal.FIELD),
        ({"image_size_y": 0}, Refusal.FIELD),
        ({"image_size_y": 33.0}, Refusal.TYPE),
        ({"number_of_images": 0}, Refusal.FIELD),
        ({"number_of_images": 2**40}, Refusal.FIELD),
        ({"series_id": -1}, Refusal.FIELD),
        ({"series_id": 2**63}, Refusal.FIELD),
        ({"series_unique_id": ""}, Refusal.FIELD),
        ({"series_unique_id": "a" * 300}, Refusal.FIELD),
        ({"channels": []}, Refusal.CHANNEL),
        ({"channels": "threshold_1"}, Refusal.TYPE),
        ({"channels": [1]}, Refusal.TYPE),
        ({"channels": ["a", "a"]}, Refusal.FIELD),
        ({"type": "begin"}, Refusal.TYPE),
        ({"type": 1}, Refusal.TYPE),
    ],
)
def test_starts_that_make_no_sense_are_refused(decode: Decode, changes: dict[str, Any], reason: Refusal) -> None:
    with pytest.raises(WireError) as refused:
        decode(**changes)
    assert refused.value.reason is reason


def test_identities_are_made_fit_for_names_of_folders(decode: Decode) -> None:
    assert decode(series_unique_id="../../etc/ä b").scan_id == "_._.._etc___b"


def test_a_wanted_channel_that_is_not_announced_refuses_the_start(decode: Decode) -> None:
    with pytest.raises(WireError) as refused:
        decode("threshold_2")
    assert refused.value.reason is Refusal.CHANNEL


def test_the_appendix_may_name_the_shard(decode: Decode) -> None:
    start = decode(user_data=json.dumps({"shard": {"id": 2, "count": 3, "lines": 8}}))
    assert (start.shard_id, start.shard_count, start.shard_lines) == (2, 3, 8)
    assert decode(user_data={"shard": {"id": 0, "count": 2}}).shard_lines == 1


@pytest.mark.parametrize("shard", [5, {}, {"id": 2, "count": 2}, {"id": 0, "count": 2, "lines": 0}, {"id": "0"}])
def test_a_wrong_shard_is_left_out_and_said(decode: Decode, shard: Any) -> None:
    start = decode(user_data={"shard": shard})
    assert (start.shard_id, start.shard_count, start.shard_lines) == (0, 1, 1)
    assert start.metadata["appendix_error"]
