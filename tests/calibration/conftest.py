"""Simulated scans of graphene, without noise, and what a service measures on them with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from detector_sim.detector import detector_model
from detector_sim.settings import SimulationSettings
from detector_sim.simulation import Simulation
from detector_sim.truth import ScanTruth

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """COM in px from the beam centre, detector axes, and dark field; each [y, x]."""

    com_y: Float
    com_x: Float
    dark_field: Float


@dataclass(frozen=True)
class Simulated:
    """Parts of the beam in every pixel [n, ky, kx], and the truth."""

    frames: NDArray[np.float32]
    settings: SimulationSettings
    truth: ScanTruth
    shifts_px: Float  # [n, 2] (ky, kx): the descan

    def moments(self, electrons: float, seed: int) -> Moments:
        """As measured with so many electrons a frame."""
        counts = np.random.default_rng(seed).poisson(self.frames * electrons).astype(np.float32)
        center, radius = self.settings.grid.beam_center_px, self.settings.disc_radius_px
        ky, kx = (axis - at for axis, at in zip(np.indices(counts.shape[1:]), center, strict=True))
        looks = np.stack([np.ones_like(ky), ky, kx, np.hypot(ky, kx) > 1.05 * radius], axis=-1).reshape(-1, 4)
        total, at_y, at_x, dark = (counts.reshape(len(counts), -1) @ looks.astype(np.float32)).astype(np.float64).T
        shape = self.settings.scan_shape
        return Moments((at_y / total).reshape(shape), (at_x / total).reshape(shape), dark.reshape(shape))


SimulatedScan = Callable[..., Simulated]


@pytest.fixture(scope="session")
def simulated() -> SimulatedScan:
    """Makes scans by the simulator's own settings; the same one only once."""

    @cache
    def make(detector: str = "32x32:float32", **options: Any) -> Simulated:
        settings = SimulationSettings(detector=detector_model(detector), **options)
        simulation = Simulation(settings)
        frames = np.concatenate([block.frames for block in simulation.blocks()])
        return Simulated(frames, settings, simulation.truth(), simulation.plan.shifts_px)

    return make
