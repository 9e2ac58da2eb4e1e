"""The process that opens files which others wrote: little memory, no writing, answers through its pipes.

Run as a module by `reader`; the first request names the file, the others ask for blocks of frames. A process that is
asked to `look` opens nothing for good: it goes through one recording or results file after another.
"""

from __future__ import annotations

import os
import resource
import sys
from contextlib import ExitStack
from typing import Any

from stream_rrvae.errors import FileFormatError
from stream_rrvae.recording.reader_messages import ReaderMessage, read_message, write_message

MEMORY_BYTES = 4 << 30


def confine() -> None:
    """From here on no more memory than this, and not a byte into any file."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """Answer until nobody asks any more."""
    confine()
    requests = sys.stdin.buffer
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as answers, ExitStack() as stack:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no answer
        answering: Any = _Answers(stack)
        while True:
            try:
                request = read_message(requests.read).fields
            except EOFError:
                return
            write_message(answers, answering.to(request))


class _Answers:
    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._opened: Any = None

    def to(self, request: Any) -> ReaderMessage:
        try:
            if "look" in request:
                return _looked(request)
            return self._blocks(request) if self._opened else self._description(request)
        except FileFormatError as error:
            return ReaderMessage({"error": str(error)})
        except Exception as error:
            # Whatever a library makes of a damaged file: told, and the file is refused.
            name = request.get("path") or request.get("look") or "the file"
            text = f"{name} is damaged: {type(error).__name__}: {str(error)[:500]}"
            return ReaderMessage({"error": text})

    def _description(self, request: Any) -> ReaderMessage:
        from stream_rrvae.recording.description import to_message
        from stream_rrvae.recording.formats.registry import Wanted, open_any

        shape = request["scan_shape"]
        wanted = Wanted(request["dataset"], request["channel"], None if shape is None else (shape[0], shape[1]))
        self._opened = open_any(request["path"], wanted, self._stack)
        return to_message(self._opened.description)

    def _blocks(self, request: Any) -> ReaderMessage:
        import numpy as np

        from stream_rrvae.recording.stored_frames import flat_block

        opened = self._opened
        block = flat_block(opened.data, request["first"], request["last"])
        dtype = np.dtype(opened.description.pixel_type).newbyteorder("<")
        return ReaderMessage({}, {"frames": np.ascontiguousarray(block, dtype=dtype)})


def _looked(request: Any) -> ReaderMessage:
    from pathlib import Path

    from stream_rrvae.recording.formats import own_results

    path = Path(request["look"])
    if request.get("map"):
        return own_results.stored_map(path, str(request["map"]))
    return own_results.look_at_unfinished(path) if request.get("unfinished") else own_results.look_at(path)


if __name__ == "__main__":
    main()
