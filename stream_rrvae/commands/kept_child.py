"""A child process that is started again when it ends by itself."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from stream_rrvae.commands.children import Child
from stream_rrvae.errors import StreamRrvaeError
from stream_rrvae.log import event

RESTART_S = 1.0
LONGEST_RESTART_S = 30.0


class KeptChild:
    """`make` starts the child and waits until it is up, or raises StreamRrvaeError; the first time, so does this."""

    def __init__(self, make: Callable[[], Child]) -> None:
        self._make = make
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._child: Child | None = make()
        self._thread = threading.Thread(target=self._keep, args=(self._child,), name="keep", daemon=True)

    @property
    def pid(self) -> int | None:
        """Of the child that runs now."""
        return self._child.process.pid if self._child else None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._over.set()
            if self._child is not None:
                self._child.stop()
        self._thread.join()

    def _keep(self, child: Child | None) -> None:
        wait_s = RESTART_S
        while not self._over.is_set():
            if child is not None:
                for _ in child.lines():
                    wait_s = RESTART_S
            if self._over.wait(wait_s):
                return
            wait_s = min(2 * wait_s, LONGEST_RESTART_S)
            child = self._again()

    def _again(self) -> Child | None:
        with self._lock:
            if self._over.is_set():
                return None
            if self._child is not None:
                event("child_ended", logging.WARNING, child=self._child.name, exit_code=self._child.process.poll())
                self._child.stop()
            try:
                self._child = self._make()
            except StreamRrvaeError as error:
                event("child_not_started", logging.WARNING, reason=str(error))
                self._child = None
            return self._child
