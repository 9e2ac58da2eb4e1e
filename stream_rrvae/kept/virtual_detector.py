"""A virtual detector of any place and size over the frames that are kept: counts of a scan's positions afterwards."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.detectors.area import DetectorArea
from stream_rrvae.errors import RequestError, WireError
from stream_rrvae.kept.view import Chunk, KeptView
from stream_rrvae.kernels.detector_masks import DetectorMasks
from stream_rrvae.kernels.frame_pass import FrameResults, reduce_frames
from stream_rrvae.kernels.layout import BRIGHT, USABLE, make_layout
from stream_rrvae.kernels.packed_pass import MEASURED, PackedPass
from stream_rrvae.kernels.plan import FramePlan
from stream_rrvae.messages import Encoding, Float32Array, Frame
from stream_rrvae.wire.pixels import decode_pixels

FRAMES_AT_ONCE = 512  # between two looks whether it is still wanted


@dataclass(frozen=True, slots=True)
class DetectorMap:
    """Counts of each position [scan_y, scan_x], NaN where no frame is kept."""

    counts: Float32Array
    positions: int  # with a frame

    @property
    def coverage(self) -> float:
        """The part of the scan that is kept."""
        return self.positions / max(1, self.counts.size)


def detector_map(
    view: KeptView,
    detector: DetectorArea,
    wanted: Callable[[], bool],
    give_way: Callable[[], object] = lambda: None,
) -> DetectorMap:
    """Measure every kept frame; without the GIL but for moments, between which `give_way` is called.

    Raises RequestError when the detector has no usable pixel, or it is not wanted any more.
    """
    scan = view.scan
    plan = _plan(scan.plan, detector)
    passes: dict[Encoding, PackedPass] = {}
    counts = np.full(scan.scan_shape[0] * scan.scan_shape[1], np.nan, np.float32)
    for chunk, count in view.chunks:
        if chunk.encoding not in passes:
            passes[chunk.encoding] = PackedPass(plan, scan.start.pixel_type, chunk.encoding)
        for begin in range(0, count, FRAMES_AT_ONCE):
            give_way()
            if not wanted():
                raise RequestError("it is not wanted any more")
            notes = chunk.notes[begin : min(begin + FRAMES_AT_ONCE, count)]
            counts[notes[:, 0]] = _measured(view, chunk, notes, passes[chunk.encoding], plan)
    return DetectorMap(counts.reshape(scan.scan_shape), int(np.isfinite(counts).sum()))


def _plan(plan: FramePlan, detector: DetectorArea) -> FramePlan:
    """A plan whose bright field is the detector, and that has no features."""
    mask = detector.mask(plan.frame_shape) & plan.usable
    if not mask.any():
        raise RequestError("no usable pixel lies in this detector")
    zones = np.where(plan.usable, USABLE + BRIGHT * mask, 0).astype(np.uint8)
    layout = make_layout(zones, np.zeros_like(mask), plan.disc_center_px, 1, None, detectors=True)
    none = DetectorMasks.of(np.zeros((0, *plan.frame_shape), np.bool_), plan.usable)
    return replace(plan, projection=None, layout=layout, detectors=none)


def _measured(
    view: KeptView, chunk: Chunk, notes: NDArray[np.int64], packed: PackedPass, plan: FramePlan
) -> Float32Array:
    addresses = (notes[:, 1] + chunk.memory.ctypes.data).astype(np.uint64)
    results, outcome = FrameResults.empty(len(notes), 0), np.zeros(len(notes), np.uint8)
    packed.reduce(addresses, np.ascontiguousarray(notes[:, 2]), results, outcome, len(notes))
    for at in np.flatnonzero(outcome != MEASURED).tolist():
        number, offset, size = notes[at].tolist()
        results.bright_field[at] = _one(view, chunk, number, chunk.payload(offset, size), plan)
    return results.bright_field


def _one(view: KeptView, chunk: Chunk, number: int, payload: memoryview, plan: FramePlan) -> float:
    """A frame that the packed pass did not take, by the plain decoder; NaN when that does not either."""
    start, result = view.scan.start, FrameResults.empty(1, 0)
    frame = Frame(start.series, number, start.frame_shape, start.pixel_type, chunk.encoding, payload)
    try:
        reduce_frames(decode_pixels(frame)[None], plan, result, 1)
    except WireError:
        return math.nan
    return float(result.bright_field[0])
