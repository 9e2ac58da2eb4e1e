"""The disc is found to a tenth of a pixel at 32 frames of 1,000 electrons, cut, off centre and with bad pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy.special import erfc

from stream_rrvae.calibration.disc import Disc, find_disc
from stream_rrvae.errors import CalibrationError

REFERENCE = Path(__file__).parents[3] / "shared" / "data" / "graphene_60kV_31mrad_reference.npz"
FRAMES, ELECTRONS = 32, 1000


def soft_disc(shape: tuple[int, int], disc: Disc, edge_px: float) -> NDArray[np.float64]:
    ky, kx = np.indices(shape)
    r = np.hypot(ky - disc.center_px[0], kx - disc.center_px[1])
    return np.asarray(erfc((r - disc.radius_px) / edge_px) / 2)


def mean_pattern(pattern: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    return np.asarray(rng.poisson(pattern / pattern.sum() * FRAMES * ELECTRONS) / FRAMES)


def errors(found: Disc, true: Disc) -> tuple[float, float, float]:
    return (
        abs(found.center_px[0] - true.center_px[0]),
        abs(found.center_px[1] - true.center_px[1]),
        abs(found.radius_px - true.radius_px),
    )


@pytest.mark.parametrize(
    ("side", "radius", "edge"), [(48, 14.5, 0.5), (96, 29.0, 1.0), (192, 58.0, 1.0), (256, 20.0, 1.0)]
)
@pytest.mark.parametrize("bad_pixels", [False, True])
@pytest.mark.parametrize("cut", [False, True])
def test_median_error_is_below_a_tenth_of_a_pixel(
    side: int, radius: float, edge: float, bad_pixels: bool, cut: bool
) -> None:
    rng = np.random.default_rng([side, bad_pixels, cut])
    all_errors = []
    for _ in range(7):
        middle = (side - 1) / 2 + rng.uniform(-5, 5, 2)
        true = Disc((0.5 * radius if cut else middle[0], middle[1]), radius)
        pattern = mean_pattern(soft_disc((side, side), true, edge), rng)
        usable = np.ones(pattern.shape, np.bool_)
        if bad_pixels:
            pattern[rng.random(pattern.shape) < 0.002] = 65535
            pattern[rng.random(pattern.shape) < 0.005] = 0
            usable[rng.random(pattern.shape) < 0.01] = False
            pattern[~usable] = 1e9
        all_errors.append(errors(find_disc(pattern, usable), true))
    assert np.median(all_errors, axis=0).max() <= 0.1
    assert np.max(all_errors) <= 0.5


@pytest.mark.parametrize("shape", [(60, 100), (100, 60)])
def test_detector_need_not_be_square(shape: tuple[int, int]) -> None:
    true = Disc((27.3, 31.8), 17.0)
    pattern = mean_pattern(soft_disc(shape, true, 1.0), np.random.default_rng(0))
    assert max(errors(find_disc(pattern), true)) < 0.15


def test_a_wide_edge_and_a_background_do_not_shift_the_radius() -> None:
    true = Disc((46.2, 50.1), 25.0)
    pattern = 40 * soft_disc((96, 96), true, 4.0) + 4
    assert max(errors(find_disc(pattern), true)) < 0.05


def test_pixels_without_a_number_are_left_out() -> None:
    true = Disc((23.1, 24.4), 12.0)
    pattern = soft_disc((48, 48), true, 1.0)
    pattern[20:23, 20:28] = np.nan
    pattern[5, 5] = np.inf
    assert max(errors(find_disc(pattern), true)) < 0.05


def test_very_few_electrons_still_show_the_disc() -> None:
    true = Disc((120.0, 131.0), 60.0)
    pattern = np.random.default_rng(0).poisson(soft_disc((256, 256), true, 1.0) * 0.05).astype(np.float64)
    assert max(errors(find_disc(pattern), true)) < 2.0


NOTHING = {
    "empty": np.zeros((48, 48)),
    "negative": -np.ones((9, 9)),
    "not a number": np.full((9, 9), np.nan),
    "one pixel wide": np.ones((1, 50)),
    "evenly lit": np.full((64, 64), 5.0),
    "even noise": np.random.default_rng(0).poisson(3, (64, 64)),
    "sparse noise": np.random.default_rng(0).poisson(0.05, (64, 64)),
    "streak": np.where(np.abs(np.indices((64, 64))[0] - 30) < 3, 10.0, 0.0),
    "ramp": np.arange(4096.0).reshape(64, 64),
    "one hot pixel": np.pad(np.ones((1, 1)), ((30, 33), (30, 33))),
}


@pytest.mark.parametrize("name", NOTHING)
def test_no_disc_is_said_plainly(name: str) -> None:
    with pytest.raises(CalibrationError, match="no bright disc"):
        find_disc(NOTHING[name])


@pytest.mark.parametrize("counts_per_px", [0.003, 0.05, 0.5, 3.0])
@pytest.mark.parametrize("side", [48, 192])
def test_chance_is_not_taken_for_a_disc(side: int, counts_per_px: float) -> None:
    rng = np.random.default_rng(1)
    for _ in range(4):
        with pytest.raises(CalibrationError, match="no bright disc"):
            find_disc(rng.poisson(counts_per_px, (side, side)))


def test_a_mask_that_hides_everything_is_said_plainly() -> None:
    with pytest.raises(CalibrationError, match="no bright disc"):
        find_disc(np.ones((48, 48)), np.zeros((48, 48), np.bool_))


@given(
    hnp.arrays(
        np.float64,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=30),
        elements=st.floats(allow_nan=True, allow_infinity=True, width=32),
    )
)
@settings(max_examples=150, deadline=None)
def test_any_pattern_gives_a_disc_on_the_detector_or_a_calibration_error(pattern: NDArray[Any]) -> None:
    try:
        disc = find_disc(pattern)
    except CalibrationError:
        return
    assert np.isfinite([*disc.center_px, disc.radius_px]).all()
    assert disc.radius_px >= 1


@pytest.mark.skipif(not REFERENCE.is_file(), reason=f"the reference frames are not at {REFERENCE}")
def test_reference_graphene_disc() -> None:
    with np.load(REFERENCE) as data:
        frames, scale = data["frames"], float(data["mrad_per_px"])
    true = Disc((23.5, 23.5), 31 / scale)
    assert max(errors(find_disc(frames.mean(axis=(0, 1))), true)) < 0.1
    rng = np.random.default_rng(0)
    chosen = frames.reshape(-1, 48, 48)[rng.choice(len(frames), FRAMES)]
    found = [errors(find_disc(rng.poisson(chosen * ELECTRONS).mean(axis=0)), true) for _ in range(9)]
    assert np.median(found, axis=0).max() < 0.1
