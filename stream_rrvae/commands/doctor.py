"""`doctor`: what of this machine would get in the way of a live scan, and what to change."""

from __future__ import annotations

import ctypes
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
WANTED_BACKLOG = 1000
WANTED_DISK_GB = 20
DISK_CLASSES = (
    (3000, "any detector"),
    (1000, "a fast detector, or a 4k one"),
    (WANTED_DISK_MB_S, "counted frames of 256 x 256 at 10 kHz"),
    (0, "results only"),
)
ADJTIMEX_BYTES = 512  # struct timex has 208 on 64-bit Linux; its first word 0 = change nothing
TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised


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
        _backlog,
        lambda: _disk(out),
        _clock,
        _time,
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
    if any(Path("/dev").glob("nvidia[0-9]*")):
        advice = "install torch with CUDA, and in a unit or container let the device through"
        return Finding("GPU", Verdict.WARN, "there is one that torch cannot use", advice)
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
    """The largest that TCP takes by itself, which is what libzmq's sockets get; rmem_max is for who asks."""
    largest = {name: _last_number(Path("/proc/sys/net") / name) for name in ("ipv4/tcp_rmem", "core/rmem_max")}
    known = {name.replace("/", "."): size for name, size in largest.items() if size is not None}
    if not known:
        advice = "look at net.ipv4.tcp_rmem and net.core.rmem_max on the host"
        return Finding("socket buffers", Verdict.WARN, "not readable here", advice)
    found = ", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in known.items())
    small = [name for name, size in known.items() if size < WANTED_RMEM]
    if not small:
        return Finding("socket buffers", Verdict.OK, found)
    settings = {"ipv4.tcp_rmem": f'net.ipv4.tcp_rmem="4096 131072 {WANTED_RMEM}"'}
    advice = " ".join(settings.get(name, f"net.{name}={WANTED_RMEM}") for name in small)
    return Finding("socket buffers", Verdict.WARN, found, f"for a 10 GbE detector: sysctl -w {advice}")


def _backlog() -> Finding:
    """Packets of a network card that wait for the kernel; beyond them it drops, and TCP sends again, late."""
    waiting = _last_number(Path("/proc/sys/net/core/netdev_max_backlog"))
    if waiting is None:
        return Finding("packet backlog", Verdict.OK, "not readable here")
    if waiting < WANTED_BACKLOG:
        advice = f"for a 10 GbE detector: sysctl -w net.core.netdev_max_backlog={WANTED_BACKLOG}"
        return Finding("packet backlog", Verdict.WARN, str(waiting), advice)
    return Finding("packet backlog", Verdict.OK, str(waiting))


def _last_number(path: Path) -> int | None:
    try:
        return int(path.read_text().split()[-1])
    except (OSError, ValueError, IndexError):
        return None


def _disk(folder: Path) -> Finding:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        rate_mb_s = _write_rate_mb_s(folder)
    except OSError as error:
        return Finding(
            "disk", Verdict.FAIL, f"{folder}: {error.strerror}", "choose a folder that can be written with --out"
        )
    free_gb = shutil.disk_usage(folder).free / 1e9
    found = f"{rate_mb_s:.0f} MB/s with fsync: {_good_for(rate_mb_s)}; {free_gb:.0f} GB free in {folder.resolve()}"
    if rate_mb_s < WANTED_DISK_MB_S:
        return Finding("disk", Verdict.WARN, found, "slow for recording: use a local SSD")
    if free_gb < WANTED_DISK_GB:
        minutes = 1000 * free_gb / rate_mb_s / 60
        advice = f"full after {minutes:.0f} minutes at that speed: make room, or record elsewhere"
        return Finding("disk", Verdict.WARN, found, advice)
    return Finding("disk", Verdict.OK, found)


def _good_for(rate_mb_s: float) -> str:
    """The detectors that a disk so fast can record, compressed as they send."""
    return next(kind for least_mb_s, kind in DISK_CLASSES if rate_mb_s >= least_mb_s)


def _write_rate_mb_s(folder: Path) -> float:
    block = os.urandom(1 << 20)
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        begin = time.perf_counter()
        for _ in range(PROBE_BYTES // len(block)):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
        return PROBE_BYTES / 1e6 / (time.perf_counter() - begin)


def _time() -> Finding:
    """Whether a time server is followed: recordings of several machines are put beside each other by their times."""
    buffer = ctypes.create_string_buffer(ADJTIMEX_BYTES)
    state = ctypes.CDLL(None, use_errno=True).adjtimex(buffer)
    if state < 0:
        return Finding("time of day", Verdict.OK, "whether a time server is followed is not readable here")
    if state == TIME_ERROR:
        advice = "follow a time server: systemctl enable --now systemd-timesyncd, or chrony"
        return Finding("time of day", Verdict.WARN, "no time server is followed", advice)
    return Finding("time of day", Verdict.OK, "follows a time server")


def _clock() -> Finding:
    source = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
    name = source.read_text().strip() if source.exists() else "unknown"
    if name in ("hpet", "acpi_pm", "refined-jiffies", "jiffies"):
        return Finding("clock", Verdict.WARN, name, "a slow clock costs time at every frame: boot with clocksource=tsc")
    return Finding("clock", Verdict.OK, name)


def _open_files() -> Finding:
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < WANTED_FILES:
        advice = f"raise it: ulimit -n {WANTED_FILES}, in a unit LimitNOFILE={WANTED_FILES}"
        return Finding("open files", Verdict.WARN, str(soft), advice)
    return Finding("open files", Verdict.OK, str(soft))


def _jit() -> Finding:
    from stream_rrvae.kernels.warm_up import warm_up

    begin = time.perf_counter()
    warm_up()
    return Finding("JIT kernels", Verdict.OK, f"ready after {time.perf_counter() - begin:.1f} s")
