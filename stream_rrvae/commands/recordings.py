"""`recordings`: the process that reads recordings for the pages: no web server opens a file that may be damaged."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import click

from stream_rrvae import log
from stream_rrvae.archive.answers import ArchiveAnswers
from stream_rrvae.archive.archive import Archive
from stream_rrvae.commands.recordings_work import RecordingsWork
from stream_rrvae.errors import ConfigError
from stream_rrvae.feed.request_server import RequestServer
from stream_rrvae.private_folder import private_folder
from stream_rrvae.security import make_key

NICE = 10  # whoever acquires on this machine comes first


@dataclass(frozen=True, slots=True)
class RecordingsOptions:
    """What `stream-rrvae recordings` was asked for."""

    folder: Path
    requests: str
    requests_key: Path
    results: Path | None = None
    checkpoints: Path | None = None


def run_recordings(options: RecordingsOptions) -> None:
    """Answer until stopped. Raises ConfigError or SecurityError before it begins."""
    for folder in (options.folder, options.checkpoints):
        if folder is not None and not folder.is_dir():
            raise ConfigError(f"{folder} is no folder")
    log.set_up()
    os.nice(NICE)
    stopped = threading.Event()
    with _signals_set(stopped), ExitStack() as stack:
        exports = stack.enter_context(private_folder("exports"))
        archive = Archive(options.folder.resolve(), options.results, options.checkpoints)
        answers, work = ArchiveAnswers(archive), RecordingsWork(archive, exports)
        stack.callback(answers.close)
        stack.callback(work.stop)
        key = make_key(options.requests_key)
        server = RequestServer(options.requests, key, work.quick(), answers.slow())
        server.start()
        stack.callback(server.stop)
        click.echo(f"answering {server.url}")
        sys.stdout.flush()
        stopped.wait()


@contextmanager
def _signals_set(stopped: threading.Event) -> Iterator[None]:
    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stopped.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
