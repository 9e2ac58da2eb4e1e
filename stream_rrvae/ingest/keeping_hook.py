"""Where a keeper of frames stands: it is told of every frame that was placed in the maps, while its bytes are there.

`ingest` knows it by this protocol alone; the service puts them together.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.ingest.events import Accepted
from stream_rrvae.kernels.plan import FramePlan
from stream_rrvae.messages import Encoding, ScanStart


class FrameKeeper(Protocol):
    """Told by computing threads, one at a time, in the order of the frames; what it does holds acquisition back."""

    def begin(self, start: ScanStart, scan_shape: tuple[int, int], plan: FramePlan) -> None:
        """A scan begins; what follows is of this one."""
        ...

    def keep(
        self,
        addresses: NDArray[np.uint64],
        sizes: NDArray[np.int64],
        numbers: NDArray[np.int64],
        rows: NDArray[np.intp],
        encoding: Encoding,
    ) -> None:
        """Good frames `rows` of these arrays, packed; their bytes may be read until it returns."""
        ...


def keep_each(keeper: FrameKeeper, frames: Sequence[Accepted], positions: NDArray[np.int64]) -> None:
    """The same for frames one by one, of these `positions` [n], in runs of one encoding."""
    done = 0
    for encoding, run in groupby(frames, key=lambda item: item.frame.encoding):
        kept = [item.frame for item in run]
        done += len(kept)
        views = [np.frombuffer(frame.payload, np.uint8) for frame in kept]
        keeper.keep(
            np.array([view.ctypes.data for view in views], np.uint64),
            np.array([view.size for view in views], np.int64),
            np.ascontiguousarray(positions[done - len(kept) : done]),
            np.arange(len(kept)),
            encoding,
        )
