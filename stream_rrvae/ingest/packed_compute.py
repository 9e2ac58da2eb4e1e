"""From a batch of received messages to the scan store without an object a frame.

`measure` may run in several threads at once; `keep` is called for one batch after the other, in the
order in which they came, so that the maps and the account do not depend on the threads.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.errors import WireError
from stream_rrvae.ingest.compute import OnRefused, ScanCompute
from stream_rrvae.ingest.frame_batch import CODES, FrameKind
from stream_rrvae.kernels.frame_pass import FrameResults, reduce_frames
from stream_rrvae.kernels.packed_pass import PackedPass
from stream_rrvae.messages import Encoding, Frame, ScanState
from stream_rrvae.wire.pixels import decode_pixels


@dataclass(frozen=True, slots=True)
class Workplace:
    """What one thread needs to measure a batch; with what it measured until that is kept."""

    passes: dict[Encoding, PackedPass]
    results: FrameResults
    outcome: NDArray[np.uint8]  # of each entry: code of its refusal, 0 = good


class Packed(Protocol):
    """Entries by where their bytes lie, those of a `FrameBatch` or of a file; arrays may have room for more."""

    @property
    def frames_are(self) -> FrameKind: ...
    @property
    def addresses(self) -> NDArray[np.uint64]: ...
    @property
    def sizes(self) -> NDArray[np.int64]: ...
    @property
    def numbers(self) -> NDArray[np.int64]: ...
    @property
    def refusals(self) -> NDArray[np.uint8]: ...
    @property
    def received_s(self) -> NDArray[np.float64]: ...
    def __len__(self) -> int: ...

    def frame(self, index: int) -> Frame:
        """Entry `index` as a frame whose payload is valid as long as the batch."""
        ...

    def release(self) -> None:
        """Let the bytes go."""
        ...


@dataclass(frozen=True, slots=True)
class Measured:
    batch: Packed
    workplace: Workplace
    errors: dict[int, WireError]  # by entry


class PackedCompute:
    """The packed way into one scan's store; `compute` is the other way into the same."""

    def __init__(self, compute: ScanCompute, on_refused: OnRefused) -> None:
        self._compute = compute
        self._on_refused = on_refused
        self._spare: deque[Workplace] = deque()

    def measure(self, batch: Packed) -> Measured:
        """Decode and measure every frame of `batch`."""
        count = len(batch)
        place = self._workplace(batch.addresses.size)
        left_out = self._compute.left_out(batch.numbers[:count])
        if left_out is not None:
            return self._measured_in_part(batch, place, left_out)
        self._reduce(batch, place, batch.sizes)
        suspects = np.flatnonzero(place.outcome[:count] * (batch.refusals[:count] == 0))
        return Measured(batch, place, self._judged(batch, place, suspects))

    def _measured_in_part(self, batch: Packed, place: Workplace, left_out: NDArray[np.uint8]) -> Measured:
        """Without the frames whose code in `left_out` [n] is not 0."""
        count, skipped = left_out.size, left_out != 0
        place.outcome[:count] = 0
        if not skipped.all():
            # A payload without bytes is seen to be none at once.
            self._reduce(batch, place, np.where(skipped, 0, batch.sizes[:count]))
        suspects = np.flatnonzero(place.outcome[:count] * (batch.refusals[:count] == 0) * ~skipped)
        errors = self._judged(batch, place, suspects)
        place.outcome[:count][skipped] = left_out[skipped]
        return Measured(batch, place, errors)

    def _reduce(self, batch: Packed, place: Workplace, sizes: NDArray[np.int64]) -> None:
        count, encoding = len(batch), batch.frames_are.encoding
        if encoding not in place.passes:
            place.passes[encoding] = PackedPass(self._compute.plan, self._compute.store.start.pixel_type, encoding)
        place.outcome[:count] = 0
        place.passes[encoding].reduce(batch.addresses, sizes, place.results, place.outcome, count)

    def keep(self, measured: Measured) -> None:
        """Account for every entry, put what is good into the store, and let the messages go."""
        batch, place, count = measured.batch, measured.workplace, len(measured.batch)
        placed = self._compute.account.take(batch.numbers[:count], batch.refusals[:count], place.outcome[:count])
        if placed.size:
            self._place(batch, place, placed)
        self._compute.write_account(ScanState.RUNNING)
        for index, error in measured.errors.items():
            self._on_refused(error, float(batch.received_s[index]))
        batch.release()
        self._spare.append(place)

    def _place(self, batch: Packed, place: Workplace, good: NDArray[np.intp]) -> None:
        """Put the entries `good` to their positions."""
        compute, placing, last = self._compute, self._compute.placing, int(good[-1])
        positions = placing.positions(batch.numbers)
        rows = placing.placed(positions, good)
        compute.write(positions, place.results, rows)
        if compute.keeper is not None:
            kept, encoding = placing.first_pass(batch.numbers, rows), batch.frames_are.encoding
            compute.keeper.keep(batch.addresses, batch.sizes, positions, kept, encoding)
        compute.sample(positions[rows], lambda index: self._pixels(batch, place, int(rows[index])))
        latest = int(positions[last])
        compute.stored(batch.received_s[good], latest, lambda: self._pixels(batch, place, last))

    def _workplace(self, entries: int) -> Workplace:
        try:
            return self._spare.pop()  # the latest, which caches still hold
        except IndexError:
            plan = self._compute.plan
            results = FrameResults.empty(entries, plan.n_features, plan.detectors.count)
            return Workplace({}, results, np.zeros(entries, np.uint8))

    def _judged(self, batch: Packed, place: Workplace, suspects: NDArray[np.intp]) -> dict[int, WireError]:
        """Frames that the packed pass did not take, by the plain decoder, whose word is the last."""
        errors = {}
        for index in suspects.tolist():
            try:
                pixels = decode_pixels(batch.frame(index))
            except WireError as error:
                errors[index] = error
                place.outcome[index] = CODES[error.reason]
            else:
                plan = self._compute.plan
                one = FrameResults.empty(1, plan.n_features, plan.detectors.count)
                reduce_frames(pixels[None], plan, one, 1)
                _copy(one, place.results, index)
                place.outcome[index] = 0
        return errors

    def _pixels(self, batch: Packed, place: Workplace, index: int) -> NDArray[Any]:
        """A good frame as an array, at a fifth of the plain decoder's cost where the packed pass took it."""
        pixels = np.empty(self._compute.plan.frame_shape, self._compute.store.start.pixel_type)
        try:
            unpacking = place.passes[batch.frames_are.encoding]
            unpacking.unpack(int(batch.addresses[index]), int(batch.sizes[index]), pixels)
        except ValueError:
            return decode_pixels(batch.frame(index))
        return pixels


def _copy(one: FrameResults, results: FrameResults, index: int) -> None:
    for name in FrameResults.__dataclass_fields__:
        getattr(results, name)[index] = getattr(one, name)[0]
