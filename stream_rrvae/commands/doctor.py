"""`doctor`: what of this machine would get in the way of a live scan, and what to change."""

from __future__ import annotations

import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import click

from stream_rrvae.scan_store import DEFAULT_FOLDER, sweep

PROBE_BYTES = 64 << 20
WANTED_RMEM = 8 << 20
WANTED_SHM = 1 << 30
WANTED_DISK_MB_S = 200
WANTED_FILES = 1024


class Verdict(StrEnum):
    """`WARN` costs speed or comfort; `FAIL` keeps the service from working."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `advice` is empty when all is well."""

    name: str
    verdict: Verdict
    found: str
    advice: str = ""


def examine(out: Path) -> list[Finding]:
    """Every check on this machine; `out` is the folder that recordings and results will go to."""
    checks: Sequence[Callable[[], Finding]] = (
        _python,
        _cores,
        _gpu,
        _shared_memory,
        _stale_stores,
        _socket_buffers,
        lambda: _disk(out),
        _clock,
        _open_files,
        _jit,
    )
    return [check() for check in checks]


def show(findings: Sequence[Finding]) -> bool:
    """Print the report; True when something failed."""
    for finding in findings:
        click.echo(f"{finding.verdict:>4}  {finding.name:<16} {finding.found}")
        if finding.advice:
            click.echo(f"      {'':<16} -> {finding.advice}")
    return any(finding.verdict is Verdict.FAIL for finding in findings)


def _python() -> Finding:
    return Finding("Python", Verdict.OK, ".".join(str(part) for part in sys.version_info[:3]))


def _cores() -> Finding:
    count = len(os.sched_getaffinity(0))
    if count < 2:
        return Finding("CPU cores", Verdict.WARN, str(count), "acquisition and learning share one core: give it two")
    return Finding("CPU cores", Verdict.OK, str(count))


def _gpu() -> Finding:
    import torch

    if torch.cuda.is_available():
        return Finding("GPU", Verdict.OK, torch.cuda.get_device_name(0))
    return Finding("GPU", Verdict.OK, "none; the rrVAE trains on the CPU")


def _shared_memory() -> Finding:
    free = shutil.disk_usage(DEFAULT_FOLDER).free
    found = f"{free / 1e9:.1f} GB free in {DEFAULT_FOLDER}"
    if free < WANTED_SHM:
        advice = "a 512x512 scan takes about 60 MB; mount it larger: mount -o remount,size=2G /dev/shm"
        return Finding("shared memory", Verdict.WARN, found, advice)
    return Finding("shared memory", Verdict.OK, found)


def _stale_stores() -> Finding:
    removed = sweep()
    return Finding("stale scans", Verdict.OK, f"{len(removed)} removed from shared memory" if removed else "none")


def _socket_buffers() -> Finding:
    try:
        limit = int(Path("/proc/sys/net/core/rmem_max").read_text())
    except OSError:
        return Finding("socket buffers", Verdict.WARN, "not readable here", "check net.core.rmem_max on the host")
    found = f"net.core.rmem_max = {limit / 1e6:.1f} MB"
    if limit < WANTED_RMEM:
        return Finding(
            "socket buffers", Verdict.WARN, found, f"for a 10 GbE detector: sysctl -w net.core.rmem_max={WANTED_RMEM}"
        )
    return Finding("socket buffers", Verdict.OK, found)


def _disk(folder: Path) -> Finding:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        rate_mb_s = _write_rate_mb_s(folder)
    except OSError as error:
        return Finding(
            "disk", Verdict.FAIL, f"{folder}: {error.strerror}", "choose a folder that can be written with --out"
        )
    free_gb = shutil.disk_usage(folder).free / 1e9
    found = f"{rate_mb_s:.0f} MB/s with fsync, {free_gb:.0f} GB free in {folder.resolve()}"
    if rate_mb_s < WANTED_DISK_MB_S:
        return Finding("disk", Verdict.WARN, found, "slow for recording: use a local SSD")
    return Finding("disk", Verdict.OK, found)


def _write_rate_mb_s(folder: Path) -> float:
    block = os.urandom(1 << 20)
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        begin = time.perf_counter()
        for _ in range(PROBE_BYTES // len(block)):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
        return PROBE_BYTES / 1e6 / (time.perf_counter() - begin)


def _clock() -> Finding:
    source = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
    name = source.read_text().strip() if source.exists() else "unknown"
    if name in ("hpet", "acpi_pm", "refined-jiffies", "jiffies"):
        return Finding("clock", Verdict.WARN, name, "a slow clock costs time at every frame: boot with clocksource=tsc")
    return Finding("clock", Verdict.OK, name)


def _open_files() -> Finding:
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < WANTED_FILES:
        return Finding("open files", Verdict.WARN, str(soft), f"raise it: ulimit -n {WANTED_FILES}")
    return Finding("open files", Verdict.OK, str(soft))


def _jit() -> Finding:
    from stream_rrvae.kernels.warm_up import warm_up

    begin = time.perf_counter()
    warm_up()
    return Finding("JIT kernels", Verdict.OK, f"ready after {time.perf_counter() - begin:.1f} s")
