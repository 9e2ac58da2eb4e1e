"""How far apart a scan's frames come, so that a slow scan is not taken for one that stopped."""

from __future__ import annotations

from collections.abc import Callable

from stream_rrvae.messages import ScanState, Snapshot

NEW_SHARE = 0.3  # of the latest period in the running mean
LONGEST_S = 600.0


class FramePace:
    """Learns from snapshots; `period_s` is 0 as long as nothing is known of the scan."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.period_s = 0.0
        self._clock = clock
        self._scan_id = ""
        self._received = 0
        self._grew_s = clock()

    def told(self, snapshot: Snapshot) -> None:
        """A snapshot that came now."""
        now_s, received = self._clock(), snapshot.counters.received
        if snapshot.scan_id != self._scan_id or received < self._received:
            self._scan_id, self.period_s = snapshot.scan_id, 0.0
        elif received > self._received and snapshot.state is ScanState.RUNNING:
            latest_s = min((now_s - self._grew_s) / (received - self._received), LONGEST_S)
            known_s = self.period_s or latest_s
            self.period_s = (1 - NEW_SHARE) * known_s + NEW_SHARE * latest_s
        elif received == self._received:
            return
        self._received, self._grew_s = received, now_s
