"""`serve` as a process: signals, the `ready` line, the summary."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click
from threadpoolctl import threadpool_limits

from stream_rrvae import log
from stream_rrvae.allocator import keep_freed_memory
from stream_rrvae.calibration.site import check_site
from stream_rrvae.config import Settings
from stream_rrvae.service import Service

LONG_START_S = 4.0


def run_service(settings: Settings) -> None:
    """Run until SIGTERM, Ctrl-C or the wanted number of scans; what was received is finished and written.

    Raises the error that ended acquisition, or kept results from being written.
    """
    log.set_up()
    keep_freed_memory()
    threadpool_limits(1)  # spinning threads make small fits ten times slower where cores are few
    check_site(settings)
    service = Service(settings)

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        service.request_stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    with _patience_asked():
        service.start()
    click.echo("ready")
    sys.stdout.flush()
    try:
        service.wait()
    finally:
        service.stop()
    if service.error:
        raise service.error
    click.echo(f"done: {service.scans_done} scan{'s' if service.scans_done != 1 else ''}")


@contextmanager
def _patience_asked() -> Iterator[None]:
    """Say what takes so long when it does: the first start on a machine compiles every kernel."""
    said = "compiling the kernels for this machine: a minute or two, at the first start only"
    timer = threading.Timer(LONG_START_S, click.echo, (said,), {"err": True})
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
