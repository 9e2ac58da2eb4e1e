"""A child process that does not outlive the one that started it, whatever becomes of that one.

Run as a file by any Python, `python tethered.py MODULE_OR_FILE ARGUMENT...`; standard input is a pipe whose other end
the parent alone holds. When it closes, a module is told to terminate; after a while, and a file of somebody else's at
once, its whole process group is killed. Nothing but the standard library is imported here.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
from pathlib import Path

PATIENCE_S = 8.0


def tethered(python: str, place: str, *arguments: str) -> list[str]:
    """The command that runs `place`, a module or a file that ends in .py, in a process group of its own."""
    return [python, str(Path(__file__).resolve()), place, *arguments]


def _end_with_parent(is_module: bool) -> None:
    while os.read(0, 1):
        continue
    if is_module:
        os.kill(os.getpid(), signal.SIGTERM)
        threading.Event().wait(PATIENCE_S)
    os.killpg(0, signal.SIGKILL)


def main() -> None:
    """Run what the arguments name as the main program."""
    place = sys.argv[1]
    is_module = not place.endswith(".py")
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)
    threading.Thread(target=_end_with_parent, args=(is_module,), name="tether", daemon=True).start()
    del sys.argv[0]
    # As Python itself would have it, instead of the folder of this file.
    sys.path[0] = str(Path.cwd()) if is_module else str(Path(place).resolve().parent)
    if is_module:
        runpy.run_module(place, run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(place, run_name="__main__")


if __name__ == "__main__":
    main()
