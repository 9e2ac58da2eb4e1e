"""A recorded scan through the code that measures live scans, block by block."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from stream_rrvae.batch.site import with_recorded_site
from stream_rrvae.batch.stored_batch import StoredBatch, block_frames, stored_batches
from stream_rrvae.ingest.acquisition import MOST_THREADS
from stream_rrvae.ingest.events import Accepted, Opened, Refused
from stream_rrvae.ingest.packed_compute import Measured, PackedCompute
from stream_rrvae.ingest.scan_work import ScanWork, Surroundings
from stream_rrvae.messages import Frame, Refusal, ScanState
from stream_rrvae.recording.frame_file import FrameFile
from stream_rrvae.scan_store import ScanStore

Progress = Callable[[int], None]


def measured(frames: FrameFile, around: Surroundings, progress: Progress) -> ScanStore:
    """The store of the whole file, complete; `progress` is told the stored frames done so far. Raises StoreError."""
    around = replace(around, settings=with_recorded_site(around.settings, frames))
    ingest = around.settings.ingest
    work = ScanWork(Opened(frames.start, frames.scan_shape), around)
    work.begin()
    done = settled(work, frames, ingest.settle_frames)
    progress(done)
    if work.packed is not None:
        threads = ingest.compute_threads or min(MOST_THREADS, len(os.sched_getaffinity(0)))
        batches = stored_batches(frames, np.arange(done, frames.n_arrivals))
        for count in _kept_in_order(work.packed, batches, threads):
            done += count
            progress(done)
    work.end()
    store, _missing = work.close(ScanState.COMPLETE)
    return store


def settled(work: ScanWork, frames: FrameFile, step: int) -> int:
    """Give in stored frames, as they arrived, until the disc is found; gives how many that took."""
    done = 0
    while work.compute is None and done < frames.n_arrivals:
        end = min(done + step, frames.n_arrivals)
        for first in range(done, end, block_frames(frames)):
            work.take(_events(frames, first, min(first + block_frames(frames), end)))
        done = end
    return done


def _kept_in_order(packed: PackedCompute, batches: Iterator[StoredBatch], threads: int) -> Iterator[int]:
    """Measure in so many threads, keep in the order of arrival; gives how many frames each batch was."""
    with ThreadPoolExecutor(threads, thread_name_prefix="measure") as pool:
        flying: deque[Future[Measured]] = deque()
        for batch in batches:
            flying.append(pool.submit(packed.measure, batch))
            if len(flying) > threads:
                yield _keep(packed, flying.popleft())
        while flying:
            yield _keep(packed, flying.popleft())


def _keep(packed: PackedCompute, done: Future[Measured]) -> int:
    one = done.result()
    packed.keep(one)
    return len(one.batch)


def _events(frames: FrameFile, first: int, last: int) -> Sequence[Accepted | Refused]:
    """The same as the state machine of live scans takes it."""
    now_s = time.monotonic()
    return [_event(frame, frames.n_numbers, now_s) for frame in frames.arrivals(first, last)]


def _event(frame: Frame, n_frames: int, now_s: float) -> Accepted | Refused:
    if not 0 <= frame.number < n_frames:
        return Refused(Refusal.NUMBER, frame.number)
    return Accepted(frame, now_s)
