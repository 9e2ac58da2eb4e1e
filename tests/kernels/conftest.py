"""The float64 NumPy reference that the compiled pass must agree with."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_rrvae.kernels.frame_pass import FrameResults
from stream_rrvae.kernels.plan import FramePlan

Reference = Callable[[NDArray[Any], FramePlan], FrameResults]


@pytest.fixture(scope="session")
def reference() -> Reference:
    return _reference


def _reference(frames: NDArray[Any], plan: FramePlan) -> FrameResults:
    results = FrameResults.empty(len(frames), plan.n_features)
    ky, kx = np.indices(plan.frame_shape, dtype=np.float64)
    distance = np.hypot(ky - plan.disc_center_px[0], kx - plan.disc_center_px[1]) / plan.disc_radius_px
    for i, frame in enumerate(frames):
        valid = plan.usable & _has_data(frame, plan.saturation)
        values = np.where(valid, frame, 0).astype(np.float64)
        total = values.sum()
        results.sum[i] = total
        results.com_y[i] = (ky * values).sum() / total - plan.disc_center_px[0] if total > 0 else np.nan
        results.com_x[i] = (kx * values).sum() / total - plan.disc_center_px[1] if total > 0 else np.nan
        results.bright_field[i] = values[distance < 1].sum()
        results.annular_dark_field[i] = values[(distance >= 1.1) & (distance < 2.5)].sum()
        results.features[i] = _features(values.ravel(), valid.ravel(), plan)
    return results


def _has_data(frame: NDArray[Any], saturation: float | None) -> NDArray[np.bool_]:
    limit = np.inf if saturation is None else saturation
    if frame.dtype.kind == "f":
        return np.asarray(np.isfinite(frame) & (np.nan_to_num(frame) <= np.float32(limit)))
    return np.asarray((frame < np.iinfo(frame.dtype).max) & (frame <= limit))


def _features(values: NDArray[np.float64], valid: NDArray[np.bool_], plan: FramePlan) -> NDArray[np.float64]:
    projection = plan.projection
    if projection is None:
        return np.empty(0)
    x, good = values[projection.pixels], valid[projection.pixels]
    if not x.sum() > 0 or good.mean() < 0.5:
        return np.full(plan.n_features, np.nan)
    x = np.where(good, x, x[good].mean())
    return np.asarray(projection.scale * (x @ projection.weights.astype(np.float64)) / x.sum() - projection.offset)


@pytest.fixture
def protect() -> Iterator[Callable[[int, int], None]]:
    """A function (address, bytes) that makes whole pages unreadable until the test's end."""
    library = ctypes.CDLL(None, use_errno=True)
    library.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    done: list[tuple[int, int]] = []

    def forbid(address: int, count: int) -> None:
        assert library.mprotect(address, count, mmap.PROT_READ & 0) == 0
        done.append((address, count))

    yield forbid
    for address, count in done:
        assert library.mprotect(address, count, mmap.PROT_READ | mmap.PROT_WRITE) == 0
