"""Which frames are left out of the maps to keep up: none, all but those of a coarser grid, or all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.ingest.frame_batch import SKIP_CODES
from stream_rrvae.messages import FrameSkip


class LeavingOut:
    """`reason` is set by who sees that acquisition falls behind, and asked for by computing threads for every batch.

    With EVERY_KTH, positions of every `stride`-th row and column are computed: a coarser map of the whole scan.
    """

    def __init__(self, stride: int = 2) -> None:
        self._stride = stride
        self.reason: FrameSkip | None = None

    @property
    def computed_share(self) -> float:
        """Of the frames, with EVERY_KTH."""
        return 1.0 / self._stride**2

    def codes(self, positions: NDArray[np.int64], columns: int, ranks: NDArray[np.int64]) -> NDArray[np.uint8] | None:
        """For each position [n] of a scan so wide the code of why it is left out, 0 = it is not; None = none is.

        `ranks` [rows] counts the rows that are due here: a shard may have every second alone.
        """
        reason = self.reason
        if reason is None:
            return None
        code = np.uint8(SKIP_CODES[reason])
        if reason is not FrameSkip.EVERY_KTH:
            return np.full(positions.size, code, np.uint8)
        rows, places = np.divmod(positions, columns)
        return np.where((ranks[rows] % self._stride == 0) & (places % self._stride == 0), np.uint8(0), code)
