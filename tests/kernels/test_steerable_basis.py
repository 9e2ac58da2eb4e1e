"""What the features promise: turnable, unit noise, nothing from an even disc, calm with dead pixels and odd discs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_rrvae.errors import CalibrationError
from stream_rrvae.kernels.basis import BasisSpec, Projection, inside_disc, project_onto, to_complex
from stream_rrvae.kernels.frame_pass import FrameResults, reduce_frames
from stream_rrvae.kernels.plan import FramePlan, make_plan

SPEC = BasisSpec()
ALL = np.ones((48, 48), np.bool_)
CENTER = (23.5, 23.5)
RADIUS = 14.53


def lit(shape: tuple[int, int], center: tuple[float, float], radius: float, turned_rad: float) -> NDArray[np.float64]:
    """A disc with a smooth modulation of 4 % (m = 0 to 3), turned about its centre."""
    ky, kx = np.indices(shape)
    dy, dx = (ky - center[0]) / radius, (kx - center[1]) / radius
    r, phi = np.hypot(dy, dx), np.arctan2(dy, dx) - turned_rad
    shape_of_m = r * np.cos(phi) + r**2 * np.sin(2 * phi) + r**3 * np.cos(3 * phi + 0.4) + np.cos(2 * r)
    return np.where(r < 1, 1 + 0.04 * shape_of_m, 0.0)


def features(frames: NDArray[Any], plan: FramePlan) -> NDArray[np.float32]:
    results = FrameResults.empty(len(frames), plan.n_features)
    reduce_frames(frames, plan, results, len(frames))
    return results.features


def coefficients(pattern: NDArray[np.float64], projection: Projection) -> NDArray[np.complex64]:
    x = pattern.ravel()[projection.pixels]
    return to_complex(projection.scale * (x @ projection.weights) / x.sum() - projection.offset, projection.spec)


@pytest.mark.parametrize("turned_deg", [10.0, 45.0, 90.0, -130.0])
@pytest.mark.parametrize(("size", "radius", "bin_px"), [(48, 14.53, 1), (96, 29.06, 1), (192, 58.1, 2), (192, 58.1, 4)])
def test_turning_the_pattern_turns_the_phases(turned_deg: float, size: int, radius: float, bin_px: int) -> None:
    shape, center = (size, size), ((size - 1) / 2, (size - 1) / 2)
    projection = project_onto(SPEC, shape, center, radius, np.ones(shape, np.bool_), bin_px)
    turn = np.radians(turned_deg)
    straight = coefficients(lit(shape, center, radius, 0.0), projection)
    turned = coefficients(lit(shape, center, radius, turn), projection)
    expected = straight * np.exp(-1j * np.arange(SPEC.max_order + 1) * turn)[:, None]
    assert np.linalg.norm(turned - expected) < 0.04 * np.linalg.norm(straight)


def test_an_evenly_lit_disc_has_no_features() -> None:
    frames = np.where(inside_disc((48, 48), CENTER, RADIUS), 7, 0).astype(np.uint16)[None]
    np.testing.assert_allclose(features(frames, make_plan((48, 48), CENTER, RADIUS, SPEC)), 0, atol=1e-5)


@pytest.mark.parametrize("bin_px", [1, 3])
def test_counting_noise_has_unit_covariance_per_electron(bin_px: int) -> None:
    shape, center, radius, electrons = (64, 64), (31.2, 32.9), 20.0, 2000.0
    plan = make_plan(shape, center, radius, SPEC, bin_px=bin_px)
    disc = inside_disc(shape, center, radius)
    rng = np.random.default_rng(1)
    frames = rng.poisson(np.where(disc, electrons / disc.sum(), 0), (4000, *shape)).astype(np.uint8)
    covariance = np.cov(features(frames, plan).T) * electrons
    seen = np.linalg.eigvalsh(covariance)
    # An evenly lit disc carries one direction whose noise cancels in the division by the sum.
    assert abs(np.median(np.diag(covariance)) - 1) < 0.03
    assert seen[1] > 0.65
    assert seen[-1] < 1.4


def test_coefficients_of_binned_pixels_stay_within_one_percent() -> None:
    shape, center = (256, 256), (127.3, 128.1)
    usable = np.ones(shape, np.bool_)
    fine, binned = (project_onto(SPEC, shape, center, 77.0, usable, bin_px) for bin_px in (1, 3))
    patterns = [lit(shape, center, 77.0, turn) for turn in np.linspace(0, 2 * np.pi, 12, endpoint=False)]
    exact = np.stack([coefficients(pattern, fine) for pattern in patterns])
    coarse = np.stack([coefficients(pattern, binned) for pattern in patterns])
    exact, coarse = exact - exact.mean(axis=0), coarse - coarse.mean(axis=0)
    assert np.linalg.norm(coarse - exact) < 0.01 * np.linalg.norm(exact)
    assert make_plan(shape, center, 77.0, SPEC).layout.bin_px == 3


def test_pixels_without_data_hardly_move_the_features() -> None:
    plan = make_plan((48, 48), CENTER, RADIUS, SPEC)
    clean = (1e4 * lit((48, 48), CENTER, RADIUS, 0.3)).astype(np.float32)
    holes, dark = clean.copy(), clean.copy()
    for ky, kx in ((20, 20), (24, 30), (28, 17), (35, 24), (23, 23)):
        holes[ky, kx], dark[ky, kx] = np.nan, 0
    straight, filled, distorted = features(np.stack((clean, holes, dark)), plan)
    assert np.linalg.norm(filled - straight) < 0.1 * np.linalg.norm(distorted - straight)
    assert np.linalg.norm(filled - straight) < 0.1 * np.linalg.norm(straight)


def test_a_pixel_mask_hardly_moves_the_features() -> None:
    usable = ALL.copy()
    usable[(20, 24, 28, 35, 23), (20, 30, 17, 24, 23)] = False
    frames = (1e4 * lit((48, 48), CENTER, RADIUS, 0.3)).astype(np.float32)[None]
    whole = features(frames, make_plan((48, 48), CENTER, RADIUS, SPEC))
    masked = features(frames, make_plan((48, 48), CENTER, RADIUS, SPEC, usable))
    assert np.linalg.norm(masked - whole) < 0.1 * np.linalg.norm(whole)


def test_a_disc_mostly_without_data_has_no_features_but_a_centre_of_mass() -> None:
    frames = np.where(inside_disc((48, 48), CENTER, RADIUS), 9, 0).astype(np.uint8)[None]
    frames[0, :26] = 255
    plan = make_plan((48, 48), CENTER, RADIUS, SPEC)
    results = FrameResults.empty(1, plan.n_features)
    reduce_frames(frames, plan, results, 1)
    assert np.isnan(results.features).all()
    assert results.com_y[0] > 0


@pytest.mark.parametrize(
    ("center", "radius"),
    [
        (CENTER, 0.8),
        (CENTER, 2.0),
        (CENTER, 5.0),
        (CENTER, 400.0),
        ((-2.0, 50.0), 9.0),
        ((0.0, 23.5), 14.5),
        ((23, 23), 1e9),
    ],
)
def test_odd_discs_give_calm_features(center: tuple[float, float], radius: float) -> None:
    plan = make_plan((48, 48), center, radius, SPEC)
    frames = np.random.default_rng(0).poisson(20, (16, 48, 48)).astype(np.uint16)
    assert plan.projection is not None
    gram = plan.projection.weights.T @ plan.projection.weights
    assert np.linalg.eigvalsh(gram)[-1] < 1.02  # weights are rounded to bytes
    values = features(frames, plan)
    assert np.isfinite(values).all()
    assert np.abs(values).max() < 10 * np.sqrt(1 / 20)


def test_no_usable_pixel_in_the_disc_is_said_plainly() -> None:
    with pytest.raises(CalibrationError, match="no usable pixel"):
        make_plan((48, 48), (-30.0, 20.0), 14.5, SPEC)
    with pytest.raises(CalibrationError, match="no usable pixel"):
        make_plan((48, 48), CENTER, RADIUS, SPEC, ~ALL)


@pytest.mark.parametrize("radius", [0.0, -1.0, float("nan"), float("inf")])
def test_senseless_radius_is_refused(radius: float) -> None:
    with pytest.raises(CalibrationError, match="makes no sense"):
        make_plan((48, 48), CENTER, radius, SPEC)


def test_senseless_saturation_and_mask_are_refused() -> None:
    with pytest.raises(CalibrationError, match="saturation"):
        make_plan((48, 48), CENTER, RADIUS, SPEC, saturation=float("nan"))
    with pytest.raises(CalibrationError, match="does not fit"):
        make_plan((48, 47), CENTER, RADIUS, SPEC, ALL)


def test_complex_form_keeps_every_number() -> None:
    values = np.random.default_rng(0).normal(size=(5, SPEC.n_features)).astype(np.float32)
    a = to_complex(values, SPEC)
    assert a.shape == (5, SPEC.max_order + 1, SPEC.n_radial)
    np.testing.assert_array_equal(a[:, 0].real, values[:, : SPEC.n_radial])
    np.testing.assert_array_equal(a[:, 1:].reshape(5, -1).view(np.float32), values[:, SPEC.n_radial :])
