"""Looks into one recording or results file after another by a process that may die of any of them."""

from __future__ import annotations

import threading
from pathlib import Path

from stream_rrvae.errors import FileFormatError
from stream_rrvae.recording.layout import PART_SUFFIX
from stream_rrvae.recording.reader import ReaderProcess
from stream_rrvae.recording.reader_messages import ReaderMessage

PATIENCE_S = 20.0


class Looker:
    """Its methods raise FileFormatError when the file tells nothing; the next file has another process if need be."""

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._reader: ReaderProcess | None = None
        self._lock = threading.Lock()

    def look(self, path: Path) -> ReaderMessage:
        """Facts, and thumbnails where there are maps, of a recording's folder or a results file."""
        return self._ask(path, unfinished=path.is_dir() and path.name.endswith(PART_SUFFIX))

    def map(self, path: Path, name: str) -> ReaderMessage:
        """One of its maps."""
        return self._ask(path, map=name)

    def close(self) -> None:
        """End the process, if there is one."""
        with self._lock:
            if self._reader is not None:
                self._reader.close()
                self._reader = None

    def _ask(self, path: Path, **request: object) -> ReaderMessage:
        with self._lock:
            if self._reader is None:
                self._reader = ReaderProcess("the file", self._patience_s)
            try:
                return self._reader.ask(look=str(path), **request)
            except FileFormatError as error:
                if not self._reader.is_running:
                    self._reader.close()
                    self._reader = None
                raise FileFormatError(str(error).replace(str(path), path.name)) from error
