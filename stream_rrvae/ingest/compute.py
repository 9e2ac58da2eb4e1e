"""From one scan's frames to its scan store: decode, measure, write by frame number, keep the account."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.errors import WireError
from stream_rrvae.ingest.account import ScanAccount
from stream_rrvae.ingest.events import Accepted, Refused
from stream_rrvae.ingest.frame_batch import SKIP_CODES, SKIPS
from stream_rrvae.ingest.keeping_hook import FrameKeeper, keep_each
from stream_rrvae.ingest.leaving_out import LeavingOut
from stream_rrvae.ingest.mean_pattern import SampledMean
from stream_rrvae.ingest.meter import Meter
from stream_rrvae.ingest.placing import Placing, add_rows
from stream_rrvae.ingest.shared_stream import SharedStreamWatch
from stream_rrvae.ingest.write_rows import maps_of, values_of, warm_up_rows, write_rows
from stream_rrvae.kernels.frame_pass import FrameResults, despite_full_disk, reduce_frames
from stream_rrvae.kernels.plan import FramePlan
from stream_rrvae.maps.gaps import with_gaps
from stream_rrvae.messages import Counters, FrameSkip, Refusal, ScanState
from stream_rrvae.scan_path import NOWHERE
from stream_rrvae.scan_store import Account, ScanStore
from stream_rrvae.wire.pixels import decode_pixels
from stream_rrvae.wire.shards import line_ranks

MEASURED, EMPTY = 1, 2  # coverage
SLAB_BYTES = 4 << 20  # decoded frames at a time: what caches hold, and little memory for large frames
PATTERN_INTERVAL_S = 0.05

OnRefused = Callable[[WireError, float], None]  # told the fault of a frame, and when that was received (monotonic)


class ScanCompute:
    """One scan from its first measured frame to its last; used by one thread."""

    def __init__(
        self,
        store: ScanStore,
        plan: FramePlan,
        account: ScanAccount,
        batch_frames: int,
        meter: Meter,
        keeper: FrameKeeper | None = None,
        leaving_out: LeavingOut | None = None,
    ) -> None:
        self.store = store
        self.keeper = keeper
        self._leaving_out = leaving_out
        self.plan = plan
        self.account = account
        self._counters = Counters()  # as the metrics know them
        self._watch = SharedStreamWatch()
        self._meter = meter
        shape, dtype = plan.frame_shape, np.dtype(store.start.pixel_type)
        n_frames = max(1, min(batch_frames, SLAB_BYTES // (shape[0] * shape[1] * dtype.itemsize)))
        self._slab: NDArray[Any] = np.empty((n_frames, *shape), dtype)
        self._maps = maps_of(store)
        self._results = FrameResults.empty(n_frames, plan.n_features, plan.detectors.count)
        self._next_pattern_s = 0.0
        self.placing = Placing(store.start, store.shape.scan_shape)
        self._line_ranks = line_ranks(store.start, store.shape.scan_shape[0])
        self._mean = SampledMean(store, plan.usable, plan.gain)

    def take(self, items: Sequence[Accepted | Refused], on_refused: OnRefused) -> None:
        """Measure what can be, account for everything; afterwards the store and its account agree."""
        room = len(self._slab)
        held: list[Accepted] = []
        for item in items:
            if isinstance(item, Refused):
                self.account.refused(item.reason, item.number)
            elif self._decoded(item, self._slab[len(held)], on_refused):
                held.append(item)
            if len(held) == room:
                self._measure(held)
                held = []
        self._measure(held)
        self.write_account(ScanState.RUNNING)

    def write_account(self, state: ScanState) -> None:
        """Tell the store and the metrics how the account stands."""
        if state is not ScanState.RUNNING:
            self._mean.show(whole=True)
        counters = replace(self.account.counters(), flyback=self.placing.flyback)
        self.store.write_account(Account(state, counters))
        if counters.missing and self._watch.is_due(now_s := monotonic()):
            self._meter.stream_shared(self.store.start.scan_id, self._watch.look(self.account.missing(), now_s))
        self._meter.counted(self._counters, counters)
        self._counters = counters

    def _decoded(self, item: Accepted, out: NDArray[Any], on_refused: OnRefused) -> bool:
        """Whether `out` now holds the frame, whose position is taken from here on."""
        frame = item.frame
        if not self.account.expects(frame.number):
            self.account.refused(Refusal.NUMBER, frame.number)
            return False
        if self.account.is_placed(frame.number):
            self.account.duplicate()
            return False
        reason = self._why_left_out(frame.number)
        if reason is not None:
            self.account.skipped(reason, frame.number)
            return False
        try:
            decode_pixels(frame, out)
        except WireError as error:
            self.account.refused(error.reason, frame.number)
            on_refused(error, item.received_s)
            return False
        self.account.processed(frame.number)
        return True

    def left_out(self, numbers: NDArray[np.int64]) -> NDArray[np.uint8] | None:
        """For each position [n] the code of why its frame is not to be computed now, 0 = it is; None = all are."""
        if self._leaving_out is None:
            return None
        columns = self.store.shape.scan_shape[1]
        return self._leaving_out.codes(self.placing.positions(numbers), columns, self._line_ranks)

    def _why_left_out(self, number: int) -> FrameSkip | None:
        codes = self.left_out(np.array([number]))
        return None if codes is None or not codes[0] else SKIPS[codes[0] - SKIP_CODES[SKIPS[0]]]

    def write(self, positions: NDArray[np.int64], results: FrameResults, rows: NDArray[np.intp]) -> None:
        """Put `rows` of `results` to their `positions` [of every row], or add them there to those of former passes."""
        if self.placing.adds:
            add_rows(self.store, results, rows, positions)
        else:
            write_rows(self._maps, values_of(results), rows, positions)
        at = positions[rows]
        # Last, so that a covered position always has its values.
        counts = self.store.sum[at] if self.placing.adds else results.sum[rows]
        self.store.coverage[at] = np.where(counts == 0, EMPTY, MEASURED)

    def stored(self, received_s: NDArray[np.float64], position: int, pixels: Callable[[], NDArray[Any]]) -> None:
        """Frames that came at these times are in the store; now and then one is shown, made by `pixels`."""
        now_s = monotonic()
        self._meter.stored(received_s, now_s)
        if position != NOWHERE and now_s >= self._next_pattern_s:
            self._next_pattern_s = now_s + PATTERN_INTERVAL_S
            self.store.write_pattern(position, with_gaps(pixels(), self.plan))

    def sample(self, positions: NDArray[np.int64], pixels: Callable[[int], NDArray[Any]]) -> None:
        """Take some of the frames of these positions into the mean pattern; `pixels` makes those of an index."""
        wanted = self._mean.wanted(positions)
        for index in wanted.tolist():
            self._mean.add(pixels(index))
        self._mean.show()

    def _measure(self, held: Sequence[Accepted]) -> None:
        count = len(held)
        if not count:
            return
        reduce_frames(self._slab, self.plan, self._results, count)
        numbers = np.fromiter((item.frame.number for item in held), np.int64, count)
        positions = self.placing.positions(numbers)
        rows = self.placing.placed(positions, np.arange(count))
        self.write(positions, self._results, rows)
        if self.keeper is not None:
            kept = self.placing.first_pass(numbers, rows).tolist()
            keep_each(self.keeper, [held[row] for row in kept], positions[kept])
        self.sample(positions[rows], lambda index: self._slab[rows[index]])
        received_s = np.fromiter((item.received_s for item in held), np.float64, count)
        self.stored(received_s, int(positions[-1]), lambda: self._slab[count - 1])


def warm_up() -> None:
    """Compile what comes before and after measuring, or load it from Numba's disk cache."""
    despite_full_disk(warm_up_rows)
    despite_full_disk(lambda: ScanAccount(1).processed(0))
