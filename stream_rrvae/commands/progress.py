"""Progress of scans on a terminal (one moving line) or in a log (a line now and then)."""

from __future__ import annotations

import sys

from stream_rrvae.messages import Snapshot

LOG_STEP_PERCENT = 25


class ScanProgress:
    """Shows snapshots as they come; call `end` once."""

    def __init__(self) -> None:
        self._moving = sys.stdout.isatty()
        self._shown: object = None

    def show(self, snapshot: Snapshot) -> None:
        """Show `snapshot` if it says something new at this output's pace."""
        total = snapshot.scan_shape[0] * snapshot.scan_shape[1]
        percent = 100 * snapshot.counters.processed // max(total, 1)
        if not snapshot.scan_id:
            return
        if self._moving:
            sys.stdout.write(f"\r\x1b[2K{self._text(snapshot, percent)}")
        else:
            stage = (snapshot.scan_id, percent // LOG_STEP_PERCENT, snapshot.state, snapshot.model.state)
            if stage == self._shown:
                return
            self._shown = stage
            sys.stdout.write(f"{self._text(snapshot, percent)}\n")
        sys.stdout.flush()

    def end(self) -> None:
        """Leave the moving line."""
        if self._moving:
            sys.stdout.write("\n")

    @staticmethod
    def _text(snapshot: Snapshot, percent: int) -> str:
        bar = "█" * (percent // 5) + "░" * (20 - percent // 5)
        model = f"model v{snapshot.model.version} {snapshot.model.state}"
        rate = f"{snapshot.health.rate_fps:6.0f} frames/s"
        return (
            f"scan {snapshot.scan_id[:12]} {bar} {percent:3d} %  {rate}  missing {snapshot.counters.missing}  {model}"
        )
