"""Compile kernels before their first frame, or load them from Numba's disk cache."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from functools import partial

import numpy as np

from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.kernels.frame_pass import FrameResults, despite_full_disk, reduce_frames
from stream_rrvae.kernels.packed_pass import PackedPass, Path
from stream_rrvae.kernels.plan import FramePlan, make_plan
from stream_rrvae.messages import PIXEL_TYPES, Encoding

PATHS: tuple[Path, Path] = ("plain", "planes")


def warm_up(pixel_types: Iterable[str] = PIXEL_TYPES) -> None:
    """What frames of these types will need; compiling takes 5 to 30 s each, loading some tens of milliseconds."""
    plan = make_plan((8, 64), (3.5, 31.5), 3.0, BasisSpec())
    for pixel_type in pixel_types:
        frames, results = np.ones((1, 8, 64), pixel_type), FrameResults.empty(1, plan.n_features)
        despite_full_disk(partial(reduce_frames, frames, plan, results, 1))
        _warm_up_packed(plan, pixel_type)


def _warm_up_packed(plan: FramePlan, pixel_type: str) -> None:
    results, refused = FrameResults.empty(1, plan.n_features), np.zeros(1, np.uint8)
    sizes, out = np.zeros(1, np.int64), np.empty(plan.frame_shape, pixel_type)
    for path in PATHS:
        measuring = PackedPass(plan, pixel_type, Encoding.BSLZ4, path)
        despite_full_disk(partial(measuring.reduce, sizes.view(np.uint64), sizes, results, refused, 1))
        with suppress(ValueError):  # nothing is no frame
            despite_full_disk(partial(measuring.unpack, 0, 0, out))
