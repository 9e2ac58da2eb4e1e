"""What a session gathers of a scan to learn from: all its positions, or, of more than memory is given for, a sample.

The sample is uniform at any moment of the scan (`draws`): a reservoir that the scan store itself holds. What a model
says of the other positions is asked block by block, so that memory is bounded however large the scan is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.config import LearnSettings
from stream_rrvae.rrvae.draws import smallest_drawn
from stream_rrvae.rrvae.preparation import MEASURED, Prepared, prepare, prepared_alike
from stream_rrvae.scan_store import ScanStore

BLOCK_POSITIONS = 1 << 13


@dataclass(frozen=True, slots=True)
class Gathered:
    """`data` to learn from, and the row-major `positions` [n] of the scan that were measured."""

    data: Prepared
    positions: NDArray[np.int64]
    is_sample: bool  # `data` has not all of them

    @property
    def covered(self) -> int:
        """Positions for which there can be maps."""
        return len(self.positions if self.is_sample else self.data.positions)

    def blocks(self, store: ScanStore) -> Iterator[Prepared]:
        """All positions with counts, prepared like `data`, some at a time."""
        for begin in range(0, len(self.positions), BLOCK_POSITIONS):
            block = prepared_alike(store, self.positions[begin : begin + BLOCK_POSITIONS], self.data)
            if len(block.positions):
                yield block

    def said(self) -> str:
        """That it is a sample, for people; empty where it is not."""
        if not self.is_sample:
            return ""
        return f"by a sample of {len(self.data.positions):,} of {self.covered:,} positions (learn.most_frames)"


def gather(store: ScanStore, settings: LearnSettings) -> Gathered:
    """What is measured by now, at most `settings.most_frames` of it prepared."""
    there = store.coverage == MEASURED
    among = smallest_drawn(there, settings.most_frames, settings.seed, store.start.scan_id)
    data = prepare(store, settings.assumed_dose_electrons, settings.cell_nm, among)
    return Gathered(data, np.flatnonzero(there), among is not there)
