"""`serve` as a process: signals, the `ready` line, the summary."""

from __future__ import annotations

import signal
import sys
from types import FrameType

import click
from threadpoolctl import threadpool_limits

from stream_rrvae import log
from stream_rrvae.config import Settings
from stream_rrvae.service import Service


def run_service(settings: Settings) -> None:
    """Run until SIGTERM, Ctrl-C or the wanted number of scans; what was received is finished and written.

    Raises the error that ended acquisition, or kept results from being written.
    """
    log.set_up()
    threadpool_limits(1)  # spinning threads make small fits ten times slower where cores are few
    service = Service(settings)

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        service.request_stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
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
