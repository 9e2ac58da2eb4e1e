"""The simulator's optics against another code's patterns: shapes, units, signs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import pytest
from numpy.typing import NDArray

from detector_sim.crystal_frames import CrystalFrames
from detector_sim.frame_source import FrameSource
from detector_sim.geometry import Mounting, centred_grid
from detector_sim.optics import Optics
from detector_sim.patch_frames import PatchFrames
from detector_sim.specimen import SPECIMENS

GRID = centred_grid((48, 48), 51.2, (0.0, 0.0))
OPTICS = Optics(voltage_kv=60.0, semiangle_mrad=31.0)
GRAPHENE = SPECIMENS["graphene"]


class Reference(Protocol):
    frames: NDArray[np.float32]
    positions_angstrom: NDArray[np.float64]
    com_mrad: NDArray[np.float64]
    atoms_angstrom: NDArray[np.float64]


def crystal(mounting: Mounting) -> FrameSource:
    return CrystalFrames(GRAPHENE.crystal, OPTICS, mounting, GRID)


def patch(mounting: Mounting) -> FrameSource:
    return PatchFrames(GRAPHENE, OPTICS, mounting, GRID)


both_ways = pytest.mark.parametrize("source", [crystal, patch])
Source = Callable[[Mounting], FrameSource]


@both_ways
def test_every_frame_is_within_two_percent(source: Source, reference: Reference) -> None:
    frames = source(Mounting()).frames(reference.positions_angstrom)
    error = np.linalg.norm(frames - reference.frames, axis=(1, 2)) / np.linalg.norm(reference.frames, axis=(1, 2))
    assert error.max() <= 0.02


@both_ways
def test_com_is_within_two_hundredths_of_a_mrad(source: Source, reference: Reference) -> None:
    com = GRID.first_moment_px(source(Mounting()).frames(reference.positions_angstrom)) * GRID.mrad_per_px
    assert np.abs(com - reference.com_mrad).max() <= 0.02
    assert np.abs(com).max() == pytest.approx(0.77, abs=0.02)


@both_ways
@pytest.mark.parametrize(("rotation_rad", "flip"), [(0.4, False), (-2.0, True), (np.pi / 2, True)])
def test_turned_detector_gives_the_same_com_back_in_scan_axes(
    source: Source, reference: Reference, rotation_rad: float, flip: bool
) -> None:
    mounting = Mounting(rotation_rad, flip)
    some = slice(None, None, 7)
    com = mounting.to_scan(GRID.first_moment_px(source(mounting).frames(reference.positions_angstrom[some])))
    assert np.abs(com * GRID.mrad_per_px - reference.com_mrad[some]).max() <= 0.02
