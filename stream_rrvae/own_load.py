"""How much of the processors this process takes: what can wait should not begin where little is left."""

from __future__ import annotations

import os
import time

SHORTEST_S = 0.5  # over less time the answer would be chance


class OwnLoad:
    """Part of the processors that the process may use, over the time since it was asked before; for one thread."""

    def __init__(self) -> None:
        self._since_s = time.monotonic()
        self._cpu_s = time.process_time()
        self._latest = 0.0

    def look(self) -> float:
        """0 to 1, of all threads together."""
        now_s, cpu_s = time.monotonic(), time.process_time()
        taken_s = now_s - self._since_s
        if taken_s >= SHORTEST_S:
            self._latest = (cpu_s - self._cpu_s) / (taken_s * len(os.sched_getaffinity(0)))
            self._since_s, self._cpu_s = now_s, cpu_s
        return self._latest
