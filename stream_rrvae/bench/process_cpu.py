"""CPU time of a process and of everything that it started."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import psutil


def tree_cpu_s(pid: int) -> float:
    """User and system seconds of `pid` and its living descendants so far; 0 when it is gone."""
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        return sum(_cpu_s(process) for process in (root, *root.children(recursive=True)))
    return 0.0


def threads_cpu_s(pid: int) -> dict[str, float]:
    """Seconds of the living threads of `pid` by their names; of a name that several have, together."""
    taken: dict[str, float] = {}
    for thread in Path(f"/proc/{pid}/task").glob("*"):
        with suppress(OSError):
            name, _, told = (thread / "stat").read_text().partition("(")[2].rpartition(")")
            user, system = told.split()[11:13]
            taken[name] = taken.get(name, 0.0) + (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    return taken


def _cpu_s(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0
