"""What symmetry and electrostatics ask of graphene's patterns."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from detector_sim.crystal_frames import CrystalFrames
from detector_sim.geometry import Mounting, centred_grid
from detector_sim.optics import Optics
from detector_sim.patch_frames import PatchFrames
from detector_sim.specimen import LATTICE_A, SPECIMENS

BOND = LATTICE_A / math.sqrt(3)
HOLLOW = np.array([[-BOND, 0.0]])  # opposite the motif's second atom
GRID = centred_grid((64, 64), 51.2, (0.0, 0.0))
GRAPHENE = SPECIMENS["graphene"]
Float = NDArray[np.float64]
STRAIGHT = Mounting()


@cache
def source(optics: Optics, mounting: Mounting) -> CrystalFrames:
    return CrystalFrames(GRAPHENE.crystal, optics, mounting, GRID)


def frames(positions: Float, mounting: Mounting = STRAIGHT, **optics: float) -> NDArray[np.float32]:
    return source(Optics(**optics), mounting).frames(positions)


def com_mrad(positions: Float, mounting: Mounting = STRAIGHT, **optics: float) -> Float:
    return GRID.first_moment_px(frames(positions, mounting, **optics)) * GRID.mrad_per_px


def test_the_beam_arrives_nearly_whole() -> None:
    assert frames(HOLLOW).sum() == pytest.approx(1.0, abs=0.005)


@pytest.mark.parametrize("direction_deg", range(0, 360, 40))
def test_com_points_towards_the_nearest_atom(direction_deg: float) -> None:
    away = 0.3 * np.array([[math.sin(math.radians(direction_deg)), math.cos(math.radians(direction_deg))]])
    com = com_mrad(away)[0]
    angle = math.atan2(com[0], com[1]) - math.radians(direction_deg + 180.0)
    assert abs(math.remainder(angle, 2 * math.pi)) < math.radians(12.0)
    assert 0.2 < np.hypot(*com) < 0.8


@pytest.mark.parametrize("place", [HOLLOW, np.zeros((1, 2))], ids=["hollow", "atom"])
def test_com_vanishes_at_points_of_high_symmetry(place: Float) -> None:
    assert np.abs(com_mrad(place)).max() < 1e-3


@pytest.mark.parametrize(
    ("place", "turn_deg", "same"),
    [(HOLLOW, 60, True), (HOLLOW, 30, False), (np.zeros((1, 2)), 120, True), (np.zeros((1, 2)), 60, False)],
    ids=["hollow six-fold", "hollow not twelve-fold", "atom three-fold", "atom not six-fold"],
)
def test_pattern_symmetry(place: Float, turn_deg: float, same: bool) -> None:
    turned = Mounting(math.radians(turn_deg))
    first, second = frames(place, defocus_nm=8.0)[0], frames(place, turned, defocus_nm=8.0)[0]
    difference = np.linalg.norm(first - second) / np.linalg.norm(first)
    assert difference < 1e-5 if same else difference > 0.02


@pytest.mark.parametrize("rotation_deg", [0.0, 25.0, -110.0])
@pytest.mark.parametrize("flip", [False, True])
def test_a_scan_vector_appears_on_the_detector_as_the_convention_says(rotation_deg: float, flip: bool) -> None:
    places = np.array([[0.3, 0.1], [-0.2, 0.5], [0.9, -0.4]])
    rotation = math.radians(rotation_deg)
    scan_y, scan_x = com_mrad(places).T
    mirrored_y = -scan_y if flip else scan_y
    expected_x = math.cos(rotation) * scan_x - math.sin(rotation) * mirrored_y
    expected_y = math.sin(rotation) * scan_x + math.cos(rotation) * mirrored_y
    seen = com_mrad(places, Mounting(rotation, flip))
    assert np.abs(seen - np.stack([expected_y, expected_x], -1)).max() < 3e-3


@pytest.mark.parametrize("optics", [{"defocus_nm": 6.0}, {"source_size_nm": 0.06}, {"voltage_kv": 200.0}])
def test_both_ways_to_compute_agree(optics: dict[str, float]) -> None:
    places = np.random.default_rng(1).uniform(-2.0, 2.0, (6, 2))
    mounting, grid = Mounting(0.7, True), centred_grid((40, 52), 51.2, (0.6, -1.3))
    exact = CrystalFrames(GRAPHENE.crystal, Optics(**optics), mounting, grid, 2.0)
    general = PatchFrames(GRAPHENE, Optics(**optics), mounting, grid, 2.0)
    shifts = np.tile([[0.7, -1.6]], (6, 1))
    one, other = exact.frames(places, shifts), general.frames(places, shifts)
    assert np.linalg.norm(one - other) < 0.025 * np.linalg.norm(one)
    assert np.abs(grid.first_moment_px(one) - grid.first_moment_px(other)).max() * grid.mrad_per_px < 0.02


def test_a_larger_source_weakens_the_deflection() -> None:
    place = np.array([[0.35, 0.0]])
    strength = [np.hypot(*com_mrad(place, source_size_nm=size)[0]) for size in (0.0, 0.08, 0.16)]
    assert strength[0] > 1.1 * strength[1] > 1.2 * strength[2]


def test_a_shift_moves_the_pattern_and_nothing_else() -> None:
    place = np.array([[0.2, 0.4]] * 2)
    movable = CrystalFrames(GRAPHENE.crystal, Optics(semiangle_mrad=15.0), Mounting(), GRID, 3.0)
    still, moved = movable.frames(place, np.array([[0.0, 0.0], [2.0, -3.0]]))
    assert moved[2:, :-3] == pytest.approx(still[:-2, 3:], abs=1e-6)
