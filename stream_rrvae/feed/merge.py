"""Snapshots of a scan's shards as one snapshot of the scan: maps by what is measured, accounts by their sums."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from stream_rrvae.calibration.merged_found import merged_found
from stream_rrvae.maps.merging import merged_maps
from stream_rrvae.messages import Counters, Health, ModelStatus, ScanState, ShardStatus, Snapshot
from stream_rrvae.wire.shards import shard_of_line

UNLIKE_MODELS = (
    "the shards have different models, whose maps cannot be put together: "
    "let all apply one checkpoint (--mode apply --checkpoint FILE)"
)
_LEAST_READY_FIRST = ("failed", "off", "waiting", "training", "ready")


@dataclass(frozen=True, slots=True)
class Part:
    """One shard's latest word on the scan, and how it is doing now."""

    snapshot: Snapshot
    status: ShardStatus

    @property
    def is_live(self) -> bool:
        """Whether more may come of it."""
        return self.status.state == "running"


def alike(first: Snapshot, second: Snapshot) -> bool:
    """Whether both can be parts of one scan: same grid, and maps of the same meaning."""
    units = all(first.units[name] == unit for name, unit in second.units.items() if name in first.units)
    return (first.scan_shape, first.axes) == (second.scan_shape, second.axes) and units


def merged_snapshot(parts: Sequence[Part], absent: Sequence[ShardStatus], instrument: str, serial: int) -> Snapshot:
    """The scan as far as its shards told of it; `absent` are shards that have told nothing usable.

    At least one part; the order of the parts makes no difference where no position is in two.
    """
    parts = sorted(parts, key=lambda part: part.snapshot.shard_id)
    snapshots = [part.snapshot for part in parts]
    first, model = snapshots[0], _merged_model([snapshot.model for snapshot in snapshots])
    latest = min(snapshots, key=lambda each: _finite(each.health.last_frame_age_s))
    state = _merged_state(parts, absent)
    shards = sorted([*(part.status for part in parts), *absent], key=lambda status: status.shard_id)
    if state is not ScanState.RUNNING:
        shards = [_with_all_due(status, first) for status in shards]
    return Snapshot(
        instrument=instrument,
        serial=serial,
        published_unix_s=time.time(),
        state=state,
        scan_id=first.scan_id,
        scan_shape=first.scan_shape,
        calibration=first.calibration,
        counters=sum_counters(status.counters for status in shards),
        health=_merged_health([part.snapshot.health for part in parts if part.is_live] or [latest.health]),
        model=model,
        axes=first.axes,
        maps=merged_maps([each.maps for each in snapshots], one_model=model.detail != UNLIKE_MODELS),
        units={name: unit for snapshot in reversed(snapshots) for name, unit in snapshot.units.items()},
        pattern=latest.pattern,
        pattern_position=latest.pattern_position,
        metadata=first.metadata,
        shards=tuple(shards),
        found=merged_found([each.found for each in snapshots]),
        descan_removed=first.descan_removed,
        calibration_origin=first.calibration_origin,
        rotation_origin=first.rotation_origin,
        rotation_locked=first.rotation_locked,
        path=first.path,
        not_made=first.not_made,
    )


def sum_counters(counters: Iterable[Counters]) -> Counters:
    """The account of all: both identities hold for a sum whose terms they hold for."""
    given, refusals, skips = list(counters), Counter[str](), Counter[str]()
    for each in given:
        refusals.update(each.refusals)
        skips.update(each.skips)
    names = [field.name for field in fields(Counters) if field.name not in ("refusals", "skips")]
    sums = {name: sum(getattr(each, name) for each in given) for name in names}
    return Counters(**sums, refusals=dict(refusals), skips=dict(skips))


def _with_all_due(status: ShardStatus, scan: Snapshot) -> ShardStatus:
    """The scan is over: what a shard that did not say so still owes is missing."""
    counters = status.counters
    if status.state in (ScanState.COMPLETE, ScanState.ABORTED):
        return status
    owners = shard_of_line(np.arange(scan.scan_shape[0]), scan.shard_count, scan.shard_lines)
    due = scan.path.frames_in_lines(scan.scan_shape, np.flatnonzero(owners == status.shard_id))
    missing = max(counters.missing, due - counters.processed - counters.refused - counters.skipped)
    return replace(status, counters=replace(counters, missing=missing, expected=counters.received + missing))


def _merged_model(models: Sequence[ModelStatus]) -> ModelStatus:
    """That of all shards if they have one; a shard without a model yet differs from nobody."""
    made = [model for model in models if model.version]
    least = min(models, key=lambda model: _readiness(model.state))
    if len({str(model.model.get("sha256")) for model in made}) > 1:
        return ModelStatus(0, "failed", least.mode, UNLIKE_MODELS)
    if not made:
        return least
    version = min(model.version for model in made)
    details = sorted({model.detail for model in models if model.detail})
    return ModelStatus(version, least.state, least.mode, "; ".join(details), {}, made[0].model)


def _readiness(state: str) -> int:
    return _LEAST_READY_FIRST.index(state) if state in _LEAST_READY_FIRST else 0


def _merged_state(parts: Sequence[Part], absent: Sequence[ShardStatus]) -> ScanState:
    if any(part.is_live for part in parts):
        return ScanState.RUNNING
    whole = all(part.status.state == ScanState.COMPLETE for part in parts) and not absent
    return ScanState.COMPLETE if whole else ScanState.ABORTED


def _merged_health(healths: Sequence[Health]) -> Health:
    worst = max(healths, key=lambda health: health.degrade_level)
    return Health(
        rate_fps=sum(health.rate_fps for health in healths),
        latency_p50_s=_worst(health.latency_p50_s for health in healths),
        latency_p95_s=_worst(health.latency_p95_s for health in healths),
        last_frame_age_s=min(healths, key=lambda health: _finite(health.last_frame_age_s)).last_frame_age_s,
        rejected_messages=sum(health.rejected_messages for health in healths),
        learner_restarts=sum(health.learner_restarts for health in healths),
        other_consumers=max((health.other_consumers for health in healths), default=0),
        degrade_level=worst.degrade_level,
        degrade_reason=worst.degrade_reason,
    )


def _worst(seconds: Iterable[float]) -> float:
    return max((value for value in seconds if math.isfinite(value)), default=math.nan)


def _finite(age_s: float) -> float:
    return age_s if math.isfinite(age_s) else math.inf
