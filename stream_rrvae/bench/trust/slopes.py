"""What of a process grows: samples over time, and their slopes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import psutil

FOLDER = Path("/dev/shm")
NAMES = "stream-rrvae-*"


@dataclass(frozen=True, slots=True)
class Sample:
    """All processes together at one moment."""

    at_s: float
    resident_bytes: int
    open_files: int
    threads: int
    shared_blocks: int
    latency_s: float


def sample_of(processes: Iterable[psutil.Process], at_s: float, latency_s: float) -> Sample:
    """`processes` and all that they started, now."""
    resident = files = threads = 0
    for process in processes:
        for each in (process, *process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                memory, n_files, n_threads = each.memory_info().rss, each.num_fds(), each.num_threads()
                resident, files, threads = resident + memory, files + n_files, threads + n_threads
    return Sample(at_s, resident, files, threads, len(list(FOLDER.glob(NAMES))), latency_s)


def least_of(samples: Sequence[Sample]) -> Sample:
    """Of some moments close together the least of each: what is open for a moment only is no growth."""
    least = {field.name: min(getattr(sample, field.name) for sample in samples) for field in fields(Sample)}
    return Sample(**least)


@dataclass(frozen=True, slots=True)
class Slopes:
    """Each an hour, by least squares; `drift` = the latency's median of the last third over that of the first, - 1."""

    resident_bytes: float
    open_files: float
    threads: float
    shared_blocks: float
    drift: float


def slopes_of(samples: Sequence[Sample]) -> Slopes:
    """Of at least two samples."""
    hours = np.array([sample.at_s for sample in samples]) / 3600
    names = [field.name for field in fields(Slopes)][:-1]
    values = {name: np.polyfit(hours, [getattr(sample, name) for sample in samples], 1)[0] for name in names}
    third = max(1, len(samples) // 3)
    early, late = (np.nanmedian([sample.latency_s for sample in part]) for part in (samples[:third], samples[-third:]))
    return Slopes(**{name: float(value) for name, value in values.items()}, drift=float(late / early - 1))
