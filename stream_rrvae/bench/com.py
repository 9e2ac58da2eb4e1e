"""The frame pass beside a plain read of the same bytes and beside NumPy, in one run on one core."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.bench.rows import Row
from stream_rrvae.kernels.basis import BasisSpec, inside_disc
from stream_rrvae.kernels.frame_pass import FrameResults, reduce_frames, warm_up
from stream_rrvae.kernels.plan import FramePlan, make_plan

CASES = ((96, "uint16"), (192, "uint8"), (192, "uint16"), (256, "uint16"))
RADIUS = 0.302  # of the frame's side: 31 mrad in a field of 51.2
BATCH = 64
ELECTRONS = 2000.0


@dataclass(frozen=True, slots=True)
class Rates:
    """Frames a second."""

    read: float
    numpy: float
    sums: float  # sum, COM and virtual detectors
    whole: float  # and the features for the model


def frames_of(plan: FramePlan, pixel_type: str, count: int) -> NDArray[Any]:
    """Evenly lit discs with counting noise [count, ky, kx]."""
    disc = inside_disc(plan.frame_shape, plan.disc_center_px, plan.disc_radius_px)
    expected = np.where(disc, ELECTRONS / disc.sum(), 0.0)
    return np.random.default_rng(0).poisson(expected, (count, *plan.frame_shape)).astype(pixel_type)


def numpy_com(frames: NDArray[Any]) -> NDArray[np.float64]:
    """COM [n, 2] (y, x) in px as one would write it in NumPy: the projections of each frame."""
    rows, columns = frames.sum(axis=2, dtype=np.float64), frames.sum(axis=1, dtype=np.float64)
    total = rows.sum(axis=1)
    moments = np.stack([rows @ np.arange(rows.shape[1]), columns @ np.arange(columns.shape[1])], axis=1)
    return np.asarray(moments / total[:, None])


def measure_all(frames: NDArray[Any], plan: FramePlan, results: FrameResults) -> None:
    """The frame pass over batches, as ingest calls it."""
    for first in range(0, len(frames), BATCH):
        batch = frames[first : first + BATCH]
        reduce_frames(batch, plan, results, len(batch))


def in_turn(works: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Median seconds of each, one after the other in every round, so that a busy machine slows all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            begin = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - begin)
    return {name: float(np.median(taken)) for name, taken in seconds.items()}


def rates(side: int, pixel_type: str, count: int, rounds: int) -> Rates:
    """Rates for square frames of `side` px."""
    center = ((side - 1) / 2, (side - 1) / 2)
    plan, lean = (make_plan((side, side), center, RADIUS * side, spec) for spec in (BasisSpec(), None))
    frames = frames_of(plan, pixel_type, count)
    results, narrow = FrameResults.empty(BATCH, plan.n_features), FrameResults.empty(BATCH, 0)
    taken = in_turn(
        {
            "read": lambda: frames.reshape(-1).view(np.uint64).sum(),
            "numpy": lambda: numpy_com(frames),
            "sums": lambda: measure_all(frames, lean, narrow),
            "whole": lambda: measure_all(frames, plan, results),
        },
        rounds,
    )
    return Rates(**{name: count / seconds for name, seconds in taken.items()})


def com_rows(count: int = 512, rounds: int = 7) -> list[Row]:
    """Both kinds of pass beside the plain read, and the COM alone beside NumPy."""
    warm_up({pixel_type for _, pixel_type in CASES})
    rows = []
    for side, pixel_type in CASES:
        found, case = rates(side, pixel_type, count, rounds), f"{side}x{side} {pixel_type}"
        rows += [
            Row(f"COM, {case}", found.sums, "frames/s", "plain read of the bytes", found.read),
            Row(f"COM and features, {case}", found.whole, "frames/s", "plain read of the bytes", found.read),
            Row(f"COM, {case}, NumPy", found.sums, "frames/s", "NumPy", found.numpy),
        ]
    return rows
