"""PackedPass at its edges: nothing outside a payload is read, arguments are checked, the faster path is chosen."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from time import perf_counter
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.kernels.frame_pass import FrameResults, reduce_frames
from stream_rrvae.kernels.packed_pass import DECODE, MEASURED, SIZE, PackedPass, Path
from stream_rrvae.kernels.path_choice import PathChoice
from stream_rrvae.kernels.plan import FramePlan, make_plan
from stream_rrvae.messages import Encoding
from stream_rrvae.wire.pixels import encode_bslz4, encode_lz4, encode_raw

PACK = {Encoding.NONE: encode_raw, Encoding.LZ4: encode_lz4, Encoding.BSLZ4: encode_bslz4}
PATHS: tuple[Path, ...] = ("plain", "planes")
SHAPE = (96, 131)


@pytest.fixture
def page_end(protect: Any) -> Iterator[NDArray[np.uint8]]:
    """Memory whose end is followed by a page that must not be read."""
    pages = 16
    memory = mmap.mmap(-1, pages * mmap.PAGESIZE)
    whole = np.frombuffer(memory, np.uint8)
    protect(whole.ctypes.data + (pages - 1) * mmap.PAGESIZE, mmap.PAGESIZE)
    yield whole[: (pages - 1) * mmap.PAGESIZE]


def plan_of(spec: BasisSpec | None = None, **more: Any) -> FramePlan:
    return make_plan(SHAPE, (47.0, 66.0), 29.0, spec, **more)


def measured(passing: PackedPass, plan: FramePlan, *payloads: NDArray[np.uint8]) -> tuple[FrameResults, list[int]]:
    count = len(payloads)
    results, outcome = FrameResults.empty(count, plan.n_features), np.full(count, 9, np.uint8)
    addresses = np.array([payload.ctypes.data for payload in payloads], np.uint64)
    passing.reduce(addresses, np.array([payload.size for payload in payloads]), results, outcome, count)
    return results, outcome.tolist()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("encoding", list(Encoding))
def test_nothing_behind_a_payload_is_read(page_end: NDArray[np.uint8], encoding: Encoding, path: Path) -> None:
    rng, plan = np.random.default_rng(8), plan_of()
    frame = rng.poisson(0.3, SHAPE).astype(np.uint16)
    payload = np.frombuffer(PACK[encoding](frame), np.uint8)
    passing = PackedPass(plan, "uint16", encoding, path)
    for cut in (0, 1, 2, 7, 40, payload.size // 2, payload.size - 13, payload.size - 1):
        given = page_end[page_end.size - (payload.size - cut) :]
        given[:] = payload[: payload.size - cut]
        results, (outcome,) = measured(passing, plan, given)
        assert outcome == MEASURED if cut == 0 else outcome in (SIZE, DECODE)
        assert cut or results.sum[0] == frame.sum()
        for _ in range(200):  # lengths that lie, at the very end
            given[-int(rng.integers(1, min(64, given.size) + 1)) :][:1] = rng.choice([0, 15, 240, 255])
            measured(passing, plan, given)


@pytest.mark.parametrize("path", PATHS)
def test_a_damaged_frame_leaves_nothing_behind(path: Path) -> None:
    plan = plan_of(BasisSpec(2, 2))
    frames = np.random.default_rng(1).poisson(0.4, (2, *SHAPE)).astype(np.uint16)
    good, other = (np.frombuffer(encode_bslz4(frame), np.uint8) for frame in frames)
    bad = other.copy()
    bad[bad.size // 2 :] = 255
    results, outcome = measured(PackedPass(plan, "uint16", Encoding.BSLZ4, path), plan, good, bad, good)
    assert outcome == [MEASURED, DECODE, MEASURED]
    assert results.sum[0] == results.sum[2] == frames[0].sum()
    np.testing.assert_array_equal(results.features[0], results.features[2])


def test_without_detectors_there_is_com_alone() -> None:
    frames = np.random.default_rng(2).poisson(0.4, (3, *SHAPE)).astype(np.uint8)
    lean, full = FrameResults.empty(3, 0), FrameResults.empty(3, 0)
    reduce_frames(frames, plan_of(detectors=False), lean, 3)
    reduce_frames(frames, plan_of(), full, 3)
    np.testing.assert_array_equal(lean.com_y, full.com_y)
    np.testing.assert_array_equal(lean.com_x, full.com_x)
    assert np.isnan([lean.bright_field, lean.annular_dark_field]).all()
    assert np.isfinite([full.bright_field, full.annular_dark_field]).all()


def test_arrays_that_are_too_small_are_refused() -> None:
    plan = plan_of(BasisSpec(2, 2))
    passing, one = PackedPass(plan, "uint8", Encoding.NONE), np.zeros(1, np.int64)
    with pytest.raises(ValueError, match="do not fit"):
        passing.reduce(one.view(np.uint64), one, FrameResults.empty(1, plan.n_features), np.zeros(1, np.uint8), 2)
    with pytest.raises(ValueError, match="features"):
        passing.reduce(one.view(np.uint64), one, FrameResults.empty(1, 3), np.zeros(1, np.uint8), 1)
    with pytest.raises(ValueError, match="features"):
        reduce_frames(np.zeros((1, *SHAPE), np.uint8), plan, FrameResults.empty(1, 3), 1)


@pytest.mark.parametrize("encoding", list(Encoding))
def test_a_frame_is_unpacked_for_display(encoding: Encoding) -> None:
    frame = np.random.default_rng(3).poisson(2.0, SHAPE).astype(np.float32)
    payload, out = np.frombuffer(PACK[encoding](frame), np.uint8), np.zeros(SHAPE, np.float32)
    passing = PackedPass(plan_of(), "float32", encoding)
    passing.unpack(payload.ctypes.data, payload.size, out)
    np.testing.assert_array_equal(out, frame)
    with pytest.raises(ValueError, match="cannot be unpacked"):
        passing.unpack(payload.ctypes.data, payload.size - 1, out)
    with pytest.raises(ValueError, match="out"):
        passing.unpack(payload.ctypes.data, payload.size, out.astype(np.float64))


@pytest.mark.parametrize("faster", [0, 1])
def test_the_faster_path_gets_the_rest(faster: int) -> None:
    taken: list[list[range]] = [[], []]

    def path(which: int, part: slice) -> None:
        taken[which].append(range(part.start, part.stop))
        until = perf_counter() + (1e-4 if which == faster else 2e-2)
        while perf_counter() < until:
            pass

    choice = PathChoice()
    choice.run((lambda part: path(0, part), lambda part: path(1, part)), 200)
    assert choice.best == faster
    assert taken[faster][-1] == range(64, 200)
    assert max(part.stop for part in taken[1 - faster]) == 64


def test_frames_that_are_unaligned_or_read_only_are_measured() -> None:
    frames = np.random.default_rng(4).poisson(0.4, (2, *SHAPE)).astype(np.uint16)
    odd = np.frombuffer(b"x" + frames.tobytes(), np.uint8)[1:].view(np.uint16).reshape(frames.shape)
    assert not odd.flags.aligned
    for given in (odd, np.frombuffer(frames.tobytes(), np.uint16).reshape(frames.shape)):
        results = FrameResults.empty(2, 0)
        reduce_frames(given, plan_of(), results, 2)
        np.testing.assert_array_equal(results.sum, frames.sum(axis=(1, 2)))
