"""A recording's journal: one JSON object a line, appended at every flush, never changed."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stream_rrvae.errors import FileFormatError

LINE_LIMIT_BYTES = 64 << 20  # the first holds the announcement with its pixel mask
JOURNAL_LIMIT_BYTES = 4 << 30


class Journal:
    """Written by one thread, and locked while it is. Raises OSError when there is no room."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def write(self, line: Mapping[str, Any]) -> None:
        """Append a line, whole."""
        content = memoryview(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        while content:
            content = content[os.write(self._handle, content) :]

    def sync(self) -> None:
        """Have it on the disk itself."""
        os.fsync(self._handle)

    def close(self) -> None:
        """Write no more."""
        os.close(self._handle)


def read_journal(path: Path) -> list[dict[str, Any]]:
    """Its lines up to the first that is not whole. Raises FileFormatError when there is none or it cannot be ours."""
    lines: list[dict[str, Any]] = []
    try:
        if path.stat().st_size > JOURNAL_LIMIT_BYTES:
            raise FileFormatError(f"{path} is too large for a journal")
        with path.open("rb") as file:
            while (content := file.readline(LINE_LIMIT_BYTES)).endswith(b"\n"):
                line = _parsed(content)
                if line is None:
                    break
                lines.append(line)
    except OSError as error:
        raise FileFormatError(f"cannot read {path}: {error}") from error
    return lines


def _parsed(content: bytes) -> dict[str, Any] | None:
    try:
        line = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return line if isinstance(line, dict) else None
