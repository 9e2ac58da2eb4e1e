"""Counts: Poisson in both ways of drawing, saturation, bad pixels, no noise."""

from __future__ import annotations

import math

import numpy as np
import pytest

from detector_sim.counting import BadPixels, Counter, choose_bad_pixels, counter_for
from detector_sim.detector import detector_model
from stream_rrvae.errors import ConfigError

RNG = np.random.default_rng(7)
NONE_BAD = choose_bad_pixels((8, 8), 0, 0, 0, RNG)
PATTERN = (np.arange(64, dtype=np.float32).reshape(8, 8) / 2100.0) * 0.98


def counter(text: str, electrons: float | None, bad: BadPixels = NONE_BAD) -> Counter:
    return counter_for(detector_model(text), electrons, 2.0, bad)


@pytest.mark.parametrize("electrons", [4.0, 400.0], ids=["electron by electron", "pixel by pixel"])
def test_counts_follow_poisson(electrons: float) -> None:
    frames = np.repeat(PATTERN[None], 20_000, axis=0)
    counts = counter("8x8:uint16", electrons).count(frames, np.random.default_rng(3)).astype(np.float64)
    expected = PATTERN.astype(np.float64) * electrons
    error = np.sqrt(expected / len(frames)) + 1e-12
    assert np.abs((counts.mean(0) - expected) / error).max() < 5
    lit = expected > 0.02
    assert counts.var(0)[lit] / expected[lit] == pytest.approx(np.ones(lit.sum()), abs=0.15)
    total = counts.sum((1, 2))
    assert total.var() / total.mean() == pytest.approx(1.0, abs=0.05)


def test_same_seed_same_counts() -> None:
    first, second = (counter("8x8:uint16", 50.0).count(PATTERN[None], np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("pixel_type", ["uint8", "uint16"])
def test_saturated_pixels_stay_below_no_data(pixel_type: str) -> None:
    counts = counter(f"8x8:{pixel_type}", 1e8).count(PATTERN[None], RNG)
    assert counts.dtype == pixel_type
    assert counts.max() == np.iinfo(pixel_type).max - 1


@pytest.mark.parametrize("pixel_type", ["uint8", "uint16", "uint32"])
def test_without_noise_whole_numbers_keep_the_pattern(pixel_type: str) -> None:
    even = np.zeros((1, 8, 8), np.float32)
    even[0, 2:6, 2:6] = 1 / (math.pi * 2.0**2)
    counts = counter(f"8x8:{pixel_type}", None).count(even, RNG)
    assert counts.max() == pytest.approx(min(np.iinfo(pixel_type).max / 2, 2**15), rel=0.01)
    assert set(np.unique(counts)) == {0, counts.max()}


def test_without_noise_floats_are_parts_of_the_beam() -> None:
    assert np.array_equal(counter("8x8:float32", None).count(PATTERN[None], RNG)[0], PATTERN)


@pytest.mark.parametrize("text", ["8x8:uint16", "8x8:float32"])
def test_bad_pixels_are_what_they_are_called_and_masked(text: str) -> None:
    bad = choose_bad_pixels((8, 8), 3, 2, 4, np.random.default_rng(1))
    counts = counter(text, 1000.0, bad).count(np.full((2, 8, 8), 1 / 64, np.float32), RNG).reshape(2, -1)
    assert (counts[:, bad.dead] == 0).all()
    nothing = counts[:, bad.no_data]
    if text.endswith("uint16"):
        assert (counts[:, bad.hot] == 65534).all()
        assert (nothing == 65535).all()
    else:
        assert np.isnan(nothing).all()
    usable = bad.usable((8, 8))
    assert usable is not None
    assert (~usable).sum() == 9
    assert (~usable).reshape(-1)[bad.dead].all()


def test_too_many_bad_pixels_are_refused() -> None:
    with pytest.raises(ConfigError, match="bad pixels"):
        choose_bad_pixels((4, 4), 10, 3, 3, RNG)


@pytest.mark.parametrize("text", ["arena", "192x192", "192x192:int16", "1x5:uint8", "99999x4:uint8"])
def test_unknown_detectors_are_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        detector_model(text)


@pytest.mark.parametrize(
    ("text", "shape", "pixel_type"),
    [("arina", (192, 192), "uint16"), ("quadro", (512, 512), "uint16"), ("merlin", (256, 256), "uint16"),
     ("empad", (128, 128), "float32"), ("64x96:uint8", (64, 96), "uint8")],
)  # fmt: skip
def test_detectors(text: str, shape: tuple[int, int], pixel_type: str) -> None:
    model = detector_model(text)
    assert (model.shape, model.pixel_type) == (shape, pixel_type)
