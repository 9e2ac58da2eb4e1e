"""Processes that a command starts and must not leave behind."""

from __future__ import annotations

import queue
import signal
import subprocess
import sys
import threading
from types import TracebackType
from typing import IO, Self

from stream_rrvae.errors import StreamRrvaeError

STOP_PATIENCE_S = 8.0


class Child:
    """`python -m MODULE ARGUMENTS`, whose standard output is read line by line."""

    def __init__(self, name: str, module: str, *arguments: str) -> None:
        self.name = name
        # Its own session: Ctrl-C reaches us alone, and we end the children in order.
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, text=True, start_new_session=True
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
                raise StreamRrvaeError(
                    f"the {self.name} ended with status {self.process.wait()}; see its message above"
                )
            if line.startswith(beginning):
                return line.removeprefix(beginning).strip()

    def check(self) -> None:
        """Raise StreamRrvaeError when the process has failed."""
        if self.process.poll() not in (None, 0):
            raise StreamRrvaeError(
                f"the {self.name} ended with status {self.process.returncode}; see its message above"
            )

    def stop(self) -> None:
        """SIGTERM, then after `STOP_PATIENCE_S` SIGKILL."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._reader.join()
        if self.process.stdout:
            self.process.stdout.close()

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
