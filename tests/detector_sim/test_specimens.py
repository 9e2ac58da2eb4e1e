"""Where atoms lie, and what defects and walls do to the diffraction."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from detector_sim.geometry import Mounting, centred_grid
from detector_sim.optics import Optics
from detector_sim.patch_frames import PatchFrames
from detector_sim.specimen import LATTICE_A, SPECIMENS, named_specimen
from stream_rrvae.errors import ConfigError

BOND = LATTICE_A / math.sqrt(3)
GRID = centred_grid((48, 48), 51.2, (0.0, 0.0))
FAR = np.array([[17.0, -9.0]])


def com_mrad(name: str, places: np.ndarray) -> np.ndarray:
    frames = PatchFrames(SPECIMENS[name], Optics(), Mounting(), GRID).frames(places)
    return GRID.first_moment_px(frames) * GRID.mrad_per_px


def test_graphene_has_its_density_and_bonds() -> None:
    atoms = SPECIMENS["graphene"].atoms_within(np.array([3.0, 40.0]), 20.0)["C"]
    assert len(atoms) / (math.pi * 20.0**2) == pytest.approx(2 / (LATTICE_A**2 * math.sqrt(3) / 2), rel=0.02)
    assert pdist(atoms).min() == pytest.approx(BOND)


def test_vacancy_and_silicon_change_one_atom() -> None:
    whole, vacancy, silicon = (
        SPECIMENS[name].atoms_within(np.zeros(2), 10.0) for name in ("graphene", "graphene-vacancy", "graphene-silicon")
    )
    assert len(vacancy["C"]) == len(silicon["C"]) == len(whole["C"]) - 1
    assert silicon["Si"] == pytest.approx(np.zeros((1, 2)))
    assert np.linalg.norm(vacancy["C"], axis=1).min() == pytest.approx(BOND)


def test_no_atom_of_the_wall_is_lost_or_doubled() -> None:
    whole, wall = (SPECIMENS[name].atoms_within(np.zeros(2), 25.0)["C"] for name in ("graphene", "graphene-wall"))
    assert len(wall) == pytest.approx(len(whole), rel=0.02)
    assert 0.9 * BOND < pdist(wall).min() < BOND


def test_domains_beside_the_wall_are_turned_against_each_other() -> None:
    rotation = SPECIMENS["graphene-wall"].rotation_rad(np.array([[0.0, -15.0], [3.0, 0.0], [0.0, 15.0]]))
    assert rotation == pytest.approx([-math.atan(0.06), 0.0, math.atan(0.06)], abs=1e-4)


def test_far_from_a_point_defect_the_sheet_is_whole() -> None:
    whole = com_mrad("graphene", FAR)
    for name in ("graphene-vacancy", "graphene-silicon"):
        assert np.abs(com_mrad(name, FAR) - whole).max() < 0.01


def test_a_vacancy_no_longer_attracts_and_silicon_attracts_more() -> None:
    beside = np.array([[-0.5, 0.0]])
    towards = {name: com_mrad(name, beside)[0, 0] for name in SPECIMENS if name != "graphene-wall"}
    assert towards["graphene-vacancy"] < 0.0 < towards["graphene"] < towards["graphene-silicon"]


@pytest.mark.parametrize("mounting", [Mounting(), Mounting(1.0, True)])
def test_patterns_do_not_depend_on_the_tile_they_were_computed_in(mounting: Mounting) -> None:
    # 6.5 is the border between two tiles; the sheet repeats after three lattice vectors.
    places = np.array(
        [[0.3, 6.5 - 0.01], [0.3, 6.5 - 0.01 - 3 * LATTICE_A], [0.3, 6.5 + 0.01], [0.3, 6.51 - 3 * LATTICE_A]]
    )
    frames = PatchFrames(SPECIMENS["graphene"], Optics(), mounting, GRID).frames(places)
    com = GRID.first_moment_px(frames) * GRID.mrad_per_px
    assert np.abs(com[::2] - com[1::2]).max() < 5e-3


def test_unknown_specimen_is_a_usage_error() -> None:
    with pytest.raises(ConfigError, match="graphene-vacancy"):
        named_specimen("graphite")
