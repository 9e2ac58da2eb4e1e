"""Files that stay open in a worker from one chunk to the next: to open one may start a process."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from stream_rrvae.batch.inputs import Input
from stream_rrvae.recording.frame_file import FrameFile


class _Kept(threading.local):
    """One file a thread: a FrameFile is for one thread at a time."""

    key: Any = None
    frames: FrameFile | None = None
    stack: ExitStack | None = None


_kept = _Kept()


def kept_open(input_: Input) -> FrameFile:
    """The input's frames, until this thread is asked for another input. Raises FileFormatError."""
    key = (input_, _stamp(input_.path))
    if _kept.frames is None or _kept.key != key:
        if _kept.stack is not None:
            _kept.stack.close()
        _kept.frames, _kept.stack = None, ExitStack()
        _kept.frames = _kept.stack.enter_context(input_.open())
        _kept.key = key
    return _kept.frames


def _stamp(path: Path) -> tuple[int, int] | None:
    """Tells a file from the one that had its name before."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
