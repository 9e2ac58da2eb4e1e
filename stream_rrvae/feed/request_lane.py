"""Work on requests in a thread of its own, a bounded number of them waiting."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial

from stream_rrvae.errors import RequestError

WAITING_LIMIT = 64
BUSY = "the service has too much to answer; ask again"


@dataclass(frozen=True, slots=True)
class Job:
    """A request's work. Of two jobs with one `place` the newer takes the place of the older, which is told."""

    place: Hashable
    work: Callable[[Callable[[], bool]], None]  # is given whether it is still wanted
    superseded: Callable[[], None]


class Lane:
    """One job after the other in the order in which their places were taken; `nice` lowers the thread's priority."""

    def __init__(self, name: str, nice: int = 0) -> None:
        self._waiting: dict[Hashable, Job] = {}
        self._changed = threading.Condition()
        self._over = False
        self._nice = nice
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End after the job at hand; what waits is never done."""
        with self._changed:
            self._over = True
            self._waiting.clear()
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def give(self, job: Job) -> None:
        """Have `job` done. Raises RequestError when too many wait."""
        with self._changed:
            older = self._waiting.get(job.place)
            if older is None and len(self._waiting) >= WAITING_LIMIT:
                raise RequestError(BUSY)
            self._waiting[job.place] = job  # the older one's turn stays
            self._changed.notify_all()
        if older is not None:
            older.superseded()

    def _run(self) -> None:
        if self._nice:
            # Of this thread alone, as Linux counts them; elsewhere it stays as it is.
            with contextlib.suppress(OSError, AttributeError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), self._nice)
        while (job := self._next()) is not None:
            job.work(partial(self._is_wanted, job.place))

    def _is_wanted(self, place: Hashable) -> bool:
        return not self._over and place not in self._waiting

    def _next(self) -> Job | None:
        with self._changed:
            self._changed.wait_for(lambda: self._over or self._waiting)
            if self._over:
                return None
            return self._waiting.pop(next(iter(self._waiting)))
