"""`serve` as a process: signals, the `ready` line, the summary."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

import click
from threadpoolctl import threadpool_limits

from stream_rrvae import log
from stream_rrvae.allocator import keep_freed_memory
from stream_rrvae.calibration.site import check_site
from stream_rrvae.config import Settings
from stream_rrvae.detectors.laid_out import check_detectors
from stream_rrvae.errors import ConfigError
from stream_rrvae.operations.disk import why_not_writable
from stream_rrvae.operations.systemd import Systemd
from stream_rrvae.service import Service

LONG_START_S = 4.0


def run_service(settings: Settings) -> NoReturn:
    """Run until SIGTERM, Ctrl-C or the wanted number of scans, then end the process: all is finished and written.

    Raises the error that ended acquisition, or kept results from being written.
    """
    log.set_up(log_format=settings.log_format)
    keep_freed_memory()
    threadpool_limits(1)  # spinning threads make small fits ten times slower where cores are few
    check_site(settings)
    check_detectors(settings.detectors)
    check_folders(settings)
    systemd = Systemd()
    service = Service(settings, systemd.turned)

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        service.request_stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    if service.http_url:
        click.echo(f"health {service.http_url}")
    with _patience_asked(systemd):
        service.start()
    systemd.ready(f"receiving from {settings.source}")
    click.echo("ready")
    sys.stdout.flush()
    try:
        service.wait()
    finally:
        systemd.stopping()
        service.stop()
    if service.error:
        raise service.error
    click.echo(f"done: {service.scans_done} scan{'s' if service.scans_done != 1 else ''}")
    _leave()


def _leave() -> NoReturn:
    # To take apart what holds the compiled kernels costs 0.7 s of CPU, more than all else of a stop.
    sys.stdout.flush()
    sys.stderr.flush()
    atexit._run_exitfuncs()
    os._exit(0)


@contextmanager
def _patience_asked(systemd: Systemd) -> Iterator[None]:
    """Say what takes so long when it does: the first start on a machine compiles every kernel."""
    said = "compiling the kernels for this machine: a minute or two, at the first start only"

    def say() -> None:
        click.echo(said, err=True)
        systemd.status(said)

    timer = threading.Timer(LONG_START_S, say)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def check_folders(settings: Settings) -> None:
    """Raises ConfigError when something is to be written where nothing can be."""
    for option, folder in (("--record", settings.record), ("--out", settings.out)):
        fault = "" if folder is None else why_not_writable(folder)
        if fault:
            raise ConfigError(f"{fault}: choose another {option}")
