"""In which state an instrument is, told by word, shape and colour class alike.

WAITING -> IDLE | LIVE <-> LAG, PARTIAL, SHARED, REDUCED, SKIPPING | COMPLETE | ABORTED -> STALE -> UNREACHABLE. STALE
is of running scans alone: an instrument that rests owes nobody anything but a sign of life. DISCONNECTED, when the page
has lost this server, is painted by the page itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime

from dashboards.feeds.live_feed import LiveFeed
from dashboards.pictures.numbers_text import fixed
from stream_rrvae.messages import DegradeLevel, ScanState, Snapshot


@dataclass(frozen=True, slots=True)
class FeedState:
    """`kind` is a CSS class: idle, live, done, minor, major or invalid."""

    word: str
    shape: str
    kind: str
    reason: str = ""
    stale: bool = False  # what the panels show is old


AMISS = {
    "silent": "is silent",
    "lost": "left this scan",
    "unlike": "has other units or axes",
}
_LEFT_OUT: dict[int, str] = {
    DegradeLevel.NO_TRAINING: "training paused",
    DegradeLevel.ENCODE_SELDOM: "latents seldom, no training",
    DegradeLevel.NO_ENCODING: "no new latents",
    DegradeLevel.COM_EVERY_KTH: "coarse maps",
    DegradeLevel.RECORD_ONLY: "no maps",
}
TAKES_FRAMES = "another program takes frames off the stream: end it"
_BY_SCAN = {
    ScanState.IDLE: FeedState("IDLE", "○", "idle", "no scan yet"),
    ScanState.COMPLETE: FeedState("COMPLETE", "✓", "done"),
    ScanState.ABORTED: FeedState("ABORTED", "▲", "minor", "the scan ended before all its frames came"),
}


def feed_state(feed: LiveFeed) -> FeedState:
    """The state of `feed` now."""
    frame = feed.newest
    if frame is None:
        return FeedState("WAITING", "○", "idle", f"no service on {feed.url} yet; trying on")
    limits, snapshot = feed.thresholds, frame.snapshot
    silent_s = feed.clock() - frame.received_s
    since = clock_text(snapshot.published_unix_s)
    if silent_s > limits.unreachable_s:
        return FeedState("UNREACHABLE", "◆", "invalid", f"nothing heard since {since}; trying on", stale=True)
    is_running = snapshot.state is ScanState.RUNNING
    if silent_s > limits.stale_s and is_running:
        return FeedState("STALE", "■", "major", f"no data since {since}; waiting for the service", stale=True)
    amiss = amiss_shards(snapshot)
    if not is_running:
        state = _BY_SCAN[snapshot.state]
        return replace(state, reason=f"{state.reason}; {amiss}") if amiss else state
    quiet_s = snapshot.health.last_frame_age_s
    if quiet_s > limits.quiet_s(feed.pace.period_s):
        last = clock_text(snapshot.published_unix_s - quiet_s)
        told = f"no frame from the detector since {last}"
        if snapshot.health.other_consumers:
            told = f"{told}; {TAKES_FRAMES}"
        return FeedState("STALE", "■", "major", told, stale=True)
    if snapshot.health.other_consumers:
        return FeedState("SHARED", "■", "major", TAKES_FRAMES)
    if snapshot.health.degrade_level:
        return _reduced(snapshot)
    latency_s = snapshot.health.latency_p95_s
    if latency_s > limits.lag_s:
        return FeedState("LAG", "▲", "minor", f"maps are {fixed(latency_s, 1)} s behind the detector")
    return FeedState("PARTIAL", "▲", "minor", f"{amiss}; others go on") if amiss else FeedState("LIVE", "●", "live")


def _reduced(snapshot: Snapshot) -> FeedState:
    """The service leaves something out to keep up with its detector."""
    level, why = snapshot.health.degrade_level, snapshot.health.degrade_reason
    told = ": ".join(filter(None, (_LEFT_OUT.get(level, f"degrade level {level}"), why)))
    if level >= DegradeLevel.COM_EVERY_KTH:
        return FeedState("SKIPPING", "■", "major", told)
    return FeedState("REDUCED", "▲", "minor", told)


def amiss_shards(snapshot: Snapshot) -> str:
    """What is wrong with shards of a merged scan; "" = nothing."""
    return ", ".join(f"shard {each.shard_id} {AMISS[each.state]}" for each in snapshot.shards if each.state in AMISS)


def last_good_unix_s(snapshot: Snapshot) -> float:
    """When the latest frame came, by the service's clock; where it never had one, when it spoke last."""
    age_s = snapshot.health.last_frame_age_s
    return snapshot.published_unix_s - age_s if age_s >= 0 else snapshot.published_unix_s


def clock_text(unix_s: float) -> str:
    """hh:mm:ss with the name of this machine's time zone."""
    if not math.isfinite(unix_s) or not 0 <= unix_s < 2**33:
        return "an unknown time"
    return datetime.fromtimestamp(unix_s).astimezone().strftime("%H:%M:%S %Z")
