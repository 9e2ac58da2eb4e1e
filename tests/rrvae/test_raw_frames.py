"""Raw frames straight to what a model says: the same as by frame pass, store and preparation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_rrvae.errors import CalibrationError
from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.kernels.frame_pass import FrameResults, reduce_frames
from stream_rrvae.kernels.plan import FramePlan, make_plan
from stream_rrvae.maps.statistics import wrapped
from stream_rrvae.messages import BoolArray, Float32Array
from stream_rrvae.rrvae.direct_projection import DirectProjection
from stream_rrvae.rrvae.frame_encoder import FrameEncoder
from stream_rrvae.rrvae.model import Model
from stream_rrvae.rrvae.preparation import Centring, Prepared, whitened
from stream_rrvae.rrvae.registry import factory, model_names

BASIS = BasisSpec()
SIZE, CENTER, RADIUS = (40, 44), (19.3, 21.1), 13.0
EVERYTHING = np.eye(BASIS.n_features, dtype=np.float32)
UNLIT = np.hypot(*(np.indices(SIZE) - np.reshape(CENTER, (2, 1, 1)))) > RADIUS + 1

Frames = NDArray[Any]


def leaning(count: int = 200, level: float = 150.0) -> NDArray[np.float64]:
    """Discs with one bright side, more or less, in any direction."""
    rng = np.random.default_rng(0)
    strength, angle = rng.uniform(0.01, 0.04, count), rng.uniform(-np.pi, np.pi, count)
    ky, kx = np.indices(SIZE) - np.reshape(CENTER, (2, 1, 1))
    disc = (np.hypot(ky, kx) < RADIUS) * level
    tilt = np.sin(angle)[:, None, None] * ky + np.cos(angle)[:, None, None] * kx
    return np.asarray(disc * (1 + strength[:, None, None] * tilt))


def plan_for(usable: BoolArray | None = None, bin_px: int = 1, saturation: float | None = None) -> FramePlan:
    return make_plan(SIZE, CENTER, RADIUS, BASIS, usable, saturation, bin_px)


def measured(frames: Frames, plan: FramePlan) -> Float32Array:
    """Features by the frame pass."""
    results = FrameResults.empty(len(frames), plan.n_features)
    reduce_frames(frames, plan, results, len(frames))
    return results.features


def prepared(frames: Frames, plan: FramePlan) -> Prepared:
    return whitened(measured(frames, plan), np.arange(len(frames)), 1e4, 0.0)


def assert_same(frames: Frames, plan: FramePlan, centring: Centring | None = None) -> Float32Array:
    centring = centring or prepared(frames, plan).centring
    assert centring is not None
    found = DirectProjection(plan, centring, EVERYTHING).of(frames)
    expected = centring.applied(measured(frames, plan))
    # In units of one frame's noise: rounding of float32 sums of a thousand pixels.
    np.testing.assert_allclose(found, expected, atol=2e-3)
    return found


@pytest.mark.parametrize("bin_px", [1, 3])
@pytest.mark.parametrize("kind", ["uint8", "uint16", "uint32", "float32"])
def test_every_pixel_type_gives_the_features_of_the_frame_pass(kind: str, bin_px: int) -> None:
    found = assert_same(leaning().astype(kind), plan_for(bin_px=bin_px))
    assert np.abs(found).max() > 1.0


def test_only_what_a_model_sees_is_made() -> None:
    frames, plan = leaning().astype(np.float32), plan_for()
    data = prepared(frames, plan)
    axes = np.linalg.qr(np.random.default_rng(1).normal(size=(BASIS.n_features, 7)))[0].astype(np.float32)
    assert data.centring is not None
    found = DirectProjection(plan, data.centring, axes).of(frames)
    np.testing.assert_allclose(found, data.x @ axes, atol=2e-3)


def test_unusable_pixels_count_nowhere_whatever_they_hold() -> None:
    usable = np.ones(SIZE, np.bool_)
    usable[17, 20:24] = False
    for kind, filling in (("uint16", 65_535), ("uint8", 255), ("float32", 1e30), ("float32", np.nan)):
        frames = leaning(30).astype(kind)
        frames[:, ~usable] = filling
        assert np.isfinite(assert_same(frames, plan_for(usable))).all()


@pytest.mark.parametrize("kind", ["uint16", "float32"])
def test_pixels_without_data_are_filled_as_by_the_frame_pass(kind: str) -> None:
    frames = leaning(40).astype(kind)
    nothing = np.iinfo(kind).max if kind == "uint16" else np.nan
    frames[3, 18, 20], frames[9, 15:18, 22] = nothing, nothing
    if kind == "float32":
        frames[11, 20, 20] = -np.inf
    assert np.isfinite(assert_same(frames, plan_for())).all()


def test_saturated_pixels_have_no_data() -> None:
    frames = leaning(40).astype(np.float32)
    plan = plan_for(saturation=float(frames[7].max()) - 0.5)
    assert np.isfinite(assert_same(frames, plan)).all()


def test_a_frame_with_nothing_in_it_has_no_features() -> None:
    frames, plan = leaning(20).astype(np.float32), plan_for()
    centring = prepared(frames, plan).centring
    spoilt = frames.copy()
    spoilt[2], spoilt[5], spoilt[6] = 0.0, np.nan, -1.0
    spoilt[8][~UNLIT] = np.inf
    found = assert_same(spoilt, plan, centring)
    np.testing.assert_array_equal(np.isnan(found).any(axis=1), np.isin(np.arange(20), [2, 5, 6, 8]))


def test_frames_may_be_read_only_or_lie_anywhere() -> None:
    frames, plan = leaning(50).astype(np.uint16), plan_for()
    every_other = frames[::2]
    frozen = frames.copy()
    frozen.flags.writeable = False
    whole = assert_same(frozen, plan)
    centring = prepared(frames, plan).centring
    np.testing.assert_allclose(assert_same(every_other, plan, centring), whole[::2], atol=1e-4)
    assert assert_same(frames[:1], plan, centring).shape == (1, BASIS.n_features)


def test_others_frames_and_plans_without_a_basis_are_refused() -> None:
    plan, centring = plan_for(), Centring(np.zeros(BASIS.n_features, np.float32), 1.0)
    direct = DirectProjection(plan, centring, EVERYTHING)
    for frames in (np.zeros((2, 40, 43), np.float32), np.zeros((2, *SIZE)), np.zeros(SIZE, np.float32)):
        with pytest.raises(ValueError, match="not those of the plan"):
            direct.of(frames)
    with pytest.raises(CalibrationError, match="basis"):
        DirectProjection(make_plan(SIZE, CENTER, RADIUS, None), centring, EVERYTHING)


@dataclass(frozen=True)
class Settled:
    """A model that was trained on `frames`, and settled on them."""

    model: Model
    frames: Frames
    plan: FramePlan
    data: Prepared

    @property
    def encoder(self) -> FrameEncoder:
        assert self.data.centring is not None
        return FrameEncoder(self.model, self.plan, self.data.centring)


@pytest.fixture(scope="module", params=model_names())
def settled(request: pytest.FixtureRequest) -> Settled:
    frames, plan = leaning(300).astype(np.float32), plan_for()
    data = prepared(frames, plan)
    model = factory(request.param).create(data, BASIS, 2, 0, "cpu")
    model.train(data, 0.4, (0.0, 1.0))
    model.settle(data.x)
    return Settled(model, frames, plan, data)


def test_an_encoder_says_of_frames_what_the_model_says_of_their_features(settled: Settled) -> None:
    found, expected = settled.encoder.encode(settled.frames), settled.model.encode(settled.data.x)
    np.testing.assert_allclose(wrapped(found.rotation - expected.rotation), 0.0, atol=5e-3)
    np.testing.assert_allclose(found.confidence, expected.confidence, atol=5e-3)
    np.testing.assert_allclose(found.latents, expected.latents, atol=1e-2)


def test_frames_that_say_nothing_are_nan_and_change_no_others(settled: Settled) -> None:
    frames = settled.frames[:12].copy()
    frames[4], frames[7] = 0.0, np.nan
    whole, found = settled.encoder.encode(settled.frames[:12]), settled.encoder.encode(frames)
    for before, after in zip(
        (whole.rotation, whole.confidence, *whole.latents.T), (found.rotation, found.confidence, *found.latents.T),
        strict=True,
    ):  # fmt: skip
        assert np.isnan(after[[4, 7]]).all()
        np.testing.assert_allclose(np.delete(after, [4, 7]), np.delete(before, [4, 7]), atol=1e-3)


def test_one_frame_no_frame_and_an_empty_one(settled: Settled) -> None:
    assert np.isfinite(settled.encoder.encode(settled.frames[:1]).latents).all()
    assert settled.encoder.encode(settled.frames[:0]).latents.shape == (0, 2)
    assert np.isnan(settled.encoder.encode(np.zeros_like(settled.frames[:1])).rotation).all()
