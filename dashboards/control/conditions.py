"""What of an instrument is an alarm."""

from __future__ import annotations

from dashboards.control.alarms import Condition, Severity
from dashboards.feeds.feed_state import TAKES_FRAMES, FeedState
from dashboards.pictures.numbers_text import fixed
from stream_rrvae.messages import Snapshot

HOLD_S = 3.0  # for what comes and goes by itself: a late frame, a moment's lag
_SEVERITIES = {"minor": Severity.MINOR, "major": Severity.MAJOR, "invalid": Severity.INVALID}


def conditions(state: FeedState, snapshot: Snapshot | None) -> list[Condition]:
    """What is wrong with an instrument now, by its state and the latest that was heard of it."""
    found = []
    severity = _SEVERITIES.get(state.kind)
    if severity is not None and state.word != "SHARED":  # which is told of every scan that suffers it, stale ones too
        hold_s = HOLD_S if severity is Severity.MINOR else 0.0
        found.append(Condition(state.word, severity, state.reason, hold_s))
    if snapshot is not None and snapshot.scan_id:
        found += _of_scan(snapshot)
    return found


def _of_scan(snapshot: Snapshot) -> list[Condition]:
    counters, health, model = snapshot.counters, snapshot.health, snapshot.model
    found = []
    if counters.missing > 0:
        text = f"{fixed(counters.missing)} frames missing in {snapshot.scan_id}"
        found.append(Condition("missing", Severity.MINOR, text, HOLD_S))
    if health.other_consumers:
        found.append(Condition("shared", Severity.MAJOR, f"{snapshot.scan_id}: {TAKES_FRAMES}"))
    if counters.refused > 0:
        text = f"{fixed(counters.refused)} frames refused in {snapshot.scan_id}"
        found.append(Condition("refused", Severity.MINOR, text, HOLD_S))
    if health.recording_fault:
        found.append(Condition("recording", Severity.MAJOR, f"the recording ended: {health.recording_fault}"))
    if model.state == "failed":
        found.append(Condition("model", Severity.MINOR, f"the learner failed: {model.detail}"))
    return found
