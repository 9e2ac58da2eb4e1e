"""What a DECTRIS file says of detector and beam, the same in both its forms."""

from __future__ import annotations

import math
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from stream_rrvae.messages import BoolArray
from stream_rrvae.recording.formats.hdf5_values import number_at, text_at, usable_at

DETECTOR = "/entry/instrument/detector"
SPECIFIC = f"{DETECTOR}/detectorSpecific"
# What a detector pixel can span behind a STEM's lenses; a distance nobody set gives something else.
MRAD_PER_PX = (1e-3, 50.0)
_KEPT = ("description", "detector_number", "serial_number", "sensor_material", "type")


def start_fields(file: h5py.File) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Fields of a ScanStart, and what to tell the user of them."""
    scale, notes = _mrad_per_px(file)
    calibration = {
        "mrad_per_px": scale,
        "beam_center_px": _beam_center(file),
        "beam_energy_ev": _positive(
            number_at(file, "/entry/instrument/beam/incident_energy", f"{SPECIFIC}/incident_energy")
        ),
    }
    about = {name: text for name in _KEPT if (text := text_at(file, f"{DETECTOR}/{name}"))}
    fields = {
        "calibration": {name: value for name, value in calibration.items() if value is not None},
        "saturation": _positive(number_at(file, f"{DETECTOR}/saturation_value", f"{SPECIFIC}/saturation_value")),
        "metadata": {"detector": about} if about else {},
    }
    return fields, notes


def usable(file: h5py.File, frame_shape: tuple[int, int], channel: str | None = None) -> BoolArray | None:
    """The pixel mask [ky, kx] of `channel`, True = usable; None when there is none."""
    of_channel = [f"{DETECTOR}/{channel}_channel/pixel_mask"] if channel else []
    return usable_at(file, frame_shape, *of_channel, f"{DETECTOR}/pixel_mask", f"{SPECIFIC}/pixel_mask")


def relative_times_s(file: h5py.File, numbers: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """When the images `numbers` were taken, from the first on; None where the time of a frame is not known."""
    frame_time_s = _positive(number_at(file, f"{DETECTOR}/frame_time", f"{SPECIFIC}/frame_time"))
    return None if frame_time_s is None else numbers * np.float64(frame_time_s)


def _beam_center(file: h5py.File) -> list[float] | None:
    ky, kx = (number_at(file, f"{DETECTOR}/beam_center_{axis}") for axis in "yx")
    # The detector's own default is (0, 0): it was never set.
    return None if ky is None or kx is None or ky == kx == 0.0 else [ky, kx]


def _mrad_per_px(file: h5py.File) -> tuple[float | None, tuple[str, ...]]:
    distance_m = number_at(file, f"{DETECTOR}/distance", f"{DETECTOR}/detector_distance")
    along_x, along_y = (number_at(file, f"{DETECTOR}/{axis}_pixel_size") for axis in "xy")
    if not distance_m or distance_m <= 0 or not along_x or not along_y or along_x != along_y:
        return None, ()
    scale = math.atan2(along_x, distance_m) * 1e3
    if not MRAD_PER_PX[0] <= scale <= MRAD_PER_PX[1]:
        return None, ()
    told = f"{scale:.4g} mrad per pixel, from the file's detector distance of {distance_m:.4g} m"
    return scale, (f"{told}: say --mrad-per-px where that was not set to the camera length",)


def _positive(value: float | None) -> float | None:
    return value if value is not None and value > 0 else None
