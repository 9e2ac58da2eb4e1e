"""Acquisition as a whole: a receiving and some computing threads, their hand-over, and how they are doing."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Self

from stream_rrvae.byte_queue import QueueClosedError
from stream_rrvae.config import Settings
from stream_rrvae.found import PatternFound
from stream_rrvae.ingest import compute
from stream_rrvae.ingest.hand_over import HandOver
from stream_rrvae.ingest.keeping_hook import FrameKeeper
from stream_rrvae.ingest.leaving_out import LeavingOut
from stream_rrvae.ingest.line import make_line, warm_up_line
from stream_rrvae.ingest.meter import Meter
from stream_rrvae.ingest.receiver import Receiver
from stream_rrvae.ingest.recording_hook import FrameRecorder, RecordedHandOver
from stream_rrvae.ingest.scan import ScanMachine
from stream_rrvae.ingest.scan_rules import ScanRules
from stream_rrvae.ingest.sockets import DetectorSockets
from stream_rrvae.ingest.source import parse_sources, source_keys
from stream_rrvae.ingest.turning import Turning
from stream_rrvae.ingest.worker import ScanListener, Worker
from stream_rrvae.kernels.warm_up import warm_up
from stream_rrvae.log import event
from stream_rrvae.messages import Health, ScanStart
from stream_rrvae.metrics import Metrics
from stream_rrvae.operations.demand import Work
from stream_rrvae.scan_store import DEFAULT_FOLDER
from stream_rrvae.wire.registry import protocol

MOST_THREADS = 4  # unless told otherwise: there the receiving thread is the limit
BEHIND_S = 0.03  # by which frames wait to be measured: several batches

log = logging.getLogger(__name__)


class Acquisition:
    """Receives scans from `settings.source` into scan stores, from `start` until `stop` or an error.

    Raises ConfigError when the source makes no sense.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        listener: ScanListener,
        folder: Path = DEFAULT_FOLDER,
        recorder: FrameRecorder | None = None,
        keeper: FrameKeeper | None = None,
        turning: Turning | None = None,
    ) -> None:
        self._settings = settings
        self._sources = parse_sources(settings.source)
        self._keys = source_keys(settings.curve, self._sources)
        self._meter = Meter(metrics)
        self.leaving_out = LeavingOut(settings.ladder.stride)
        self.turning = turning or Turning(worked=metrics.compute_busy_seconds.inc)
        self._protocol = self._sources[0].protocol
        self._decoders = [
            protocol(self._protocol, settings.channel, settings.ingest.frame_bytes_limit) for _ in self._sources
        ]
        self._hand_over = HandOver(settings.ingest.queue_bytes, self._meter.queued)
        self._giver = self._hand_over if recorder is None else RecordedHandOver(self._hand_over, recorder)
        self._n_compute = settings.ingest.compute_threads or min(MOST_THREADS, len(os.sched_getaffinity(0)))
        self._worker = Worker(
            self._hand_over, settings, listener, self._meter, folder, self._n_compute, recorder, keeper,
            self.leaving_out, self.turning,
        )  # fmt: skip
        self._sockets: DetectorSockets | None = None
        self._threads: list[threading.Thread] = []
        self._error: BaseException | None = None
        self._error_lock = threading.Lock()

    def start(self) -> None:
        """Compile what frames need, connect, and begin; when this returns a detector may be armed.

        Raises ConfigError when an endpoint cannot be connected to.
        """
        ingest = self._settings.ingest
        warm_up()
        compute.warm_up()
        warm_up_line(self._protocol, ingest)
        self._sockets = sockets = DetectorSockets(
            self._sources, ingest.queue_bytes, ingest.frame_bytes_limit, self._keys
        )
        rules = ScanRules(self._settings.scan_shape, self._settings.scan, ingest.end_grace_s, ingest.stall_timeout_s)
        line = make_line(self._protocol, sockets.endpoints[0].handle, ingest, self._settings.channel)
        receiver = Receiver(
            sockets, self._decoders, ScanMachine(rules), self._giver, ingest, self._meter, line, self.turning
        )
        self._threads = [
            threading.Thread(target=self._receive, args=(receiver, sockets), name="receive", daemon=True),
            *(threading.Thread(target=self._compute, name="compute", daemon=True) for _ in range(self._n_compute)),
        ]
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_s: float = 10.0) -> bool:
        """Stop receiving, measure what was received, close the running scan; False if that took too long."""
        if self._sockets is not None:
            self._sockets.wake()
        return self._wait(timeout_s)

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait until it has ended; True if so. Raises the error that ended it, if one did."""
        ended = self._wait(timeout_s)
        if self._error is not None:
            raise self._error
        return ended

    @property
    def error(self) -> BaseException | None:
        """What ended acquisition against its will."""
        return self._error

    @property
    def is_behind(self) -> bool:
        """Whether more has come than is measured at once: then nothing else should take the processor."""
        return self.lag_s > BEHIND_S

    @property
    def lag_s(self) -> float:
        """Age of the oldest frame that was received and is not measured."""
        return self._hand_over.oldest_s

    @property
    def fill(self) -> float:
        """How much of the queue of frames is in use, 0..1; full, the detector is held back."""
        return min(1.0, self._hand_over.size_bytes / self._settings.ingest.queue_bytes)

    @property
    def work(self) -> Work:
        """What was done since the beginning."""
        taken, computed = self._meter.frames
        return Work(taken, computed, self.turning.busy_s)

    @property
    def compute_threads(self) -> int:
        return self._n_compute

    def remember_pattern(self, start: ScanStart, pattern: PatternFound) -> None:
        """For a next scan whose own frames show no disc."""
        self._worker.before.remember(start, pattern)

    def health(self) -> Health:
        return self._meter.health()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _receive(self, receiver: Receiver, sockets: DetectorSockets) -> None:
        with sockets:
            self._guarded(receiver.run)
            self._hand_over.finish()

    def _compute(self) -> None:
        self._guarded(self._worker.run)
        if self._error is not None and self._sockets is not None:
            self._sockets.wake()

    def _guarded(self, run: Callable[[], None]) -> None:
        """Nothing dies silently: the first error is kept, and one thread's end ends the other."""
        try:
            run()
        except QueueClosedError:
            log.debug("the other thread ended first")
        except BaseException as error:
            event("acquisition_failed", logging.ERROR, error=error, reason=repr(error))
            with self._error_lock:
                self._error = self._error or error

    def _wait(self, timeout_s: float | None) -> bool:
        until_s = None if timeout_s is None else monotonic() + timeout_s
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(None if until_s is None else max(0.0, until_s - monotonic()))
        return not any(thread.is_alive() for thread in self._threads)
