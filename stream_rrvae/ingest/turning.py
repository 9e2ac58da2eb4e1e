"""Whether acquisition's loops turn: the receiving one comes round, and no computing thread hangs on a batch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic


class Turning:
    """`told` is called by the receiving loop at each of its turns, with `age_s`: only a loop that turns can tell.

    `worked` is told by computing threads how long (s) they had a batch in hand.
    """

    def __init__(self, told: Callable[[float], object] = float, worked: Callable[[float], object] = float) -> None:
        self._told = told
        self._worked = worked
        self._turned_s: float | None = None
        self._at_work_since_s: dict[int, float] = {}
        self._lock = threading.Lock()
        self.busy_s = 0.0  # all computing threads' time
        self.turns = 0

    @property
    def age_s(self) -> float:
        """For how long the slowest of the loops has not come round; 0 before they begin."""
        now_s = monotonic()
        with self._lock:
            since_s = min(self._at_work_since_s.values(), default=now_s)
        return max(0.0, now_s - min(since_s, now_s if self._turned_s is None else self._turned_s))

    def turned(self) -> None:
        """The receiving loop came round."""
        self._turned_s = monotonic()
        self.turns += 1
        self._told(self.age_s)

    def ended(self) -> None:
        """The receiving loop ends as it should."""
        self._turned_s = None

    def moved(self) -> None:
        """The computing thread that calls is done with a piece of what it has in hand."""
        with self._lock:
            self._at_work_since_s[threading.get_ident()] = monotonic()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """A computing thread has a batch in hand."""
        me, began_s = threading.get_ident(), monotonic()
        with self._lock:
            self._at_work_since_s[me] = began_s
        try:
            yield
        finally:
            with self._lock:
                del self._at_work_since_s[me]
                self.busy_s += monotonic() - began_s
            self._worked(monotonic() - began_s)
