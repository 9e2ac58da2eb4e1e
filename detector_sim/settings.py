"""Everything that a simulated acquisition depends on."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from detector_sim.detector import DetectorModel, detector_model
from detector_sim.geometry import Mounting, PixelGrid, centred_grid
from detector_sim.optics import Optics
from stream_rrvae.errors import ConfigError
from stream_rrvae.messages import Calibration, Encoding
from stream_rrvae.scan_path import RASTER, ScanPath

Pair = tuple[float, float]
ZERO: Pair = (0.0, 0.0)
ANNOUNCE = ("all", "shape", "nothing")


@dataclass(frozen=True, slots=True)
class SimulationSettings:
    """Units are in the names; pairs are (y, x) or (ky, kx). `dose_electrons` None = without noise."""

    specimen: str = "graphene"
    thickness_nm: float = 0.0  # structure files only; 0 = as in the file
    detector: DetectorModel = field(default_factory=lambda: detector_model("96x96:float32"))
    optics: Optics = field(default_factory=Optics)
    scan_shape: tuple[int, int] = (64, 64)  # as computed
    repeat: tuple[int, int] = (1, 1)  # (y, x): how often the computed scan is sent beside itself
    step_nm: Pair = (0.02, 0.02)
    max_angle_mrad: float = 51.2
    rotation_deg: float = 0.0
    flip: bool = False
    descan_px: Pair = ZERO
    drift_nm: Pair = ZERO
    beam_offset_px: Pair = ZERO
    dose_electrons: float | None = None
    dead_pixels: int = 0
    hot_pixels: int = 0
    nodata_pixels: int = 0
    path: ScanPath = RASTER  # which way the scan goes; its offset and `within` are set by `sub_scan`
    sub_scan: tuple[int, int, int, int] | None = None  # rows, columns, first row, first column: only these of it
    announce: str = "all"
    encoding: Encoding = Encoding.BSLZ4
    seed: int = 0

    @property
    def mounting(self) -> Mounting:
        """How the detector is turned against the scan."""
        return Mounting(math.radians(self.rotation_deg), self.flip)

    @property
    def grid(self) -> PixelGrid:
        """The detector's pixels in angles."""
        return centred_grid(self.detector.shape, self.max_angle_mrad, self.beam_offset_px)

    @property
    def disc_radius_px(self) -> float:
        """Radius of the bright-field disc."""
        return self.optics.semiangle_mrad / self.grid.mrad_per_px

    @property
    def calibration(self) -> Calibration:
        """The true geometry."""
        return Calibration(
            mrad_per_px=self.grid.mrad_per_px,
            semiangle_mrad=self.optics.semiangle_mrad,
            beam_center_px=self.grid.beam_center_px,
            disc_radius_px=self.disc_radius_px,
            scan_step_nm=self.step_nm,
            detector_rotation_rad=self.mounting.rotation_rad,
            detector_flip=self.flip,
            beam_energy_ev=self.optics.energy_ev,
        )


def sub_scan_path(settings: SimulationSettings) -> ScanPath:
    """Which way the scan goes, and where it lies in the whole one. Raises ValueError where that cannot be."""
    if settings.sub_scan is None:
        return settings.path
    rows, columns, y, x = settings.sub_scan
    path = replace(settings.path, offset=(y, x), within=settings.scan_shape)
    path.check((rows, columns))
    return path


def check_settings(settings: SimulationSettings) -> SimulationSettings:
    """`settings` if a simulation can be done with them. Raises ConfigError."""
    if not min(settings.optics.voltage_kv, settings.optics.semiangle_mrad, settings.max_angle_mrad) > 0:
        raise ConfigError("voltage, semi-angle and largest angle must be above 0")
    if min(*settings.step_nm, settings.optics.source_size_nm, settings.thickness_nm) < 0:
        raise ConfigError("scan step, source size and thickness cannot be negative")
    if settings.disc_radius_px < 1:
        raise ConfigError(
            f"the disc would have a radius of {settings.disc_radius_px:.2f} px: use a smaller largest angle"
        )
    try:
        settings.path.check(None)
        sub_scan_path(settings)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    if settings.announce not in ANNOUNCE:
        raise ConfigError(f"announce is one of {', '.join(ANNOUNCE)}, not {settings.announce!r}")
    return settings
