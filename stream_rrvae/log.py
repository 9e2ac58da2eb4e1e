"""Logs on standard error: one line an event, as text on a terminal, else as JSON; no pixel data, no keys.

Fields of a JSON line: `ts`, `level`, `event` (its name never changes), `stage` (the thread that tells it), and where
they are known `scan_id`, `seq` (frame number), `reason`. A storm of one event cannot flood it: see `RateLimit`.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Literal

LogFormat = Literal["auto", "json", "text"]
FORMATS: tuple[str, ...] = ("auto", "json", "text")
LOGGER = "stream_rrvae"
LINE = "log"  # the event of a line that was written without one
KINDS_KEPT = 256
_TOLD_FIRST = ("scan_id", "seq", "reason")

_chosen: LogFormat = "auto"


class RateLimit(logging.Filter):
    """Lets `burst` lines of a kind through at once and one a second; the next one says how many it kept back.

    What is amiss is one kind for each event and reason, and has no burst: a thousand bad frames are one line.
    """

    def __init__(self, burst: int = 10, clock: Callable[[], float] = monotonic) -> None:
        super().__init__()
        self._burst = burst
        self._clock = clock
        self._lock = threading.Lock()
        self._kinds: dict[tuple[str, str], tuple[float, float, int]] = {}  # tokens, when, kept back

    def filter(self, record: logging.LogRecord) -> bool:
        fields = getattr(record, "fields", {})
        is_amiss = record.levelno >= logging.WARNING
        kind = str(record.msg), str(fields.get("reason", "")) if is_amiss else ""
        with self._lock:
            kept_back = self._take(kind, 1 if is_amiss else self._burst)
        if kept_back:
            record.fields = {**fields, "suppressed": kept_back}
        return kept_back is not None

    def _take(self, kind: tuple[str, str], burst: int) -> int | None:
        """How many were kept back before this one; None = so is this."""
        now_s = self._clock()
        tokens, before_s, kept_back = self._kinds.pop(kind, (float(burst), now_s, 0))
        tokens = min(float(burst), tokens + now_s - before_s)
        passes = tokens >= 1.0
        if len(self._kinds) >= KINDS_KEPT:
            del self._kinds[next(iter(self._kinds))]
        self._kinds[kind] = (tokens - 1.0, now_s, 0) if passes else (tokens, now_s, kept_back + 1)
        return kept_back if passes else None


class JsonLines(logging.Formatter):
    """A line is one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of `record`."""
        is_event, fields = hasattr(record, "event"), dict(getattr(record, "fields", {}))
        line: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage() if is_event else LINE,
            "stage": fields.pop("stage", record.threadName),
        }
        line |= {name: fields.pop(name) for name in _TOLD_FIRST if name in fields} | fields
        if not is_event:
            line |= {"logger": record.name, "message": record.getMessage()}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class TextLines(logging.Formatter):
    """A line for people: time, level, event, then the fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of `record`."""
        at = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        fields = getattr(record, "fields", {})
        told = "  ".join(f"{name}={value}" for name, value in fields.items() if value is not None)
        line = f"{at} {record.levelname.lower():<7} {record.getMessage()}" + (f"  {told}" if told else "")
        return line + (f"\n{self.formatException(record.exc_info)}" if record.exc_info else "")


def set_up(level: int = logging.INFO, log_format: LogFormat = "auto") -> None:
    """Send the log of this process to standard error."""
    global _chosen  # what a child process is told
    _chosen = log_format
    handler = logging.StreamHandler(sys.stderr)
    as_text = log_format == "text" or (log_format == "auto" and sys.stderr.isatty())
    handler.setFormatter(TextLines() if as_text else JsonLines())
    handler.addFilter(RateLimit())
    for name in (LOGGER, "dashboards"):
        root = logging.getLogger(name)
        root.handlers[:] = [handler]
        root.setLevel(level)
        root.propagate = False


def format_now() -> LogFormat:
    """What `set_up` was told, for processes that are started."""
    return _chosen


def event(name: str, level: int = logging.INFO, *, error: BaseException | None = None, **fields: Any) -> None:
    """Log the event `name` with its fields, and where an `error` that nobody expected came from.

    The name is written out where it is told, and stands in the runbook's table: a test compares the two.
    """
    logging.getLogger(LOGGER).log(level, name, exc_info=error, extra={"fields": fields, "event": True})
