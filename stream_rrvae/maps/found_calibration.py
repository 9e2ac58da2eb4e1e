"""What a scan's store shows of the scan's calibration, at any moment of the scan."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.calibration.descan import fit_descan
from stream_rrvae.calibration.pattern_fit import fit_pattern
from stream_rrvae.calibration.rotation import find_rotation
from stream_rrvae.errors import CalibrationError
from stream_rrvae.found import CalibrationFound, PatternFound, RotationFound
from stream_rrvae.maps.com_shift import descan_kind
from stream_rrvae.messages import Float32Array
from stream_rrvae.scan_store import ScanStore


def find_calibration(store: ScanStore, flip: bool | None = None) -> CalibrationFound:
    """Pattern, rotation and descan as far as `store` shows them; `flip` is what the site knows of it."""
    notes: list[str] = []
    return CalibrationFound(
        positions=int(np.count_nonzero(store.coverage)),
        pattern=_pattern(store, notes),
        rotation=_rotation(store, flip, notes),
        descan=fit_descan(store.com_y, store.com_x, store.shape.scan_shape, descan_kind(store) or "plane"),
        note="; ".join(notes),
    )


def scattering_image(store: ScanStore) -> Float32Array:
    """A map [n] that is bright where the specimen scatters: dark field, else what the bright field lacks."""
    dark = store.annular_dark_field
    return dark if np.nansum(dark) > 0 else -store.bright_field


def _pattern(store: ScanStore, notes: list[str]) -> PatternFound | None:
    latest = store.read_mean()
    if latest is None:
        notes.append("no mean pattern yet")
        return None
    frames, mean = latest
    try:
        return fit_pattern(mean, frames=frames)
    except CalibrationError as error:
        notes.append(str(error))
        return None


def _rotation(store: ScanStore, flip: bool | None, notes: list[str]) -> RotationFound | None:
    step = store.start.calibration.scan_step_nm or (1.0, 1.0)
    com_y, com_x, image = (_on_grid(store, part) for part in (store.com_y, store.com_x, scattering_image(store)))
    try:
        return find_rotation(com_y, com_x, image, step, flip)
    except CalibrationError as error:
        notes.append(f"no rotation: {error}")
        return None


def _on_grid(store: ScanStore, values: Float32Array) -> NDArray[np.float64]:
    return values.astype(np.float64).reshape(store.shape.scan_shape)
