"""`detector-sim`: a 4D-STEM detector that is not there, over the real protocols."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

# One core is enough for the simulator, and threads of linear algebra that spin would take the others from the
# service it feeds. Read once, when the libraries are loaded: so the heavy imports are below, in main.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")


def main() -> None:
    """Entry point: one line on standard error for an error; status 1 = failed, 2 = wrong usage, 0 = done or stopped."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        _run()
    except KeyboardInterrupt:
        sys.exit(0)


def _run() -> None:
    from detector_sim.command import command
    from stream_rrvae.exit_status import run_command

    run_command(command, "detector-sim")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
