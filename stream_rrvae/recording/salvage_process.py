"""Has damaged segments salvaged by a process of its own, which may crash or take all its memory, and ends with ours.

It is told its tasks by a file and writes its messages into another: none of our pipes is open in it but the one for
its answers and the one by which it notices our end (`tethered`).
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from stream_rrvae.recording.salvage import Mark, Salvaged
from stream_rrvae.tethered import tethered

Task = tuple[Path, Path, Sequence[Mark]]  # a segment, the file to write it to, what the journal says of it

SALVAGE = "stream_rrvae.recording.salvage"


def salvage_apart(tasks: Sequence[Task], place: str = SALVAGE) -> Iterator[Salvaged | str]:
    """What became of each segment, or why nothing did: after a crash the next process goes on behind the file that
    was its end. `place` is what the process runs, a module or a file.
    """
    done = 0
    while done < len(tasks):
        left = list(tasks[done:])
        with tempfile.TemporaryFile("w+") as messages:
            with _salvaging(left, place, messages) as child:
                assert child.stdout is not None
                for line in child.stdout:
                    answer = json.loads(line)
                    yield f"{left[0][0].name}: {answer['error']}" if "error" in answer else Salvaged(**answer)
                    done += 1
                    left = left[1:]
            if left:
                yield f"{left[0][0].name}: reading it {_how_it_ended(child.returncode, messages)}"
                done += 1


@contextmanager
def _salvaging(tasks: Sequence[Task], place: str, messages: IO[str]) -> Iterator[subprocess.Popen[str]]:
    told = [(str(source), str(to), [(mark.frames, mark.checksum) for mark in marks]) for source, to, marks in tasks]
    with tempfile.TemporaryFile("w+") as file:
        json.dump(told, file)
        file.seek(0)
        with subprocess.Popen(
            tethered(sys.executable, place, str(file.fileno())),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=messages,
            pass_fds=(file.fileno(),),
            text=True,
        ) as child:
            yield child


def _how_it_ended(status: int, messages: IO[str]) -> str:
    if status < 0:
        return f"ended with {signal.Signals(-status).name}"
    messages.seek(0)
    said = messages.read()[-500:].strip().splitlines()
    return f"failed with status {status}" + (f": {said[-1]}" if said else "")
