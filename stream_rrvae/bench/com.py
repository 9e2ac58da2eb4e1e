"""The kernels beside a plain read of the same bytes, beside other programs, and beside decoding alone; on one core.

All of a case is measured in turn in one run, in CPU time: what other processes take away is not counted, and what
they do to the caches slows all alike. Rates are those of one core.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from dectris.compression import decompress
from numpy.typing import NDArray

from stream_rrvae.bench.com_others import installed, missing
from stream_rrvae.bench.rows import Row
from stream_rrvae.kernels.basis import BasisSpec, inside_disc
from stream_rrvae.kernels.frame_pass import FrameResults, reduce_frames
from stream_rrvae.kernels.packed_pass import PackedPass
from stream_rrvae.kernels.plan import FramePlan, make_plan
from stream_rrvae.kernels.warm_up import warm_up
from stream_rrvae.messages import Encoding
from stream_rrvae.wire.pixels import encode_bslz4

CASES = ((192, "uint8"), (192, "uint16"), (256, "uint16"))
RADIUS = 0.302  # of the frame's side: 31 mrad in a field of 51.2
BATCH = 512  # as ingest calls it at line rate, or fewer
ELECTRONS = 2000.0
CASE_BYTES = 96 << 20  # several times what a core caches
DISTINCT = 256  # frames drawn; the others are copies, elsewhere in memory
SLOW_FRAMES = 128  # for programs that take long
READ_TARGET = 0.7

Frames = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Case:
    """Frames of one kind, in memory and packed, and the plans to measure them with."""

    name: str
    frames: Frames
    packed: list[NDArray[np.uint8]]
    com: FramePlan  # sum and COM alone
    detectors: FramePlan
    features: FramePlan


def make_case(side: int, pixel_type: str, count: int) -> Case:
    """`count` square frames of `side` px."""
    center = ((side - 1) / 2, (side - 1) / 2)
    plan = partial(make_plan, (side, side), center, RADIUS * side)
    distinct = frames_of(plan(None), pixel_type, min(count, DISTINCT))
    frames = np.concatenate([distinct] * -(-count // len(distinct)))[:count]
    packed = [np.frombuffer(encode_bslz4(frame), np.uint8) for frame in distinct]
    name = f"{side}x{side} {pixel_type}"
    return Case(name, frames, packed, plan(None, detectors=False), plan(None), plan(BasisSpec()))


def frames_of(plan: FramePlan, pixel_type: str, count: int) -> Frames:
    """Evenly lit discs with counting noise [count, ky, kx]."""
    disc = inside_disc(plan.frame_shape, plan.disc_center_px, plan.disc_radius_px)
    expected = np.where(disc, ELECTRONS / disc.sum(), 0.0)
    return np.random.default_rng(0).poisson(expected, (count, *plan.frame_shape)).astype(pixel_type)


def measure_all(frames: Frames, plan: FramePlan) -> None:
    """The frame pass over batches, as ingest calls it."""
    results = FrameResults.empty(BATCH, plan.n_features)
    for first in range(0, len(frames), BATCH):
        batch = frames[first : first + BATCH]
        reduce_frames(batch, plan, results, len(batch))


class PackedWork:
    """Measures a case's packed frames by one of the two paths, or by the better one."""

    def __init__(self, case: Case, plan: FramePlan, path: Any = None) -> None:
        self._pass = PackedPass(plan, case.frames.dtype.name, Encoding.BSLZ4, path)
        self._addresses = np.array([payload.ctypes.data for payload in case.packed], np.uint64)
        self._sizes = np.array([payload.size for payload in case.packed], np.int64)
        self._results = FrameResults.empty(len(case.packed), plan.n_features)
        self._outcome = np.zeros(len(case.packed), np.uint8)

    def __call__(self) -> None:
        self._pass.reduce(self._addresses, self._sizes, self._results, self._outcome, self._sizes.size)


def in_turn(works: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Median CPU seconds of each, one after the other in every round, so that a busy machine slows all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            begin = time.process_time()
            work()
            seconds[name].append(time.process_time() - begin)
    return {name: float(np.median(taken)) for name, taken in seconds.items()}


def in_memory_rows(case: Case, rounds: int) -> list[Row]:
    """Frames out of memory: COM alone, with virtual detectors, with features; other programs' COM."""
    frames, slow = case.frames, case.frames[:SLOW_FRAMES]
    works: dict[str, Callable[[], Any]] = {
        "read": lambda: frames.reshape(-1).view(np.uint64).sum(),
        "COM": lambda: measure_all(frames, case.com),
        "COM, detectors": lambda: measure_all(frames, case.detectors),
        "COM, detectors, features": lambda: measure_all(frames, case.features),
        **{name: partial(com, slow) for name, com in installed().items()},
    }
    taken = in_turn(works, rounds)
    counts = {name: len(slow) if name in installed() else len(frames) for name in works}
    rate = {name: counts[name] / seconds for name, seconds in taken.items()}
    rows = [
        Row(f"{name}, {case.name}", rate[name], "frames/s", "plain read of the bytes", rate["read"], target)
        for name, target in (("COM", READ_TARGET), ("COM, detectors", None), ("COM, detectors, features", None))
    ]
    return rows + [Row(f"COM, {case.name}", rate["COM"], "frames/s", name, rate[name]) for name in installed()]


def packed_rows(case: Case, rounds: int) -> list[Row]:
    """bslz4 frames in cache to results, beside decoding them only."""
    size = case.frames.itemsize
    works: dict[str, Callable[[], Any]] = {
        "decoding": lambda: [decompress(payload, "bslz4", elem_size=size) for payload in case.packed],
        "packed, chosen path": PackedWork(case, case.features),
        "packed, pixels": PackedWork(case, case.features, "plain"),
        "packed, bit planes": PackedWork(case, case.features, "planes"),
        "packed, bit planes without features": PackedWork(case, case.detectors, "planes"),
    }
    rate = {name: len(case.packed) / seconds for name, seconds in in_turn(works, rounds).items()}
    decoding = rate.pop("decoding")
    return [Row(f"{name}, {case.name}", value, "frames/s", "decoding alone", decoding) for name, value in rate.items()]


def com_rows(count: int | None = None, rounds: int = 7) -> list[Row]:
    """All cases; `count` frames of each, None = as many as are not cached."""
    warm_up({pixel_type for _, pixel_type in CASES})
    rows = []
    for side, pixel_type in CASES:
        frame_bytes = side * side * np.dtype(pixel_type).itemsize
        case = make_case(side, pixel_type, count or CASE_BYTES // frame_bytes)
        rows += in_memory_rows(case, rounds) + packed_rows(case, rounds)
    return rows


def com_lines(rows: Sequence[Row]) -> list[str]:
    """The table, and who is not in it."""
    lines = []
    for row in rows:
        reference = f"{row.ratio:7.2f} x {row.reference} ({row.reference_value:,.0f})"
        lines.append(f"{row.name:58s} {row.value:12,.0f} {row.unit} = {reference}")
    return lines + [f"{name}: not installed" for name in missing()]
