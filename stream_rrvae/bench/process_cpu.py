"""CPU time of a process and of everything that it started."""

from __future__ import annotations

from contextlib import suppress

import psutil


def tree_cpu_s(pid: int) -> float:
    """User and system seconds of `pid` and its living descendants so far; 0 when it is gone."""
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        return sum(_cpu_s(process) for process in (root, *root.children(recursive=True)))
    return 0.0


def _cpu_s(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0
