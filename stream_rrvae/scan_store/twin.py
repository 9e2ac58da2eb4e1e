"""Values that are read whole although their writer may be killed at any moment.

Each is kept twice. Write n goes to slot n % 2 while readers take slot (n - 1) % 2, and becomes
the one to read when its count is set: 2n - 1 while it is being written, 2n when it is whole. A
writer that dies in the middle leaves the last whole value in place, and costs readers nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.errors import StoreError

READ_TRIES = 1000

T = TypeVar("T")


class Twin:
    """The turn-taking for one value: `counts[index]` int64 in shared memory; one writer, any number of readers."""

    def __init__(self, counts: NDArray[np.int64], index: int) -> None:
        self._counts = counts
        self._index = index

    @property
    def times_written(self) -> int:
        """How often it was written whole."""
        return int(self._counts[self._index]) // 2

    @contextmanager
    def writing(self) -> Iterator[int]:
        """The slot to write; what was written counts from the end of the block on, if that is reached."""
        whole = self.times_written
        self._counts[self._index] = 2 * whole + 1
        yield (whole + 1) % 2
        self._counts[self._index] = 2 * whole + 2

    def read(self, copy: Callable[[int], T]) -> T:
        """What `copy(slot)` makes of the latest whole value. Raises StoreError if the writer never lets it finish."""
        for _ in range(READ_TRIES):
            whole = self.times_written
            value = copy(whole % 2)
            # The slot is written again by the write after next, whose count is 2 * whole + 3.
            if int(self._counts[self._index]) <= 2 * whole + 2:
                return value
            os.sched_yield()
        raise StoreError("a value of the scan store is written faster than it can be read")
