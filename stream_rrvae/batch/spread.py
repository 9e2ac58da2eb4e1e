"""Recorded scans measured chunk by chunk on a Dask cluster; the numbers are those of one machine.

Chunks are independent tasks that open the file by its name and come back in any order. What a dead worker had in hand
is done again by another.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from stream_rrvae import __version__
from stream_rrvae.batch.begun_scan import BegunScan
from stream_rrvae.batch.chunk import Chunk, Measuring, PlanRecipe, measure_chunk
from stream_rrvae.batch.inputs import Input
from stream_rrvae.batch.kept_open import kept_open
from stream_rrvae.config import IngestSettings, Settings
from stream_rrvae.errors import ConfigError, FileFormatError, StreamRrvaeError
from stream_rrvae.log import event
from stream_rrvae.scan_store import ScanStore

CHUNK_BYTES = 256 << 20  # of frames: 100 ms of measuring and more, beside which Dask's millisecond a task is nothing
IN_FLIGHT = 3  # chunks a thread: one in work, others on their way there and back


Told = Callable[[int], None]
"""Told how many frames, of whichever input, are newly done."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an input ended: its complete store, which is the taker's to close, or why there is none."""

    input: Input
    store: ScanStore | None
    error: StreamRrvaeError | None = None
    began_unix_s: float = 0.0
    settings: Settings | None = None  # it was measured with; None = with none


class Spread:
    """Inputs on the cluster of `client` (a `distributed.Client`)."""

    def __init__(self, client: Any, settings: Settings, told: Told, chunk_bytes: int = CHUNK_BYTES) -> None:
        from distributed import as_completed

        self._client = client
        self._settings = settings
        self._told = told
        self._chunk_bytes = chunk_bytes
        self._room = IN_FLIGHT * max(1, sum(client.nthreads().values()))
        self._open: list[BegunScan] = []
        self._flying: dict[Any, BegunScan] = {}  # by future: whose chunk
        self._back = as_completed(loop=client.loop)

    def outcomes(self, inputs: Sequence[Input]) -> Iterator[Outcome]:
        """Each input's outcome as soon as it is through."""
        try:
            for input_ in inputs:
                yield from self._send(input_)
            while self._flying:
                yield from self._one_back()
        finally:
            self._client.cancel(list(self._flying), reason="stopped")
            for scan in self._open:
                scan.abandon()

    def _send(self, input_: Input) -> Iterator[Outcome]:
        try:
            scan = BegunScan(input_, self._settings, self._chunk_bytes)
        except StreamRrvaeError as error:
            yield Outcome(input_, None, error)
            return
        self._open.append(scan)
        self._told(scan.arrivals_done)
        # Made by a worker, not here: what is sent is lost with the workers that hold it, what is made is made again.
        measuring = self._client.submit(_measuring, scan.recipe, __version__, pure=False) if scan.ranges else None
        for first, last in scan.ranges:
            while len(self._flying) >= self._room:
                yield from self._one_back()
            if scan.error is not None:
                break
            future = self._client.submit(
                _chunk, measuring, input_, (first, last), scan.arrivals_done, self._settings.ingest, pure=False
            )
            self._flying[future] = scan
            scan.waiting += 1
            self._back.add(future)
        scan.all_sent = True
        yield from self._if_over(scan)

    def _one_back(self) -> Iterator[Outcome]:
        future = next(self._back)
        scan = self._flying.pop(future)
        scan.waiting -= 1
        try:
            chunk = _result(future, scan.input)
            scan.take(chunk)
            self._told(chunk.entries.arrivals.size)
        except StreamRrvaeError as error:
            scan.error = scan.error or error
        finally:
            future.release()
        yield from self._if_over(scan)

    def _if_over(self, scan: BegunScan) -> Iterator[Outcome]:
        if scan.waiting or not scan.all_sent:
            return
        self._open.remove(scan)
        if scan.error is None:
            yield Outcome(scan.input, scan.close(), None, scan.began_unix_s, scan.settings)
        else:
            scan.abandon()
            yield Outcome(scan.input, None, scan.error)


def _result(future: Any, input_: Input) -> Chunk:
    """What the future holds. Raises StreamRrvaeError when this input failed."""
    if future.cancelled():
        raise StreamRrvaeError(f"{input_.source} is not through: the Dask scheduler is gone")
    error = future.exception()
    if error is None:
        chunk: Chunk = future.result()
        return chunk
    if isinstance(error, StreamRrvaeError):
        raise error
    event("chunk_failed", logging.ERROR, error=error, path=input_.source)
    raise StreamRrvaeError(f"{input_.source} cannot be measured: {type(error).__name__}: {error}") from error


def _measuring(recipe: PlanRecipe, version: str) -> Measuring:
    if version != __version__:
        raise ConfigError(f"the workers have stream-rrvae {__version__}, not {version}: install the same everywhere")
    return recipe.measuring()


def _chunk(
    measuring: Measuring, input_: Input, positions: tuple[int, int], after: int, ingest: IngestSettings
) -> Chunk:
    try:
        return measure_chunk(kept_open(input_), measuring, *positions, after, ingest)
    except FileFormatError as error:
        raise FileFormatError(f"{error} (seen by a worker on {socket.gethostname()})") from error
