"""Which scans of several shards are over, and what was last told of them: without sockets, threads or a clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from stream_rrvae.feed.merge import Part, alike, merged_snapshot
from stream_rrvae.feed.shards import SCANS_REMEMBERED
from stream_rrvae.maps.merging import merged_mean
from stream_rrvae.messages import LevelChange, ScanState, ShardStatus, Snapshot

SCANS_HELD = 4  # that are not over; each holds a map of every shard
NEXT_PATIENCE_S = 2.0  # for who has not said how a scan ended that others have left behind
PATIENCE_S = 10.0  # for shards that say nothing of a scan, and for models, once all others are done
_OVER = (ScanState.COMPLETE, ScanState.ABORTED)
_SETTLED = ("off", "ready", "failed")


@dataclass(frozen=True, slots=True)
class EndedScan:
    """The last word on a scan."""

    snapshot: Snapshot  # merged
    started_unix_s: float
    ended_unix_s: float
    levels: tuple[LevelChange, ...]  # what was left out to keep up, by whichever shard left out most


@dataclass(slots=True)
class _Held:
    told: dict[int, Snapshot] = field(default_factory=dict)  # the latest of each feed
    moved_s: float = 0.0  # when anything new was told
    left_s: float | None = None  # when another scan was begun
    levels: list[LevelChange] = field(default_factory=list)
    started_unix_s: float = 0.0
    ended_unix_s: float = 0.0


class EndedScans:
    """Of `count` feeds, numbered from 0."""

    def __init__(self, count: int, instrument: str) -> None:
        self._count, self._instrument = count, instrument
        self._held: dict[str, _Held] = {}
        self._done: deque[str] = deque(maxlen=SCANS_REMEMBERED)

    def take(self, number: int, snapshot: Snapshot, now_s: float) -> None:
        """What came from feed `number`."""
        scan_id = snapshot.scan_id
        if not scan_id or scan_id in self._done:
            return
        if scan_id not in self._held:
            for other in self._held.values():
                other.left_s = other.left_s or now_s
            self._held[scan_id] = _Held(moved_s=now_s, started_unix_s=snapshot.published_unix_s)
        held = self._held[scan_id]
        if _news(held.told.get(number), snapshot):
            held.moved_s, held.ended_unix_s = now_s, snapshot.published_unix_s
        held.told[number] = snapshot
        level = max(each.health.degrade_level for each in held.told.values())
        if level != (held.levels[-1].level if held.levels else 0):
            held.levels.append(LevelChange(snapshot.published_unix_s, level, snapshot.health.degrade_reason))

    def due(self, now_s: float) -> list[EndedScan]:
        """Scans that are over since this was asked before; each once."""
        oldest_first = list(self._held)
        crowded = oldest_first[: max(0, len(oldest_first) - SCANS_HELD)]
        ready = [scan_id for scan_id in oldest_first if scan_id in crowded or self._is_over(scan_id, now_s)]
        return list(self._ended(ready))

    def rest(self) -> list[EndedScan]:
        """What is left when nothing more will come."""
        return list(self._ended(list(self._held)))

    def _is_over(self, scan_id: str, now_s: float) -> bool:
        held = self._held[scan_id]
        told = held.told.values()
        quiet_s = now_s - held.moved_s
        if not all(each.state in _OVER for each in told):
            return held.left_s is not None and min(quiet_s, now_s - held.left_s) > NEXT_PATIENCE_S
        everybody_is_done = len(told) == self._count and all(each.model.state in _SETTLED for each in told)
        left = held.left_s is not None and now_s - held.left_s > NEXT_PATIENCE_S
        return everybody_is_done or left or quiet_s > PATIENCE_S

    def _ended(self, scan_ids: list[str]) -> Iterator[EndedScan]:
        for scan_id in scan_ids:
            held = self._held.pop(scan_id)
            self._done.append(scan_id)
            yield EndedScan(self._merged(held), held.started_unix_s, held.ended_unix_s, tuple(held.levels))

    def _merged(self, held: _Held) -> Snapshot:
        first = min(held.told.values(), key=lambda snapshot: snapshot.shard_id)
        parts = [Part(each, _status(each)) for each in held.told.values() if alike(first, each)]
        unlike = [ShardStatus(each.shard_id, "unlike") for each in held.told.values() if not alike(first, each)]
        there = {each.shard_id for each in held.told.values()}
        absent = [ShardStatus(shard_id, "silent") for shard_id in range(first.shard_count) if shard_id not in there]
        merged = merged_snapshot(parts, [*unlike, *absent], self._instrument, 1)
        told = [part.snapshot for part in parts]
        mean = merged_mean((each.mean_frames, each.mean_pattern) for each in told if each.mean_pattern is not None)
        return merged if mean is None else replace(merged, mean_frames=mean[0], mean_pattern=mean[1])


def _news(before: Snapshot | None, now: Snapshot) -> bool:
    if before is None:
        return True
    return (before.state, before.counters, before.model.version, before.model.state) != (
        now.state, now.counters, now.model.version, now.model.state,
    )  # fmt: skip


def _status(snapshot: Snapshot) -> ShardStatus:
    """One that runs to the last says nothing any more of how it ended."""
    state = "lost" if snapshot.state is ScanState.RUNNING else str(snapshot.state)
    return ShardStatus(snapshot.shard_id, state, snapshot.counters)
