"""Processes that a command starts and must not leave behind, even where it is killed itself."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from types import FrameType, TracebackType
from typing import IO, Self

from stream_rrvae.errors import StreamRrvaeError
from stream_rrvae.tethered import tethered

STOP_PATIENCE_S = 8.0


class Child:
    """`PYTHON -m MODULE ARGUMENTS`, whose standard output is read line by line; with `log` its log as well.

    A `module` that ends in .py is a file to run.
    """

    def __init__(
        self, name: str, module: str, *arguments: str, python: str = sys.executable, log: bool = False
    ) -> None:
        self.name = name
        self._log, self._last_words = log, "see its message above"
        # Its own session: Ctrl-C reaches us alone, and we end the children in order.
        self.process = subprocess.Popen(
            tethered(python, module, *arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if log else None,
            text=True,
            start_new_session=True,
        )
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        assert self.process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True)
        self._reader.start()

    def line_with(self, beginning: str, timeout_s: float = 120.0) -> str:
        """The next line that starts with `beginning`, without it. Raises StreamRrvaeError when none comes."""
        while True:
            try:
                line = self._lines.get(timeout=timeout_s)
            except queue.Empty:
                raise StreamRrvaeError(f"the {self.name} said nothing for {timeout_s:.0f} s") from None
            if line is None:
                raise StreamRrvaeError(f"the {self.name} ended with status {self.process.wait()}; {self._last_words}")
            if self._log:
                self._last_words = line.strip()
            if line.startswith(beginning):
                return line.removeprefix(beginning).strip()

    def lines(self) -> Iterator[str]:
        """The lines that were not taken yet, as they come, until the process ends."""
        while (line := self._lines.get()) is not None:
            yield line.strip()

    def check(self) -> None:
        """Raise StreamRrvaeError when the process has failed."""
        if self.process.poll() not in (None, 0):
            raise StreamRrvaeError(f"the {self.name} ended with status {self.process.returncode}; {self._last_words}")

    def stop(self) -> None:
        """SIGTERM, then after `STOP_PATIENCE_S` SIGKILL; whatever it leaves behind itself is killed."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self._reader.join()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self._lines.put(line)
        self._lines.put(None)


def end_on_sigterm() -> None:
    """From here on SIGTERM ends this process as Ctrl-C does, so that its children are ended too."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
