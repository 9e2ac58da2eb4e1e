"""Small pictures of an instrument for the wall: no side longer than 160 pixels."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from dashboards.feeds.view_frame import EMPTY, ViewFrame
from dashboards.pictures.quantise import Pixels, binned, log_limits, quantise_log
from stream_rrvae.messages import Snapshot

SIDE_PX = 160


def direction_thumbnail(frame: ViewFrame) -> Pixels:
    """COM direction, every n-th position of it: directions have no mean over a cell of the map."""
    pixels = frame.map("com_direction").pixels
    step = max(1, math.ceil(max(pixels.shape) / SIDE_PX))
    return np.ascontiguousarray(pixels[::step, ::step])


class MeanPattern:
    """Mean of the patterns that were seen of the running scan, about one a second."""

    def __init__(self) -> None:
        self.count = 0
        self.pixels: Pixels = EMPTY
        self._total: NDArray[np.float64] | None = None
        self._seen: tuple[str, int] = ("", 0)  # scan, and serial of the latest snapshot

    def look(self, snapshot: Snapshot) -> None:
        """Take the pattern of `snapshot` in, unless it was before."""
        scan_id, _ = self._seen
        if (snapshot.scan_id, snapshot.serial) == self._seen:
            return
        self._seen = snapshot.scan_id, snapshot.serial
        if snapshot.scan_id != scan_id:
            self.count, self._total, self.pixels = 0, None, EMPTY
        if snapshot.pattern is None or not snapshot.pattern.size:
            return
        shown = binned(snapshot.pattern, SIDE_PX).astype(np.float64)
        if self._total is None or self._total.shape != shown.shape:
            self.count, self._total = 0, np.zeros(shown.shape)
        self._total += shown
        self.count += 1
        mean = (self._total / self.count).astype(np.float32)
        self.pixels = quantise_log(mean, log_limits(mean))
