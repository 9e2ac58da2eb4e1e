"""The state of an instrument, and what is told of it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import pytest

from dashboards.feeds.feed_state import clock_text, feed_state
from dashboards.feeds.live_feed import LiveFeed
from dashboards.feeds.readings import status
from dashboards.feeds.thresholds import Thresholds
from stream_rrvae.errors import ConfigError
from stream_rrvae.messages import Calibration, Counters, Health, ModelStatus, ScanState, ShardStatus, Snapshot

MakeSnapshot = Callable[..., Snapshot]


@pytest.mark.parametrize(
    ("silent_s", "word", "stale"), [(0.0, "LIVE", False), (2.5, "STALE", True), (11.0, "UNREACHABLE", True)]
)
def test_silence_of_the_service_is_seen(
    feed: LiveFeed, clock: object, make_snapshot: MakeSnapshot, silent_s: float, word: str, stale: bool
) -> None:
    feed.publish(make_snapshot())
    feed.clock.now_s += silent_s  # type: ignore[attr-defined]  # the test's own clock
    state = feed_state(feed)
    assert (state.word, state.stale) == (word, stale)
    assert bool(state.reason) == stale


@pytest.mark.parametrize(
    ("scan_state", "health", "word"),
    [
        (ScanState.IDLE, Health(), "IDLE"),
        (ScanState.RUNNING, Health(), "LIVE"),
        (ScanState.RUNNING, Health(last_frame_age_s=3.0), "STALE"),
        (ScanState.RUNNING, Health(latency_p95_s=1.9), "LAG"),
        (ScanState.COMPLETE, Health(last_frame_age_s=300.0, latency_p95_s=1.9), "COMPLETE"),
        (ScanState.ABORTED, Health(), "ABORTED"),
    ],
)
def test_the_scan_is_seen(
    feed: LiveFeed, make_snapshot: MakeSnapshot, scan_state: ScanState, health: Health, word: str
) -> None:
    feed.publish(make_snapshot(state=scan_state, health=health))
    assert feed_state(feed).word == word


@pytest.mark.parametrize(
    ("level", "word", "kind", "shape", "said"),
    [
        (1, "REDUCED", "minor", "▲", "training paused"),
        (3, "REDUCED", "minor", "▲", "no new latents"),
        (4, "SKIPPING", "major", "■", "coarse maps"),
        (5, "SKIPPING", "major", "■", "no maps"),
        (9, "SKIPPING", "major", "■", "level 9"),
    ],
)
def test_what_is_left_out_to_keep_up_is_seen(
    feed: LiveFeed, make_snapshot: MakeSnapshot, level: int, word: str, kind: str, shape: str, said: str
) -> None:
    health = Health(latency_p95_s=1.9, degrade_level=level, degrade_reason="frames wait 1.9 s")
    feed.publish(make_snapshot(health=health))
    state = feed_state(feed)
    assert (state.word, state.kind, state.shape) == (word, kind, shape)
    assert said in state.reason and state.reason.endswith(": frames wait 1.9 s")
    assert not state.stale


@pytest.mark.parametrize(("quiet_s", "word", "stale"), [(0.0, "SHARED", False), (9.0, "STALE", True)])
def test_somebody_who_takes_frames_away_is_told_with_what_to_do(
    feed: LiveFeed, make_snapshot: MakeSnapshot, quiet_s: float, word: str, stale: bool
) -> None:
    feed.publish(make_snapshot(health=Health(last_frame_age_s=quiet_s, latency_p95_s=1.9, other_consumers=1)))
    state = feed_state(feed)
    assert (state.word, state.shape, state.kind, state.stale) == (word, "■", "major", stale)
    assert "another program takes frames" in state.reason and "end it" in state.reason


def test_an_instrument_at_rest_is_not_stale(feed: LiveFeed, make_snapshot: MakeSnapshot) -> None:
    feed.publish(make_snapshot(state=ScanState.IDLE))
    feed.clock.now_s += 9.0  # type: ignore[attr-defined]  # the test's own clock
    assert feed_state(feed).word == "IDLE"
    feed.clock.now_s += 2.0  # type: ignore[attr-defined]
    assert feed_state(feed).word == "UNREACHABLE"


def test_a_slow_scan_is_not_taken_for_one_that_stopped(feed: LiveFeed, make_snapshot: MakeSnapshot) -> None:
    for received in range(1, 4):  # a frame every 3 s
        feed.publish(make_snapshot(counters=Counters(received=received)))
        feed.clock.now_s += 3.0  # type: ignore[attr-defined]  # the test's own clock
    for age_s, word in ((14.0, "LIVE"), (16.0, "STALE")):
        feed.publish(make_snapshot(counters=Counters(received=3), health=Health(last_frame_age_s=age_s)))
        assert feed_state(feed).word == word


def test_thresholds_are_the_sites_own(clock: Callable[[], float], make_snapshot: MakeSnapshot) -> None:
    feed = LiveFeed("tcp://127.0.0.1:5556", clock, Thresholds(lag_s=0.2, stale_s=30.0, unreachable_s=60.0))
    feed.publish(make_snapshot(health=Health(latency_p95_s=0.3, last_frame_age_s=29.0)))
    assert feed_state(feed).word == "LAG"
    feed.clock.now_s += 31.0  # type: ignore[attr-defined]  # the test's own clock
    assert feed_state(feed).word == "STALE"
    for wrong in (Thresholds(stale_s=0.0), Thresholds(lag_s=math.nan), Thresholds(stale_s=20.0)):
        with pytest.raises(ConfigError):
            wrong.checked()


def test_before_the_first_snapshot_the_page_waits(feed: LiveFeed) -> None:
    assert feed_state(feed).word == "WAITING"
    assert feed.url in status(feed)["reason"]


def test_states_differ_by_shape_and_word(feed: LiveFeed, make_snapshot: MakeSnapshot) -> None:
    seen = [feed_state(feed)]
    for state in ScanState:
        feed.publish(make_snapshot(state=state))
        seen.append(feed_state(feed))
    feed.publish(make_snapshot())
    for step in (3.0, 10.0):
        feed.clock.now_s += step  # type: ignore[attr-defined]  # the test's own clock
        seen.append(feed_state(feed))
    assert len({state.word for state in seen}) == len(seen)
    alarms = [state for state in seen if state.kind in ("minor", "major", "invalid")]
    assert len({state.shape for state in alarms}) == len(alarms) == 3


def test_progress_is_of_the_whole_scan_and_100_percent_means_all(feed: LiveFeed, make_snapshot: MakeSnapshot) -> None:
    feed.publish(make_snapshot(counters=Counters(processed=18), health=Health(rate_fps=2.0)))
    told = status(feed)
    assert (told["fraction"], told["percent"], told["eta"]) == (0.75, "75 %", "0:03")
    feed.publish(make_snapshot(scan_shape=(1000, 1000), maps={}, counters=Counters(processed=999_999)))
    assert status(feed)["percent"] == "99 %"
    feed.publish(make_snapshot(counters=Counters(processed=10**9), state=ScanState.COMPLETE))
    assert status(feed)["fraction"] == 1.0


def test_what_is_wrong_is_an_alarm(feed: LiveFeed, make_snapshot: MakeSnapshot) -> None:
    feed.publish(make_snapshot())
    assert status(feed)["cells"]["alarms"] == []
    wrong = make_snapshot(
        calibration=Calibration(),
        counters=Counters(missing=1, refused=2, refusals={"size": 2}),
        model=ModelStatus(0, "failed", "finetune", "out of memory"),
    )
    feed.publish(wrong)
    told = status(feed)
    assert told["cells"]["alarms"] == ["missing", "refused", "model", "rotation"]
    assert told["cells"]["rotation"] == "not set"
    assert ("", "out of memory") in told["tables"]["model"]
    assert ("· size", "2") in told["tables"]["frames"]


def test_a_status_is_always_json_whatever_the_service_says(feed: LiveFeed, make_snapshot: MakeSnapshot) -> None:
    odd = make_snapshot(
        health=Health(math.inf, math.nan, -1.0, math.nan),
        model=ModelStatus(1, "<script>", "", "x" * 500, {"a": [math.nan], "b": math.inf}),
        metadata={"sample": {"deep": 1}},
        published_unix_s=-1e300,
    )
    feed.publish(odd)
    # Numbers that JSON has not would break the page's parser.
    assert "NaN" not in json.dumps(status(feed)) and "Infinity" not in json.dumps(status(feed))


def test_times_carry_their_zone() -> None:
    assert len(clock_text(1.7e9).split()) == 2
    assert clock_text(math.nan) == clock_text(1e300) == "an unknown time"


def test_a_shard_that_is_amiss_is_named(feed: LiveFeed, make_snapshot: MakeSnapshot) -> None:
    shards = (ShardStatus(0, "running", Counters(processed=9)), ShardStatus(1, "silent", silent_s=math.inf))
    feed.publish(make_snapshot(shards=shards))
    state = feed_state(feed)
    assert (state.word, state.kind, state.stale) == ("PARTIAL", "minor", False)
    assert state.reason == "shard 1 is silent; others go on"
    assert ("shard 0", "9 running") in status(feed)["tables"]["frames"]
    feed.publish(make_snapshot(shards=shards, state=ScanState.ABORTED))
    assert feed_state(feed).word == "ABORTED"
    assert "shard 1" in feed_state(feed).reason
    feed.publish(make_snapshot(shards=shards[:1]))
    assert feed_state(feed).word == "LIVE"
