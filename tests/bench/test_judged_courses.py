from __future__ import annotations

import math

import numpy as np
import pytest

from stream_rrvae.bench.course import Course, Figures, joint_correlation, judged, median_figures
from stream_rrvae.bench.rows import Row
from stream_rrvae.bench.rrvae import MEASURES, OURS, Standing, rows_of, table

N = 500


def circle() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """COM [n, 2], its magnitude and its direction."""
    rng = np.random.default_rng(0)
    magnitude, direction = rng.uniform(0.2, 1.0, N), rng.uniform(-np.pi, np.pi, N)
    return np.stack([magnitude * np.sin(direction), magnitude * np.cos(direction)], 1), magnitude, direction


def test_the_best_latent_counts_and_sense_and_offset_do_not() -> None:
    com, magnitude, direction = circle()
    noise = np.random.default_rng(1).normal(size=N)
    blind, seeing = np.stack([noise, 0 * noise], 1), np.stack([noise, 2 - 3 * magnitude], 1)
    course = Course(
        np.array([1.0, 2.0]),
        np.array([100.0, 300.0]),
        np.stack([noise, 0.7 - direction]),
        np.stack([blind, seeing]),
        5.0,
        4.0,
    )
    figures = judged(course, com)
    assert figures.train_fps == 150
    assert figures.good_after_s == 2.0
    assert figures.correlation == pytest.approx(1.0)
    assert max(figures.angle_deg, figures.angle_mod120_deg, figures.angle_mod180_deg) < 1e-6


def test_a_third_of_a_turn_is_forgiven_modulo_120_only() -> None:
    com, magnitude, direction = circle()
    turned = direction + 2 * np.pi / 3 * np.random.default_rng(2).integers(0, 3, N)
    figures = judged(Course(np.ones(1), np.zeros(1), turned[None], magnitude[None, :, None], 1.0, 1.0), com)
    assert figures.angle_mod120_deg < 1e-6
    assert figures.angle_deg > 20
    assert math.isnan(figures.train_fps)  # nothing was trained


def test_mixed_latents_correlate_together_though_neither_does_alone() -> None:
    com, magnitude, _ = circle()
    other = np.random.default_rng(3).normal(size=N)
    latents = np.stack([magnitude + other, magnitude - other], 1)
    figures = judged(Course(np.ones(1), np.ones(1), np.zeros((1, N)), latents[None], 1.0, 1.0), com)
    assert figures.correlation < 0.5
    assert figures.joint_correlation == pytest.approx(1.0)
    assert joint_correlation(np.zeros((N, 2)), magnitude) < 1e-6


def test_a_median_of_mostly_failures_is_a_failure() -> None:
    runs = [Figures(1.0, after, 0.5, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0) for after in (3.0, math.nan, math.nan)]
    assert math.isnan(median_figures(runs).good_after_s)
    assert median_figures(runs[:1]).good_after_s == 3.0


def test_ours_is_compared_with_the_best_peer_and_all_others_with_ours() -> None:
    ours = Figures(1000.0, 2.0, 0.998, 0.999, 0.5, 0.5, 0.5, 1e4, 1e4)
    peer = Figures(100.0, math.nan, 0.9, 0.95, 5.0, 4.0, 5.0, 1e5, 1e5)
    worse = Figures(200.0, math.nan, 0.1, 0.2, 80.0, 30.0, 40.0, 1e5, 1e5)
    standings = [
        Standing(OURS, ours),
        Standing("AtomAI rVAE, tuned", peer),
        Standing("AtomAI rVAE, as documented", worse),
        Standing("pyroVED iVAE, tuned", None, "not installed: pip install"),
    ]
    rows = {row.name: row for row in rows_of(standings)}
    assert len(rows) == len(standings) * len(MEASURES)
    assert rows[f"{OURS}: training"].reference == "AtomAI rVAE, as documented"
    assert rows[f"{OURS}: training"].ratio == pytest.approx(5.0)
    assert rows[f"{OURS}: angle error"].reference == "AtomAI rVAE, tuned"
    never = rows[f"{OURS}: time to |r| >= 0.99"]
    assert (never.value, never.reference, never.ratio) == (2.0, None, None)
    assert rows["AtomAI rVAE, tuned: angle error"].ratio == pytest.approx(10.0)
    assert rows["pyroVED iVAE, tuned: training"].value is None
    lines = table(standings)
    assert any("not installed" in line for line in lines)
    assert "never" in next(line for line in lines if line.startswith("AtomAI rVAE, tuned"))


def test_a_row_without_a_reference_has_no_ratio() -> None:
    assert Row("a", 1.0, "s").ratio is None
    assert Row("a", None, "s", "b", 2.0).ratio is None
    assert Row("a", 1.0, "s", "b", 0.0).ratio is None
