"""Centre, radius and ellipticity of the disc on the mean of 500 frames of 1,000 electrons, and what they are off by."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import erfc

from stream_rrvae.calibration.pattern_fit import fit_pattern
from stream_rrvae.errors import CalibrationError
from stream_rrvae.found import PatternFound
from tests.calibration.conftest import SimulatedScan

FRAMES, ELECTRONS, SEEDS = 500, 1000, 20
Float = NDArray[np.float64]
ALL = {"dead": True, "saturated": True}


def ellipse(
    side: int, center: tuple[float, float], radius: float, ratio: float = 1.0, long_axis_rad: float = 0.0
) -> Float:
    """An even disc with a soft edge, its longer radius towards `long_axis_rad` = atan2(ky, kx)."""
    ky, kx = np.indices((side, side))
    dy, dx = ky - center[0], kx - center[1]
    along = (dx * math.cos(long_axis_rad) + dy * math.sin(long_axis_rad)) / math.sqrt(ratio)
    across = (dy * math.cos(long_axis_rad) - dx * math.sin(long_axis_rad)) * math.sqrt(ratio)
    return np.asarray(erfc(np.hypot(along, across) - radius) / 2)


def mean_of(pattern: Float, rng: np.random.Generator, dead: bool = False, saturated: bool = False) -> Float:
    """The mean pattern as it is measured; saturated pixels are those without a number."""
    mean = rng.poisson(pattern / pattern.sum() * FRAMES * ELECTRONS) / FRAMES
    if dead:
        mean[rng.random(mean.shape) < 0.01] = 0.0
    if saturated:
        mean[rng.random(mean.shape) < 0.003] = np.nan
        mean[rng.random(mean.shape) < 0.001] = 1e4
    return np.asarray(mean)


def off_px(found: PatternFound, center: tuple[float, float], radius: float) -> tuple[float, float, float]:
    return (
        abs(found.center_px[0] - center[0]),
        abs(found.center_px[1] - center[1]),
        abs(found.radius_px - radius),
    )


@pytest.mark.parametrize("faults", [{}, ALL], ids=["clean", "dead and saturated pixels"])
@pytest.mark.parametrize("cut", [False, True], ids=["whole", "cut"])
@pytest.mark.parametrize(("side", "radius"), [(48, 14.5), (96, 29.0)])
def test_median_error_is_below_a_tenth_of_a_pixel(side: int, radius: float, cut: bool, faults: dict[str, bool]) -> None:
    rng = np.random.default_rng([side, cut, len(faults)])
    errors = []
    for _ in range(SEEDS):
        at = (side - 1) / 2 + rng.uniform(-6, 6, 2)
        center = (0.6 * radius if cut else float(at[0]), float(at[1]))
        errors.append(off_px(fit_pattern(mean_of(ellipse(side, center, radius), rng, **faults)), center, radius))
    assert np.median(errors, axis=0).max() <= 0.1


def test_a_corner_of_a_large_disc_is_enough() -> None:
    rng, center = np.random.default_rng(0), (90.0, 177.0)
    patterns = [mean_of(ellipse(256, center, 150.0), rng, **ALL) for _ in range(3)]
    errors = [off_px(fit_pattern(pattern), center, 150.0) for pattern in patterns]
    assert np.median(errors, axis=0).max() <= 0.1


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "cut"])
@pytest.mark.parametrize("ratio", [1.02, 1.1])
def test_an_ellipse_is_told_from_a_circle_and_measured(ratio: float, cut: bool) -> None:
    rng = np.random.default_rng(0)
    errors = []
    for axis_deg in np.linspace(-80, 90, 4):
        center, axis = (20.0 if cut else 46.3, 48.9), math.radians(axis_deg)
        found = fit_pattern(mean_of(ellipse(96, center, 29.0, ratio, axis), rng))
        turned = (found.long_axis_rad - axis + math.pi / 2) % math.pi - math.pi / 2
        errors.append((abs(found.axis_ratio - ratio), abs(math.degrees(turned)), *off_px(found, center, 29.0)[:2]))
    assert np.median(errors, axis=0)[0] < 0.005
    assert np.median(errors, axis=0)[1] < 10 * 0.02 / (ratio - 1)
    assert np.median(errors, axis=0)[2:].max() <= 0.1


def test_a_round_disc_is_said_to_be_round() -> None:
    rng = np.random.default_rng(0)
    ratios = [fit_pattern(mean_of(ellipse(96, (46.3, 48.9), 29.0), rng)).axis_ratio for _ in range(SEEDS)]
    assert ratios.count(1.0) >= SEEDS - 1


def test_what_is_stated_as_uncertain_is_what_it_is_off_by() -> None:
    rng, pulls = np.random.default_rng(0), []
    for _ in range(SEEDS):
        center = tuple((47.5 + rng.uniform(-2, 2, 2)).tolist())
        found = fit_pattern(mean_of(ellipse(96, center, 29.0), rng), frames=FRAMES)
        off, errors = off_px(found, center, 29.0), (*found.center_error_px, found.radius_error_px)
        pulls.append(np.array(off) / errors)
        assert found.frames == FRAMES
    assert 0.3 < np.median(np.array(pulls)[:, :2]) < 1.2


def test_a_simulated_mean_pattern_of_graphene(simulated: SimulatedScan) -> None:
    scan = simulated(detector="96x96:float32", scan_shape=(25, 20), beam_offset_px=(5.3, -3.6))
    center, radius, errors = scan.settings.grid.beam_center_px, scan.settings.disc_radius_px, []
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        errors.append(off_px(fit_pattern(rng.poisson(scan.frames.sum(0) * ELECTRONS) / FRAMES), center, radius))
    assert np.median(errors, axis=0).max() <= 0.1


def test_no_disc_is_said_plainly() -> None:
    with pytest.raises(CalibrationError, match="no bright disc"):
        fit_pattern(np.full((64, 64), 5.0))
