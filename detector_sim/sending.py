"""The loop that sends scan after scan."""

from __future__ import annotations

import itertools
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from detector_sim.encoding import EncodedFrame
from detector_sim.faults import NO_FAULTS, FaultInjector, ScanFaults
from detector_sim.message_format import MessageFormat, Parts
from detector_sim.outlets import Outlets
from detector_sim.pacing import Pacer
from detector_sim.path_frames import counted_on
from detector_sim.pool import FramePool
from detector_sim.second_consumer import SecondConsumer
from detector_sim.sent_times import SentTimes
from detector_sim.simulation import Simulation
from detector_sim.truth import write_truth
from detector_sim.without_pauses import without_pauses
from stream_rrvae.wire.start_limits import most_frames

STALL_S = 2.0
COUNTED_TOGETHER = 64  # frames at most; so many too many may be in the sum when sending is interrupted


@dataclass(slots=True)
class Sent:
    """What has gone out so far."""

    scans: int = 0
    frames: int = 0
    payload_bytes: int = 0


class ScanSender:
    """Sends the scans of `simulation` through `outlets` in the protocol `form`."""

    def __init__(
        self,
        simulation: Simulation,
        pool: FramePool,
        form: MessageFormat,
        pacer: Pacer,
        injector: FaultInjector | None = None,
        truth_path: Path | None = None,
        times: SentTimes | None = None,
        stall_s: float = STALL_S,
    ) -> None:
        self._simulation, self._pool, self._form, self._pacer = simulation, pool, form, pacer
        self._injector, self._truth_path, self._times = injector, truth_path, times
        self._stall_s = stall_s
        self._run = uuid.uuid4().hex[:8]
        self.sent = Sent()

    def run(self, outlets: Outlets, scans: int, first: int = 1) -> None:
        """Send `scans` scans, 0 = without end, as series `first` and those after it, or all of them as one series."""
        count = self._simulation.count
        if self._simulation.path.endless:
            scans = scans or self._most_scans
            outlets.wait_for_peers()
            self._send_series(outlets, first, scans * count, self._scan_on_scan(scans))
            return
        for series in range(first, first + scans) if scans else itertools.count(first):
            outlets.wait_for_peers()
            with without_pauses():
                self._send_series(outlets, series, count, self._pool.frames())
            self.sent.scans += 1

    def write_truth(self) -> None:
        """Write the truth, when asked for one and once it is known."""
        if self._truth_path is not None and self._pool.complete:
            write_truth(self._truth_path, self._simulation.truth(), self._injector.injected if self._injector else ())

    def summary(self, since_s: float) -> str:
        """One line for people; `since_s` is the monotonic time at which sending began."""
        sent, seconds = self.sent, time.monotonic() - since_s
        faults = Counter(fault.name for fault in self._injector.injected) if self._injector else Counter[str]()
        told = "; faults: " + ", ".join(f"{name} {count}" for name, count in faults.items()) if faults else ""
        return (
            f"sent {sent.scans} scans, {sent.frames} frames, {sent.payload_bytes / 1e6:.1f} MB "
            f"in {seconds:.1f} s, {sent.frames / max(seconds, 1e-9):.0f} frames/s{told}"
        )

    @property
    def _most_scans(self) -> int:
        """That one series may announce."""
        start = self._simulation.start(1, "")
        return most_frames(start.path, start.scan_shape) // self._simulation.count

    def _scan_on_scan(self, scans: int) -> Iterator[EncodedFrame]:
        for scan in range(scans):
            with without_pauses():
                yield from counted_on(self._pool.frames(), scan * self._simulation.count)
            self.sent.scans += 1
            self.write_truth()

    def _send_series(self, outlets: Outlets, series: int, count: int, frames: Iterable[EncodedFrame]) -> None:
        start = self._simulation.start(series, f"sim-{self._run}-{series:06d}")
        outlets.announce(self._form, replace(start, frames_expected=count))
        faults = self._injector.of_scan(series, count) if self._injector else NO_FAULTS
        if faults.last is not None:
            frames = itertools.islice(frames, faults.last + 1)
        if self._times is not None:
            self._times.begin()
        with ExitStack() as stack:
            beset = frames if faults is NO_FAULTS else self._beset(frames, faults, outlets, stack)
            outlets.send(beset, self._simulation.scan_shape[1], partial(self._messages, series, self.sent.frames))
        if self._times is not None:
            self._times.write()
        self.write_truth()
        if faults.restart is not None and faults.last == faults.restart:
            outlets.restart()
        elif faults.last is None:
            outlets.end(self._form)

    def _beset(
        self, frames: Iterable[EncodedFrame], faults: ScanFaults, outlets: Outlets, stack: ExitStack
    ) -> Iterator[EncodedFrame]:
        """The frames, with what happens to the scan in between; `stack` is closed at its end."""
        for frame in frames:
            yield frame
            if frame.number == faults.second_consumer:
                outlet = outlets.outlets[0]
                stack.callback(outlet.wait_for_leaving, outlet.peers())
                stack.enter_context(SecondConsumer(outlet.endpoint))
            if frame.number == faults.stall:
                time.sleep(self._stall_s)

    def _messages(self, series: int, sent_before: int, frames: Iterable[EncodedFrame]) -> Iterator[Parts]:
        if self._injector:
            return self._injector.messages(series, self._counted_one_by_one(frames))
        return self._batched(frames) if self._times is None else self._timed(self._times, sent_before, frames)

    def _timed(self, times: SentTimes, sent_before: int, frames: Iterable[EncodedFrame]) -> Iterator[Parts]:
        for parts in self._batched(frames):
            times.note(self.sent.frames - sent_before)
            yield parts

    def _counted_one_by_one(self, frames: Iterable[EncodedFrame]) -> Iterator[EncodedFrame]:
        for frame in frames:
            self._pacer.wait(1)
            self._count([frame])
            yield frame

    def _batched(self, frames: Iterable[EncodedFrame]) -> Iterator[Parts]:
        size, rest = self._pacer.batch(self._form.largest_batch), iter(frames)
        if size == 1:
            yield from self._one_by_one(rest)
        while batch := list(itertools.islice(rest, size)):
            self._pacer.wait(len(batch))
            self._count(batch)
            yield self._form.frames(batch)

    def _one_by_one(self, frames: Iterator[EncodedFrame]) -> Iterator[Parts]:
        """The same without what only batches need: at full speed every microsecond counts."""
        message = self._form.frames
        together = self._pacer.group(COUNTED_TOGETHER)
        while group := list(itertools.islice(frames, together)):
            self._pacer.wait(len(group))
            self._count(group)
            for frame in group:
                yield message((frame,))

    def _count(self, frames: Sequence[EncodedFrame]) -> None:
        self.sent.frames += len(frames)
        self.sent.payload_bytes += sum(len(frame.payload) for frame in frames)
