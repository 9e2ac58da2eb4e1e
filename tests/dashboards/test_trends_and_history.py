"""What a feed's reader remembers: five minutes of numbers, a dozen of scans."""

from __future__ import annotations

import math
from collections.abc import Callable

from dashboards.feeds.scan_history import SCANS_LIMIT, ScanHistory
from dashboards.feeds.trends import SPAN_S, Trends
from stream_rrvae.messages import Counters, Health, ScanState, Snapshot

MakeSnapshot = Callable[..., Snapshot]


def test_a_point_a_second_and_what_is_newly_missing(make_snapshot: MakeSnapshot) -> None:
    trends = Trends()
    missing = [0, 3, 3, 10]
    for second, count in enumerate(missing):
        trends.take(make_snapshot(counters=Counters(missing=count), health=Health(100.0, 0.01, 0.05)), float(second))
        trends.take(make_snapshot(counters=Counters(missing=999)), second + 0.3)
    told = trends.told(4.0)
    assert told["age"] == [4.0, 3.0, 2.0, 1.0]
    assert told["missing"] == [0, 3, 0, 7]
    assert told["rate"] == [100.0] * 4 and told["latency"] == [50.0] * 4


def test_a_new_scan_begins_at_none_missing_and_what_is_no_number_is_a_gap(make_snapshot: MakeSnapshot) -> None:
    trends = Trends()
    trends.take(make_snapshot(counters=Counters(missing=5)), 0.0)
    trends.take(make_snapshot(scan_id="next", counters=Counters(missing=2), health=Health(math.inf, 0, math.nan)), 1.0)
    told = trends.told(1.0)
    assert told["missing"] == [0, 2] and told["rate"][1] is None and told["latency"][1] is None


def test_trends_end_after_five_minutes(make_snapshot: MakeSnapshot) -> None:
    trends = Trends()
    for second in range(int(2 * SPAN_S)):
        trends.take(make_snapshot(), float(second))
    assert len(trends.told(2 * SPAN_S - 1)["age"]) <= SPAN_S + 1
    assert trends.told(1e9)["age"] == []


def test_scans_are_remembered_by_how_they_ended(make_snapshot: MakeSnapshot) -> None:
    history = ScanHistory()
    for number in range(SCANS_LIMIT + 3):
        history.take(make_snapshot(scan_id=f"scan {number}"))
        history.take(
            make_snapshot(scan_id=f"scan {number}", state=ScanState.COMPLETE, counters=Counters(missing=number))
        )
    history.take(make_snapshot(scan_id=""))
    seen = history.newest_first()
    assert len(seen) == SCANS_LIMIT
    assert (seen[0].scan_id, seen[0].state, seen[0].missing) == ("scan 14", ScanState.COMPLETE, 14)
