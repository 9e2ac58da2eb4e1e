"""What is made of recordings for the pages by processes of their own, one of each kind at a time."""

from __future__ import annotations

import itertools
import re
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from stream_rrvae.commands.children import STOP_PATIENCE_S, Child
from stream_rrvae.errors import RequestError
from stream_rrvae.plain import to_plain

_PERCENT = re.compile(r"^(?P<what>.*?)\s+(?P<percent>\d{1,3}) %\s*$")


@dataclass(frozen=True, slots=True)
class JobStatus:
    """`state`: none | running | done | failed | cancelled; `percent` below 0 = it does not say."""

    number: int = 0
    state: str = "none"
    about: dict[str, Any] = field(default_factory=dict)  # whose it is, for the pages
    said: str = ""
    percent: float = -1.0

    def plain(self) -> dict[str, Any]:
        """For an answer."""
        return dict(to_plain(self))


class OneJob:
    """Runs one child at a time; its methods may be called from any thread."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._status = JobStatus()
        self._child: Child | None = None
        self._thread: threading.Thread | None = None

    @property
    def status(self) -> JobStatus:
        """Of the job at hand, or the latest."""
        return self._status

    def start(self, arguments: Sequence[str], about: dict[str, Any], done: Callable[[], None]) -> JobStatus:
        """Run `stream-rrvae ARGUMENTS`; `done` is called when it ended well. Raises RequestError while one runs."""
        with self._lock:
            if self._status.state == "running":
                raise RequestError(f"one {self._name} runs already: wait for it, or cancel it")
            self._status = JobStatus(next(self._numbers), "running", about, "starting")
            self._child = Child(self._name, "stream_rrvae", *arguments, log=True)
            self._thread = threading.Thread(target=self._follow, args=(self._child, done), daemon=True)
            self._thread.start()
            return self._status

    def cancel(self) -> JobStatus:
        """End the job at hand, if there is one."""
        with self._lock:
            if self._status.state == "running" and self._child is not None:
                self._status = replace(self._status, state="cancelled", said="cancelled")
                self._child.process.send_signal(signal.SIGINT)  # it lets go of its shared memory
            return self._status

    def stop(self) -> None:
        """End it for good."""
        self.cancel()
        if self._thread is not None:
            self._thread.join(STOP_PATIENCE_S)
        if self._child is not None:
            self._child.stop()

    def _follow(self, child: Child, done: Callable[[], None]) -> None:
        last = ""
        for line in child.lines():
            last = line or last
            self._say(line)
        status = child.process.wait()
        child.stop()
        with self._lock:
            if self._status.state == "running" and status == 0:
                done()
                self._status = replace(self._status, state="done", percent=100.0, said=last[:300])
            elif self._status.state == "running":
                said = last.removeprefix("stream-rrvae: ")[:300] or f"it ended with status {status}"
                self._status = replace(self._status, state="failed", said=said)

    def _say(self, line: str) -> None:
        found = _PERCENT.match(line)
        with self._lock:
            if self._status.state == "running" and found:
                self._status = replace(self._status, said=found["what"], percent=float(found["percent"]))
