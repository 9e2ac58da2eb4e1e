"""What the scan adds to a frame: much on a lattice, nothing on shuffled positions, and defects stay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_rrvae.config import LearnSettings
from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.messages import Float32Array
from stream_rrvae.rrvae.context import with_context
from stream_rrvae.rrvae.leading import center_of_mass
from stream_rrvae.rrvae.preparation import Prepared
from stream_rrvae.rrvae.session import Session
from stream_rrvae.scan_store import ScanStore

BASIS = BasisSpec()
SHAPE = (64, 64)
DEFECT = (32, 30)
RADIUS_PX = 5
SIGNAL = 1.0  # rms of each component of the COM, in noise units: hardly more than the noise


def lattice() -> NDArray[np.float64]:
    """The field [n, 2] of a hexagonal lattice that does not fit into the scan a whole number of times."""
    y, x = np.indices(SHAPE)
    field = np.zeros((*SHAPE, 2))
    for angle in np.radians([10.0, 70.0, 130.0]):
        wave = np.array([np.sin(angle), np.cos(angle)])
        field += np.sin(2 * np.pi * (wave[0] * y + wave[1] * x) / 11.3)[..., None] * wave
    return np.asarray((field * SIGNAL / field.std()).reshape(-1, 2))


def near() -> NDArray[np.bool_]:
    y, x = np.indices(SHAPE)
    return np.asarray(np.hypot(y - DEFECT[0], x - DEFECT[1]).ravel() < RADIUS_PX)


def frames(field: NDArray[np.float64], seed: int = 0) -> Prepared:
    lead = center_of_mass(BASIS)
    x = field[:, 1:] * lead.real - field[:, :1] * lead.imaginary
    noisy = x + np.random.default_rng(seed).normal(size=x.shape)
    return Prepared(noisy.astype(np.float32), np.arange(len(x)), 1.0)


def com(x: Float32Array) -> NDArray[np.float64]:
    lead = center_of_mass(BASIS)
    return np.stack([-(x @ lead.imaginary), x @ lead.real], axis=1)


def error(x: Float32Array, truth: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.square(com(x) - truth).sum(axis=1).mean()))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_lattice_is_worth_many_frames(seed: int) -> None:
    field = lattice()
    data = frames(field, seed)
    found = with_context(data, SHAPE, BASIS)
    assert found.used and found.gain_nats > 0.5 * SIGNAL**2
    assert error(found.data.x / np.sqrt(found.dose_gain), field) < 0.45 * error(data.x, field)


@pytest.mark.parametrize("seed", range(5))
def test_shuffled_positions_leave_every_frame_alone(seed: int) -> None:
    shuffled = np.random.default_rng(seed).permutation(lattice())
    data = frames(shuffled, seed)
    found = with_context(data, SHAPE, BASIS)
    assert not found.used and found.data is data
    assert "alone" in found.said()


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("kind", ["vacancy", "foreign atom"])
def test_a_defect_keeps_its_own_signal(kind: str, seed: int) -> None:
    field, at = lattice(), near()
    pure = frames(field, seed)
    field[at] *= -1.0 if kind == "vacancy" else 2.5
    data = frames(field, seed)
    found = with_context(data, SHAPE, BASIS)
    x = found.data.x / np.sqrt(found.dose_gain)
    averaged = with_context(pure, SHAPE, BASIS)
    without = averaged.data.x / np.sqrt(averaged.dose_gain)
    assert found.deviating > 0.5 * at.mean()
    assert error(x[at], field[at]) < 0.8 * error(without[at], field[at])
    assert error(x[at], field[at]) < 1.1 * error(data.x[at], field[at])  # the defect's sharp rim is smoothed


def test_one_deviating_frame_keeps_what_it_says() -> None:
    field = lattice()
    field[2000] = (9.0, -9.0)
    data = frames(field)
    found = with_context(data, SHAPE, BASIS)
    x = found.data.x[2000:2001] / np.sqrt(found.dose_gain)
    assert error(x, field[2000:2001]) < 0.3 * float(np.hypot(*field[2000]))


def test_missing_positions_are_no_obstacle() -> None:
    field = lattice()
    data = frames(field)
    kept = np.random.default_rng(9).random(len(field)) < 0.7
    part = Prepared(data.x[kept], data.positions[kept], 1.0)
    found = with_context(part, SHAPE, BASIS)
    assert found.used and len(found.data.x) == kept.sum()


def test_noise_gives_no_context() -> None:
    assert not any(with_context(frames(0.0 * lattice(), seed), SHAPE, BASIS).used for seed in range(10))


def test_data_without_noise_or_of_few_frames_is_left_as_it_is() -> None:
    data = frames(lattice())
    for untouched in (replace(data, noise_variance=0.0), Prepared(data.x[:100], data.positions[:100], 1.0)):
        assert with_context(untouched, SHAPE, BASIS).data is untouched


def test_maps_say_whether_context_was_used(
    scan_store: Callable[..., ScanStore], fill: Callable[[ScanStore, int], None], end: Callable[[ScanStore], Any]
) -> None:
    store = scan_store("uint16")
    fill(store, 400)
    end(store)
    session = Session(store, LearnSettings(budget_s=0.3, round_s=0.1, context="scan"), None)
    while session.step() is not None:
        pass
    status = store.read_status()
    assert status.state == "ready"
    assert status.quality["context_used"] == 0.0  # the positions of this scan are in no order
    assert "alone" in status.detail
