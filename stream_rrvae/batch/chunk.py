"""A piece of a recorded scan: measured anywhere by the live code, put into the scan's store in any order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.batch.stored_batch import stored_batches
from stream_rrvae.config import IngestSettings
from stream_rrvae.ingest.account import ScanAccount
from stream_rrvae.ingest.compute import ScanCompute
from stream_rrvae.ingest.frame_batch import CODES
from stream_rrvae.ingest.meter import Meter
from stream_rrvae.ingest.packed_compute import PackedCompute
from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.kernels.frame_pass import FrameResults
from stream_rrvae.kernels.plan import FramePlan, make_plan
from stream_rrvae.messages import BoolArray, Float32Array, Refusal, ScanStart
from stream_rrvae.metrics import new_metrics
from stream_rrvae.recording.frame_file import FrameFile
from stream_rrvae.scan_path import ScanPath
from stream_rrvae.scan_store import DEFAULT_FOLDER, ScanStore, StoreShape

VALUES = ("sum", "com_y", "com_x", "bright_field", "annular_dark_field", "detectors", "features")


@dataclass(frozen=True, slots=True)
class PlanRecipe:
    """What a scan's plan is made of: far smaller than the plan, and the same wherever it is made."""

    start: ScanStart  # settled; its mask is in `usable`
    center_px: tuple[float, float]  # (ky, kx)
    radius_px: float
    basis: BasisSpec | None
    usable: BoolArray  # [ky, kx]
    saturation: float | None
    n_detectors: int = 0
    detectors: bytes = b""  # their masks [K, ky, kx], eight pixels a byte
    gain: Float32Array | None = None  # [ky, kx]

    def measuring(self) -> Measuring:
        """The plan, laid out."""
        shape = self.start.frame_shape
        bits = np.unpackbits(np.frombuffer(self.detectors, np.uint8), count=self.n_detectors * shape[0] * shape[1])
        masks = bits.astype(np.bool_).reshape(self.n_detectors, *shape)
        plan = make_plan(
            shape, self.center_px, self.radius_px, self.basis, self.usable, self.saturation,
            masks=masks, gain=self.gain,
        )  # fmt: skip
        return Measuring(self.start, plan)


@dataclass(frozen=True, slots=True)
class Measuring:
    """What every chunk of a scan is measured with."""

    start: ScanStart
    plan: FramePlan


@dataclass(frozen=True, slots=True)
class Entries:
    """What the scan's account has to know of the frames of a chunk, one entry each."""

    arrivals: NDArray[np.int64]  # place in the order in which they arrived
    numbers: NDArray[np.int64]
    outcomes: NDArray[np.uint8]  # 0 = decoded, else the code of the refusal


@dataclass(frozen=True, slots=True)
class Chunk:
    """The values of frames first <= number < first + n; where `coverage` is 0 there are none."""

    first: int
    coverage: NDArray[np.uint8]  # [n] as in the scan store
    values: dict[str, NDArray[Any]]  # [n, ...] by name, as in the scan store
    entries: Entries


def recipe_of(compute: ScanCompute) -> PlanRecipe:
    """What `compute` measures with."""
    plan = compute.plan
    basis = plan.projection.spec if plan.projection else None
    masks = plan.detectors.masks
    return PlanRecipe(
        compute.store.start, plan.disc_center_px, plan.disc_radius_px, basis, plan.usable, plan.saturation,
        len(masks), np.packbits(masks).tobytes(), plan.gain,
    )  # fmt: skip


def measure_chunk(
    frames: FrameFile, measuring: Measuring, first: int, last: int, after: int, ingest: IngestSettings
) -> Chunk:
    """Frames first <= number < last by the code that measures live ones; the first `after` stored frames are done.

    Raises FileFormatError, StoreError.
    """
    # By number: where frames lie, and what is of one position, is settled where all of the scan is.
    start, plan, count = replace(measuring.start, path=ScanPath()), measuring.plan, last - first
    shape = StoreShape((1, count), start.frame_shape, plan.n_features, 1, plan.detectors.count)
    with ScanStore.create(start, shape, folder=DEFAULT_FOLDER) as store:
        store.path.unlink()  # nobody else looks for it, and a worker killed from here on leaves nothing behind
        compute = ScanCompute(store, plan, ScanAccount(count), ingest.batch_frames, Meter(new_metrics()))
        packed = PackedCompute(compute, lambda *_told: None)  # refusals are in the entries
        arrivals = frames.arrivals_for(first, last)
        arrivals = arrivals[arrivals >= after]
        outcomes = [np.empty(0, np.uint8)]
        for batch in stored_batches(frames, arrivals, origin=first):
            done = packed.measure(batch)
            outcomes.append(done.workplace.outcome[: len(batch)].copy())
            packed.keep(done)
        values = {name: getattr(store, name).copy() for name in VALUES}
        entries = Entries(arrivals, frames.numbers_of(arrivals), np.concatenate(outcomes))
        return Chunk(first, store.coverage.copy(), values, entries)


def merge_chunk(chunk: Chunk, compute: ScanCompute) -> None:
    """Put the chunk's frames into the scan's store; what is there already stays."""
    store = compute.store
    if not compute.placing.is_raster:
        _merge_by_path(chunk, compute)
        return
    end = chunk.first + chunk.coverage.size
    new: Any = (chunk.coverage != 0) & (store.coverage[chunk.first : end] == 0)
    if new.all():
        new = slice(None)  # the usual case, at a third of the cost
    for name in VALUES:
        getattr(store, name)[chunk.first : end][new] = chunk.values[name][new]
    # Last, so that a covered position always has its values.
    store.coverage[chunk.first : end][new] = chunk.coverage[new]


def _merge_by_path(chunk: Chunk, compute: ScanCompute) -> None:
    """The same where a frame's number is not its position; those of the scan's first frames are there already."""
    numbers = np.arange(chunk.first, chunk.first + chunk.coverage.size)
    rows = np.flatnonzero((chunk.coverage != 0) & ~compute.account.are_placed(numbers))
    positions = compute.placing.positions(numbers)
    values: dict[str, Any] = {name: chunk.values[name].astype(np.float32) for name in VALUES}
    results = FrameResults(**{**values, "sum": values["sum"].astype(np.float64)})
    compute.write(positions, results, compute.placing.placed(positions, rows))


def account_for(entries: Sequence[Entries], account: ScanAccount, n_positions: int) -> None:
    """Count the frames of all chunks as if they had arrived one after another."""
    arrivals, numbers, outcomes = (np.concatenate(parts) for parts in zip(*map(_columns, entries), strict=True))
    order = np.argsort(arrivals, kind="stable")
    numbers, outcomes = numbers[order], outcomes[order]
    outside = (numbers < 0) | (numbers >= n_positions)
    account.take(numbers, np.where(outside, np.uint8(CODES[Refusal.NUMBER]), np.uint8(0)), outcomes)


def _columns(entries: Entries) -> tuple[NDArray[Any], ...]:
    return entries.arrivals, entries.numbers, entries.outcomes
