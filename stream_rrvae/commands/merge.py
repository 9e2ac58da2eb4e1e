"""`merge`: the feeds of a scan's shards as one feed, in a process of its own that holds nobody up; or their results."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

import click

from stream_rrvae import log
from stream_rrvae.allocator import keep_freed_memory
from stream_rrvae.curve import client_keys_each, server_keys
from stream_rrvae.errors import ConfigError, FeedError, FileFormatError
from stream_rrvae.feed.ended_scans import EndedScan, EndedScans
from stream_rrvae.feed.publisher import Publisher
from stream_rrvae.feed.request_server import RequestServer
from stream_rrvae.feed.shard_answers import ShardAnswers
from stream_rrvae.feed.shard_asking import ShardAsking
from stream_rrvae.feed.shards import Shards, Told
from stream_rrvae.feed.subscriber import Subscriber
from stream_rrvae.log import event
from stream_rrvae.messages import ShardStatus, Snapshot
from stream_rrvae.operations.disk import why_not_writable
from stream_rrvae.security import make_key

WAKE_S = 0.25  # longest that stopping waits for a reader
LOOK_S = 0.5  # how soon it is said that a shard fell silent


@dataclass(frozen=True, slots=True)
class MergeOptions:
    """What `stream-rrvae merge` was asked for."""

    feeds: tuple[str, ...]
    to: str
    instrument: str = "instrument"
    rate_hz: float = 20.0
    allow_remote: bool = False
    out: Path | None = None  # folder for results; None = none are written
    requests: str | None = None  # where the merged scan is asked; None: nowhere
    requests_key: Path = Path("requests.key")  # of ours and of the shards' services
    curve_key: Path | None = None  # ours, towards the feeds and those who read the merged one
    curve_clients: Path | None = None  # folder with the keys of the latter
    curve_servers: tuple[Path, ...] = ()  # the feeds' keys: one for all, or one each


class Merger:
    """Reads every feed in a thread and publishes what they come to."""

    def __init__(self, options: MergeOptions) -> None:
        if len(set(options.feeds)) < max(2, len(options.feeds)) or options.to in options.feeds:
            raise ConfigError("merge needs at least two --feed, all different, and a --to that is none of them")
        self._shards = Shards(len(options.feeds), options.instrument)
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        own_keys = server_keys(options.curve_key, options.curve_clients)
        self._publisher = Publisher(
            options.to,
            options.instrument,
            options.rate_hz,
            self._merged,
            allow_remote=options.allow_remote,
            keys=own_keys,
        )
        self._readers = [
            threading.Thread(target=self._read, args=(number, url), name=f"read {url}", daemon=True)
            for number, url in enumerate(options.feeds)
        ]
        keys = client_keys_each(options.curve_key, options.curve_servers, len(options.feeds))
        self._subscribers = [Subscriber(url, own) for url, own in zip(options.feeds, keys, strict=True)]
        self._told: dict[int, str] = {}  # state of each shard, as last said in the log
        self._options = options
        self._ended = None if options.out is None else EndedScans(len(options.feeds), options.instrument)
        self._asking: ShardAsking | None = None
        self._requests: RequestServer | None = None
        self.error: FileFormatError | None = None
        if options.requests is not None:
            key = make_key(options.requests_key)
            self._asking = ShardAsking(options.feeds, self._told_by_feeds, key, keys)
            answers = ShardAnswers(self._asking)
            self._requests = RequestServer(
                options.requests, key, answers.quick(), answers.slow(), options.allow_remote, keys=own_keys
            )

    def start(self) -> None:
        """Bind and begin. Raises ConfigError."""
        if self._requests is not None:
            self._requests.start()
        self._publisher.start()
        for reader in self._readers:
            reader.start()

    def run(self) -> None:
        """Until stopped; says when a shard's state changes."""
        while not self._stopping.wait(LOOK_S):
            with self._lock:
                statuses = self._shards.statuses(time.monotonic())
                ended = self._ended.due(time.monotonic()) if self._ended else []
            self._tell(statuses)
            self._write(ended)

    def request_stop(self) -> None:
        """End `run`; safe in a signal handler."""
        self._stopping.set()

    def stop(self) -> None:
        """End the threads and close the sockets."""
        self._stopping.set()
        for reader, subscriber in zip(self._readers, self._subscribers, strict=True):
            if reader.is_alive():
                reader.join()
            subscriber.close()
        self._write(self._ended.rest() if self._ended else [])
        if self._requests is not None:
            self._requests.stop()
        if self._asking is not None:
            self._asking.close()
        self._publisher.stop()

    def _read(self, number: int, url: str) -> None:
        with self._subscribers[number] as subscriber:
            while not self._stopping.is_set():
                try:
                    snapshot = subscriber.receive(WAKE_S)
                except FeedError as error:
                    event("snapshot_refused", logging.WARNING, feed=url, reason=str(error))
                    continue
                if snapshot is not None:
                    with self._lock:
                        self._shards.take(number, snapshot, time.monotonic())
                        if self._ended is not None:
                            self._ended.take(number, snapshot, time.monotonic())

    def _merged(self) -> Snapshot:
        with self._lock:
            merged = self._shards.merged(time.monotonic())
        return replace(merged, requests_url=self._requests.url if self._requests else None)

    def _told_by_feeds(self) -> list[Told]:
        with self._lock:
            return self._shards.told(time.monotonic())

    def _write(self, ended: Sequence[EndedScan]) -> None:
        from stream_rrvae.maps.results import free_name
        from stream_rrvae.maps.results_of_snapshot import Course, write_results_of

        for scan in ended:
            assert self._options.out is not None
            path = free_name(self._options.out, scan.snapshot.scan_id)
            settings = {"merged": list(self._options.feeds)}
            course = Course(scan.started_unix_s, scan.ended_unix_s, scan.levels, settings)
            try:
                write_results_of(scan.snapshot, course, path)
            except FileFormatError as error:
                self.error = error
                event("results_not_written", logging.ERROR, path=str(path), reason=str(error))
            else:
                event("results_written", path=str(path))

    def _tell(self, statuses: Sequence[ShardStatus]) -> None:
        for shard in statuses:
            if self._told.get(shard.shard_id) != shard.state:
                self._told[shard.shard_id] = shard.state
                event("shard", shard_id=shard.shard_id, state=shard.state)


def run_merge_results(paths: Sequence[Path], out: Path) -> None:
    """Results files into one. Raises FileFormatError."""
    from stream_rrvae.maps.merged_results import merge_results
    from stream_rrvae.maps.results import summary

    click.echo(f"{out}: {summary(merge_results(paths, out))}")


def run_merge(options: MergeOptions) -> None:
    """Run until SIGTERM or Ctrl-C. Raises ConfigError or SecurityError before it begins."""
    log.set_up()
    keep_freed_memory()
    if options.out is not None and (fault := why_not_writable(options.out)):
        raise ConfigError(f"{fault}: choose another --out")
    merger = Merger(options)

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        merger.request_stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    with ExitStack() as stack:
        stack.callback(merger.stop)
        merger.start()
        click.echo("ready")
        sys.stdout.flush()
        merger.run()
    if merger.error is not None:
        raise merger.error
