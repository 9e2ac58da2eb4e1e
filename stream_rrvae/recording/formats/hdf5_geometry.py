"""Scales that HyperSpy's and py4DSTEM's files keep beside a dataset, as far as their units leave no doubt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np

_TO_NM = {"nm": 1.0, "A": 0.1, "Å": 0.1, "angstrom": 0.1, "pm": 1e-3, "um": 1e3, "µm": 1e3}
_TO_MRAD = {"mrad": 1.0, "rad": 1e3}


def geometry_beside(dataset: h5py.Dataset) -> dict[str, Any]:
    """Fields of a ScanStart: the calibration that lies beside `dataset`, empty where nothing is known."""
    calibration = _py4dstem(dataset) if dataset.ndim == 4 else {}
    calibration = calibration or (_hyperspy(dataset) if dataset.ndim == 4 else {})
    return {"calibration": calibration} if calibration else {}


def scales_of(axes: Sequence[tuple[Any, str]]) -> dict[str, Any]:
    """Fields of a Calibration from scale and unit of the axes (scan y, x, detector ky, kx)."""
    numbers = [(_number(scale), unit) for scale, unit in axes]
    steps = [_scaled(scale, unit, _TO_NM) for scale, unit in numbers[:2]]
    pixels = [_scaled(scale, unit, _TO_MRAD) for scale, unit in numbers[2:]]
    return _fields(steps, pixels)


def _hyperspy(dataset: h5py.Dataset) -> dict[str, Any]:
    axes = [dataset.parent.get(f"axis-{i}") for i in range(4)]
    if not all(isinstance(axis, h5py.Group) for axis in axes):
        return {}
    return scales_of([(axis.attrs.get("scale"), _text(axis.attrs.get("units"))) for axis in axes])


def _py4dstem(dataset: h5py.Dataset) -> dict[str, Any]:
    """EMD 1.0 by emdfile: metadatabundle/calibration in a group above."""
    group: Any = dataset.parent
    for _ in range(3):
        known = group.get("metadatabundle/calibration")
        if isinstance(known, h5py.Group):
            values = {
                name: known.get(name) for name in ("Q_pixel_size", "Q_pixel_units", "R_pixel_size", "R_pixel_units")
            }
            plain = {
                name: item[()] for name, item in values.items() if isinstance(item, h5py.Dataset) and item.size == 1
            }
            pixel = _scaled(_number(plain.get("Q_pixel_size")), _text(plain.get("Q_pixel_units")), _TO_MRAD)
            step = _scaled(_number(plain.get("R_pixel_size")), _text(plain.get("R_pixel_units")), _TO_NM)
            return _fields([step, step], [pixel, pixel])
        group = group.parent
    return {}


def _fields(steps: list[float | None], pixels: list[float | None]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if None not in steps:
        found["scan_step_nm"] = steps
    # One scale for both axes: a detector with unlike pixels is not described by one number.
    if pixels[0] is not None and pixels[1] is not None and math.isclose(pixels[0], pixels[1], rel_tol=1e-3):
        found["mrad_per_px"] = pixels[0]
    return found


def _scaled(value: float | None, unit: str, table: dict[str, float]) -> float | None:
    if value is None or unit not in table or not 0 < abs(value) < 1e9:
        return None
    return abs(value) * table[unit]


def _number(value: Any) -> float | None:
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(())[()]
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")
