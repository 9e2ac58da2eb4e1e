"""A log that a storm of bad messages cannot flood: one line a second for each kind."""

from __future__ import annotations

import logging
from time import monotonic

INTERVAL_S = 1.0


class QuietLog:
    """Says how many lines of a kind it kept to itself, at the next one."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._next_s: dict[str, float] = {}
        self._kept: dict[str, int] = {}

    def warning(self, kind: str, text: str, *values: object) -> None:
        """Log at most once a second for each `kind`; kinds must be few."""
        now_s = monotonic()
        if now_s < self._next_s.get(kind, now_s):
            self._kept[kind] = self._kept.get(kind, 0) + 1
            return
        self._next_s[kind] = now_s + INTERVAL_S
        kept = self._kept.pop(kind, 0)
        self._log.warning(text + (f" ({kept} more like it before)" if kept else ""), *values)
