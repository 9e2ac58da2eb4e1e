"""Packed frames measured in one call against decoding, then measuring: the same bits, the same refusals."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import bitshuffle
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream_rrvae.errors import CalibrationError, WireError
from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.kernels.frame_pass import FrameResults, reduce_frames
from stream_rrvae.kernels.packed_pass import DECODE, MEASURED, SIZE, PackedPass, Path
from stream_rrvae.kernels.plan import FramePlan, make_plan
from stream_rrvae.messages import PIXEL_TYPES, Encoding, Frame, Refusal
from stream_rrvae.wire.pixels import decode_pixels, encode_bslz4, encode_lz4, encode_raw

PACK = {Encoding.NONE: encode_raw, Encoding.LZ4: encode_lz4, Encoding.BSLZ4: encode_bslz4}
REFUSALS = {Refusal.SIZE: SIZE, Refusal.DECODE: DECODE}
PATHS: tuple[Path | None, ...] = ("plain", "planes", None)
CANARY = 64
FIELDS = ("sum", "com_y", "com_x", "bright_field", "annular_dark_field", "features")


@dataclass(frozen=True)
class Case:
    frames: NDArray[Any]
    plan: FramePlan
    encoding: Encoding
    payloads: list[bytes]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Frames of any size and dose, with dead pixels, some of them saturated, packed with any block size."""
    shape = draw(st.tuples(st.integers(1, 70), st.integers(1, 150)))
    dtype = np.dtype(draw(st.sampled_from(PIXEL_TYPES)))
    encoding = draw(st.sampled_from(list(Encoding)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    usable = rng.random(shape) < draw(st.sampled_from((2.0, 0.9)))
    saturation = draw(st.sampled_from((None, 1.0, 3.5, 5.0, 200.0, 1e9)))
    center, radius = tuple(draw(st.floats(-3, side + 3)) for side in shape), draw(st.floats(0.6, 90))
    bin_px = draw(st.sampled_from((None, 1, 2, 3, 7)))
    frames = np.stack(
        [_frame(draw(st.sampled_from(DOSES)), shape, dtype, rng, usable) for _ in range(draw(st.integers(1, 6)))]
    )
    block = draw(st.sampled_from((None, None, 1024, 4096, 1032 * 4, 16384)))
    payloads = [_packed(frame, encoding, block) for frame in frames]
    spec = draw(st.sampled_from((BasisSpec(2, 2), None)))
    try:
        plan = make_plan(shape, (center[0], center[1]), radius, spec, usable, saturation, bin_px)
    except CalibrationError:
        plan = make_plan(shape, (center[0], center[1]), radius, None, usable, saturation)
    return Case(frames, plan, encoding, payloads)


DOSES = ("empty", "few", "many", "full range", "no data")


def _frame(
    dose: str, shape: tuple[int, int], dtype: np.dtype[Any], rng: np.random.Generator, usable: NDArray[np.bool_]
) -> NDArray[Any]:
    top = 1000 if dtype.kind == "f" else np.iinfo(dtype).max
    nothing = np.nan if dtype.kind == "f" else top
    if dose == "full range":
        return (rng.random(shape) * top).astype(dtype)
    if dose == "no data":
        return np.full(shape, nothing, dtype)
    frame = rng.poisson({"empty": 0.0, "few": 0.2, "many": 40.0}[dose], shape).astype(dtype)
    frame[~usable] = nothing
    frame[rng.random(shape) < rng.choice((0.0, 0.01))] = nothing
    return frame


def _packed(frame: NDArray[Any], encoding: Encoding, block: int | None) -> bytes:
    if encoding is Encoding.BSLZ4 and block:
        packed = bitshuffle.compress_lz4(frame.ravel(), block // frame.itemsize)
        return struct.pack(">QI", frame.nbytes, block) + bytes(packed)
    return PACK[encoding](frame)


def _oracle(case: Case, payloads: list[bytes]) -> tuple[FrameResults, NDArray[np.uint8]]:
    """What decoding and measuring one frame after the other gives."""
    count = len(payloads)
    outcome, frames = np.zeros(count, np.uint8), np.zeros_like(case.frames)
    for i, payload in enumerate(payloads):
        frame = Frame(1, i, case.plan.frame_shape, frames.dtype.name, case.encoding, memoryview(payload))
        try:
            decode_pixels(frame, frames[i])
        except WireError as refused:
            outcome[i] = REFUSALS[refused.reason]
    results = FrameResults.empty(count, case.plan.n_features)
    with np.errstate(over="ignore"):
        reduce_frames(frames, case.plan, results, count)
    return results, outcome


def _reduced(case: Case, payloads: list[bytes], path: Path | None) -> tuple[FrameResults, NDArray[np.uint8]]:
    count = len(payloads)
    held = [np.frombuffer(payload, np.uint8) for payload in payloads]
    addresses = np.array([array.ctypes.data for array in held], np.uint64)
    sizes = np.array([array.size for array in held], np.int64)
    results, outcome = FrameResults.empty(count, case.plan.n_features), np.full(count, 9, np.uint8)
    measuring = PackedPass(case.plan, case.frames.dtype.name, case.encoding, path)
    measuring.reduce(addresses, sizes, results, outcome, count)
    return results, outcome


def _assert_same(case: Case, payloads: list[bytes], path: Path | None) -> None:
    expected, outcome = _oracle(case, payloads)
    found, found_outcome = _reduced(case, payloads, path)
    np.testing.assert_array_equal(found_outcome, outcome)
    for field in FIELDS:
        np.testing.assert_array_equal(
            getattr(found, field)[outcome == MEASURED], getattr(expected, field)[outcome == MEASURED], field
        )


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(case=cases())
def test_good_frames_give_the_same_bits(path: Path | None, case: Case) -> None:
    assert (_reduced(case, case.payloads, path)[1] == MEASURED).all()
    _assert_same(case, case.payloads, path)


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(case=cases(), data=st.data())
def test_damaged_frames_are_refused_alike_and_leave_the_others_alone(
    path: Path | None, case: Case, data: st.DataObject
) -> None:
    payloads = [_damaged(payload, data) for payload in case.payloads]
    _assert_same(case, payloads, path)


def _damaged(payload: bytes, data: st.DataObject) -> bytes:
    kind = data.draw(st.sampled_from(("none", "bytes", "end", "cut", "longer", "header")))
    if kind == "cut":
        return payload[: data.draw(st.integers(0, len(payload)))]
    if kind == "longer":
        return payload + data.draw(st.binary(min_size=1, max_size=9))
    damaged = bytearray(payload)
    low, high = {"end": (max(0, len(payload) - 24), len(payload)), "header": (0, min(24, len(payload)))}.get(
        kind, (0, len(payload))
    )
    for _ in range(0 if kind == "none" else data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(low, high - 1))] = data.draw(st.sampled_from((0, 1, 15, 16, 240, 255, 77)))
    return bytes(damaged)
