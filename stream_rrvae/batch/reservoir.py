"""A uniform sample of the frames of many scans, in bounded memory: for training on more than memory holds.

Every frame draws a number, which depends on seed, scan and position alone; those with the smallest are kept. So every
frame has the same chance, whatever the order in which the scans come (weighted sampling with one weight: Efraimidis &
Spirakis, Inf. Process. Lett. 97, 181 (2006)).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.batch.pretrain import TrainingScan
from stream_rrvae.messages import BoolArray
from stream_rrvae.rrvae.draws import draws_of

MOST_FRAMES = 1 << 20  # 0.4 GB of features, and as much again while they are pooled


class Reservoir:
    """Keeps at most `most` frames of all scans that it is given."""

    def __init__(self, most: int, seed: int) -> None:
        self._most = most
        self._seed = seed
        self._kept: list[tuple[TrainingScan, NDArray[np.float64]]] = []
        self.seen = 0

    def add(self, scan: TrainingScan) -> None:
        """Take the frames of `scan` in; those of others may go for it."""
        positions = scan.data.positions
        self.seen += len(positions) + scan.left_out
        # One draw for each position up to the last, so that a frame's does not depend on which others are good.
        draws = draws_of(self._seed, str(scan.about["name"]), int(positions[-1]) + 1)
        self._kept.append((scan, draws[positions]))
        numbers = np.concatenate([numbers for _scan, numbers in self._kept])
        if numbers.size > self._most:
            largest = np.partition(numbers, self._most - 1)[self._most - 1]
            self._kept = [(_part(scan, mine <= largest), mine[mine <= largest]) for scan, mine in self._kept]

    @property
    def scans(self) -> list[TrainingScan]:
        """What is left of each scan, in the order of their names; those of which nothing is left are not among them."""
        left = [scan for scan, numbers in self._kept if numbers.size]
        return sorted(left, key=lambda scan: str(scan.about["name"]))


def _part(scan: TrainingScan, kept: BoolArray) -> TrainingScan:
    if kept.all():
        return scan
    data = replace(scan.data, x=scan.data.x[kept], positions=scan.data.positions[kept])
    return replace(scan, data=data, com_y=scan.com_y[kept], com_x=scan.com_x[kept])
