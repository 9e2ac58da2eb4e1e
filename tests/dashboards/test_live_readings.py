"""What the live page says of calibration, shards and past scans."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dashboards.feeds.feed_state import clock_text
from dashboards.feeds.live_feed import LiveFeed
from dashboards.feeds.readings import shortened, status
from stream_rrvae.found import CalibrationFound, DescanFound, RotationFound
from stream_rrvae.messages import Calibration, Counters, Health, ScanState, ShardStatus, Snapshot

MakeSnapshot = Callable[..., Snapshot]


def test_a_calibrations_origin_stands_beside_its_name(feed: LiveFeed, make_snapshot: MakeSnapshot) -> None:
    origins = {"mrad_per_px": "site file"}
    feed.publish(make_snapshot(rotation_origin="operator", rotation_locked=True, calibration_origin=origins))
    told = status(feed)
    assert told["labels"] == {"rotation": "rotation · operator", "scale": "mrad/px · site file"}
    assert told["cells"]["scale"] == "2.000"
    assert told["rotation"] == {"degrees": 28.65, "flip": False, "locked": True, "found": None}
    feed.publish(make_snapshot(calibration=Calibration()))
    told = status(feed)
    assert told["cells"]["scale"] == "–" and told["rotation"]["degrees"] is None
    assert told["labels"] == {"rotation": "rotation", "scale": "mrad/px"}


@pytest.mark.parametrize(("trusted", "word"), [(True, "use"), (False, "perhaps")])
def test_a_rotation_that_the_scan_shows_is_offered(
    feed: LiveFeed, make_snapshot: MakeSnapshot, trusted: bool, word: str
) -> None:
    rotation = RotationFound(-1.22, 0.005, True, 0.99, 0.99, 0.1, trusted)
    feed.publish(make_snapshot(found=CalibrationFound(9, None, rotation)))
    found = status(feed)["rotation"]["found"]
    assert found == {"degrees": -69.9, "flip": True, "text": f"{word} −69.9 ± 0.3°, flip"}


@pytest.mark.parametrize(
    ("removed", "certain", "said"), [(False, True, "left in"), (True, False, "taken out · uncertain")]
)
def test_descan_is_told_and_whether_the_maps_hold_it(
    feed: LiveFeed, make_snapshot: MakeSnapshot, removed: bool, certain: bool, said: str
) -> None:
    descan = DescanFound("plane", ((1.2, 1.6), (0.1, 0.0)), (0.1, 0.1), certain)
    found = CalibrationFound(9, None, None, None if removed else descan)
    feed.publish(make_snapshot(found=found, descan_removed=descan if removed else None))
    assert dict(status(feed)["tables"]["geometry"])["descan"] == f"2.00\u202fpx · {said}"
    feed.publish(make_snapshot())
    assert dict(status(feed)["tables"]["geometry"])["descan"] == "–"


def test_shards_that_take_part_are_counted(feed: LiveFeed, make_snapshot: MakeSnapshot) -> None:
    feed.publish(make_snapshot())
    assert status(feed)["cells"]["shard"] == "one"
    feed.publish(make_snapshot(shard_id=1, shard_count=4))
    assert status(feed)["cells"]["shard"] == "2 of 4"
    feed.publish(make_snapshot(shards=(ShardStatus(0, "running"), ShardStatus(1, "silent"))))
    assert status(feed)["cells"]["shard"] == "1 of 2"


def test_past_scans_are_told_newest_first(feed: LiveFeed, make_snapshot: MakeSnapshot) -> None:
    feed.publish(make_snapshot(scan_id="first", state=ScanState.ABORTED, counters=Counters(missing=1234)))
    feed.publish(make_snapshot(scan_id="a long name-000002"))
    rows = status(feed)["tables"]["scans"]
    assert [row[:2] for row in rows] == [("● …-000002", "0"), ("▲ first", "1\u202f234")]
    assert rows[0][2].startswith("a long name-000002: running") and rows[0][3] == "a long name-000002"


def test_a_scan_that_is_over_is_not_told_as_running(feed: LiveFeed, make_snapshot: MakeSnapshot) -> None:
    for name in ("run 1", "run 2"):
        feed.publish(make_snapshot(scan_id=name, state=ScanState.RUNNING))
    shown = [(row[0], row[2].split(",")[0]) for row in status(feed)["tables"]["scans"]]
    assert shown == [("● run 2", "run 2: running"), ("– run 1", "run 1: its end was not seen")]


def test_the_last_good_time_is_that_of_the_last_frame(feed: LiveFeed, make_snapshot: MakeSnapshot) -> None:
    feed.publish(make_snapshot(health=Health(last_frame_age_s=14.0)))
    assert status(feed)["since"] == clock_text(1.7e9 - 14.0)
    feed.publish(make_snapshot(health=Health(last_frame_age_s=-1.0)))
    assert status(feed)["since"] == clock_text(1.7e9)


def test_only_a_service_that_records_has_recordings_of_its_scans(feed: LiveFeed, make_snapshot: MakeSnapshot) -> None:
    feed.publish(make_snapshot())
    assert not status(feed)["recorded"]
    feed.publish(make_snapshot(health=Health(frames_recorded=3)))
    assert status(feed)["recorded"] and status(feed)["scan_id"] == "run 42"


def test_short_names_stay_whole() -> None:
    assert shortened("run 0042") == "run 0042"
