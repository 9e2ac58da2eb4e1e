"""The last scans of a feed: how each of them ended, as far as this dashboard saw it."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from stream_rrvae.messages import ScanState, Snapshot

SCANS_LIMIT = 12


@dataclass(frozen=True, slots=True)
class SeenScan:
    scan_id: str
    state: ScanState
    missing: int
    processed: int


class ScanHistory:
    """By scan id, the latest seen last."""

    def __init__(self) -> None:
        self._scans: OrderedDict[str, SeenScan] = OrderedDict()

    def take(self, snapshot: Snapshot) -> None:
        """What `snapshot` tells of its scan."""
        if not snapshot.scan_id:
            return
        counters = snapshot.counters
        seen = SeenScan(snapshot.scan_id, snapshot.state, counters.missing, counters.processed)
        self._scans[snapshot.scan_id] = seen
        self._scans.move_to_end(snapshot.scan_id)
        while len(self._scans) > SCANS_LIMIT:
            self._scans.popitem(last=False)

    def newest_first(self) -> list[SeenScan]:
        return list(reversed(self._scans.values()))
