"""What is known of the feeds of a scan's shards: which scan is the latest, who has told what, who is silent.

Without sockets, threads or a clock: snapshots and times go in, the merged snapshot comes out.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from stream_rrvae.feed.merge import Part, alike, merged_snapshot
from stream_rrvae.feed.snapshot import idle_snapshot
from stream_rrvae.messages import Health, ScanState, ShardStatus, Snapshot

SCANS_REMEMBERED = 64
SILENT_S = 2.0  # a feed publishes many times a second while somebody looks


class Told(NamedTuple):
    """What a feed has told so far."""

    latest: Snapshot | None  # of whichever scan
    of_scan: Snapshot | None  # its latest of the scan that is shown
    silent_s: float


class _Heard(NamedTuple):
    snapshot: Snapshot
    at_s: float


@dataclass(slots=True)
class _Feed:
    latest: _Heard | None = None
    of_scan: Snapshot | None = None  # the latest of the scan that is shown


class Shards:
    """The feeds of `count` shards, numbered from 0 in the order in which they were named."""

    def __init__(self, count: int, instrument: str) -> None:
        self._feeds = [_Feed() for _ in range(count)]
        self._instrument = instrument
        self._scan_id = ""
        self._past: deque[str] = deque(maxlen=SCANS_REMEMBERED)  # a shard may be behind by so many
        self._serial = 0

    def take(self, number: int, snapshot: Snapshot, now_s: float) -> None:
        """What came from feed `number`; the scan that is told of for the first time is the one shown from now on."""
        self._feeds[number].latest = _Heard(snapshot, now_s)
        if snapshot.scan_id and snapshot.scan_id != self._scan_id and snapshot.scan_id not in self._past:
            self._past.append(self._scan_id)
            self._scan_id = snapshot.scan_id
            for feed in self._feeds:
                feed.of_scan = None
        if snapshot.scan_id and snapshot.scan_id == self._scan_id:
            self._feeds[number].of_scan = snapshot

    def merged(self, now_s: float) -> Snapshot:
        """The scan as it stands, or an idle service while no shard has told of one."""
        self._serial += 1
        parts, absent = self._parts(now_s)
        if not parts:
            return idle_snapshot(self._instrument, self._serial, Health())
        return merged_snapshot(parts, absent, self._instrument, self._serial)

    def statuses(self, now_s: float) -> list[ShardStatus]:
        """How each shard is doing."""
        parts, absent = self._parts(now_s)
        return [*(part.status for part in parts), *absent]

    def told(self, now_s: float) -> list[Told]:
        """What each feed told last."""
        heard = [feed.latest.snapshot if feed.latest else None for feed in self._feeds]
        return [
            Told(latest, feed.of_scan, _silent_s(feed, now_s)) for latest, feed in zip(heard, self._feeds, strict=True)
        ]

    def _parts(self, now_s: float) -> tuple[list[Part], list[ShardStatus]]:
        told = [feed.of_scan for feed in self._feeds if feed.of_scan is not None]
        first = min(told, key=lambda snapshot: snapshot.shard_id, default=None)
        parts: list[Part] = []
        absent: list[ShardStatus] = []
        unnamed = iter(sorted(set(range(len(self._feeds))) - {snapshot.shard_id for snapshot in told}))
        for feed in self._feeds:
            if feed.of_scan is None:
                absent.append(_absent(next(unnamed, len(self._feeds)), feed, now_s))
            elif first is None or not alike(first, feed.of_scan):
                absent.append(ShardStatus(feed.of_scan.shard_id, "unlike", silent_s=_silent_s(feed, now_s)))
            else:
                parts.append(Part(feed.of_scan, self._status(feed, feed.of_scan, now_s)))
        return parts, absent

    def _status(self, feed: _Feed, snapshot: Snapshot, now_s: float) -> ShardStatus:
        silent_s = _silent_s(feed, now_s)
        state = str(snapshot.state)
        if snapshot.state is ScanState.RUNNING and silent_s > SILENT_S:
            state = "silent"
        elif snapshot.state is ScanState.RUNNING and feed.latest is not None and feed.latest.snapshot is not snapshot:
            state = "lost"  # it went on without having said how this scan ended
        return ShardStatus(snapshot.shard_id, state, snapshot.counters, silent_s)


def _absent(shard_id: int, feed: _Feed, now_s: float) -> ShardStatus:
    """A shard that has told nothing of the scan."""
    silent_s = _silent_s(feed, now_s)
    return ShardStatus(shard_id, "waiting" if silent_s < SILENT_S else "silent", silent_s=silent_s)


def _silent_s(feed: _Feed, now_s: float) -> float:
    return float("inf") if feed.latest is None else now_s - feed.latest.at_s
