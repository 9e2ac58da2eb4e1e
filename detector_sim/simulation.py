"""One simulated scan: its announcement, its frames block by block, its truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector_sim.counting import choose_bad_pixels, counter_for
from detector_sim.crystal_frames import CrystalFrames
from detector_sim.frame_source import FrameSource
from detector_sim.patch_frames import PatchFrames
from detector_sim.repeated import repeated_map
from detector_sim.scan_plan import part_of, plan_scan
from detector_sim.settings import SimulationSettings, check_settings, sub_scan_path
from detector_sim.specimen import SPECIMENS, named_specimen
from detector_sim.truth import ScanTruth
from stream_rrvae.messages import Calibration, Plain, ScanStart
from stream_rrvae.scan_path import RASTER

Float = NDArray[np.float64]
BLOCK = 64  # positions computed at once


@dataclass(frozen=True, slots=True)
class Block:
    """Frames [n, ky, kx] as counted, from position `first` on."""

    first: int
    frames: NDArray[Any]


class Simulation:
    """Computes the scan that `settings` describe. Raises ConfigError for what cannot be simulated."""

    def __init__(self, settings: SimulationSettings) -> None:
        self.settings = check_settings(settings)
        plan = plan_scan(settings.scan_shape, settings.step_nm, settings.drift_nm, settings.descan_px)
        self.plan = plan if settings.sub_scan is None else part_of(plan, settings.sub_scan)
        self.path = sub_scan_path(settings)
        self._rng = np.random.default_rng([settings.seed, 0])
        shape = settings.detector.shape
        bad = choose_bad_pixels(
            shape,
            settings.dead_pixels,
            settings.hot_pixels,
            settings.nodata_pixels,
            np.random.default_rng([settings.seed, 1]),
        )
        self._usable = bad.usable(shape)
        self._counter = counter_for(settings.detector, settings.dose_electrons, settings.disc_radius_px, bad)
        self._source = frame_source(settings, self.plan.max_shift_px)
        self._com_px = np.full((self.plan.count, 2), np.nan)

    @property
    def scan_shape(self) -> tuple[int, int]:
        """Of the scan that is sent (y, x)."""
        rows, columns = self.plan.shape
        return rows * self.settings.repeat[0], columns * self.settings.repeat[1]

    @property
    def count(self) -> int:
        """Frames of the scan that is sent."""
        return self.path.frames_due(self.scan_shape)

    def blocks(self) -> Iterator[Block]:
        """The computed scan in order; the truth is complete when all of it has been taken."""
        grid = self.settings.grid
        shifted = self.plan.max_shift_px > 0
        for first in range(0, self.plan.count, BLOCK):
            part = slice(first, first + BLOCK)
            ideal = self._source.frames(
                self.plan.positions_angstrom[part], self.plan.shifts_px[part] if shifted else None
            )
            self._com_px[part] = grid.first_moment_px(ideal)
            yield Block(first, self._counter.count(ideal, self._rng))

    def start(self, series: int, scan_id: str) -> ScanStart:
        """The announcement; `settings.announce` says how much of it is told."""
        settings = self.settings
        told = settings.announce
        return ScanStart(
            scan_id=scan_id,
            series=series,
            frame_shape=settings.detector.shape,
            pixel_type=settings.detector.pixel_type,
            frames_expected=self.count,
            scan_shape=self.scan_shape if told != "nothing" else None,
            saturation=settings.detector.saturation,
            channels=("threshold_1",),
            calibration=settings.calibration if told == "all" else Calibration(),
            pixel_mask=self._usable,
            path=self.path if told != "nothing" else RASTER,
            metadata=self._described() if told == "all" else {},
        )

    def truth(self) -> ScanTruth:
        """What a service should find."""
        settings, shape = self.settings, self.plan.shape
        specimen = SPECIMENS.get(settings.specimen)
        com = settings.mounting.to_scan(self._com_px - self.plan.shifts_px) * settings.grid.mrad_per_px
        positions = self.plan.positions_angstrom.reshape(*shape, 2)
        defects = specimen.defects if specimen else ()
        return ScanTruth(
            specimen=settings.specimen,
            calibration=settings.calibration,
            positions_nm=self._sent(positions / 10.0),
            com_mrad=self._sent(com.reshape(*shape, 2)),
            com_detector_px=self._sent(self._com_px.reshape(*shape, 2)),
            com_direction_rad=self._sent(np.arctan2(com[:, 0], com[:, 1]).reshape(shape)),
            orientation_rad=self._sent(specimen.rotation_rad(positions) if specimen else np.full(shape, np.nan)),
            defects_nm=np.array([place[1:] for place in defects]).reshape(-1, 2) / 10.0,
            defect_kinds=tuple(place[0] for place in defects),
            settings=self._described(),
        )

    def _sent(self, computed: Float) -> Float:
        return repeated_map(computed, self.settings.repeat)

    def _described(self) -> dict[str, Plain]:
        settings = self.settings
        return {
            "simulator": "detector_sim",
            "specimen": settings.specimen,
            "detector_model": settings.detector.name,
            "dose_electrons": settings.dose_electrons,
            "voltage_kv": settings.optics.voltage_kv,
            "semiangle_mrad": settings.optics.semiangle_mrad,
            "defocus_nm": settings.optics.defocus_nm,
            "source_size_nm": settings.optics.source_size_nm,
            "drift_nm": list(settings.drift_nm),
            "descan_px": list(settings.descan_px),
            "seed": settings.seed,
        }


def frame_source(settings: SimulationSettings, max_shift_px: float) -> FrameSource:
    """The quickest exact way to compute the specimen. Raises ConfigError."""
    place = (settings.optics, settings.mounting, settings.grid, max_shift_px)
    path = Path(settings.specimen)
    if settings.specimen not in SPECIMENS and (path.suffix or path.exists()):
        from detector_sim.structure_frames import StructureFrames

        return StructureFrames(path, settings.thickness_nm, *place[:3])
    specimen = named_specimen(settings.specimen)
    if specimen.periodic:
        return CrystalFrames(specimen.crystal, *place)
    return PatchFrames(specimen, *place)
