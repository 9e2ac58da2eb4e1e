"""What was measured and learnt at every position of a scan, in the axes and units that maps are shown in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from stream_rrvae.calibration.geometry import to_scan_axes
from stream_rrvae.detectors.laid_out import DETECTORS
from stream_rrvae.found import DescanFound
from stream_rrvae.maps.com_shift import EVERYWHERE, com_shift
from stream_rrvae.messages import Calibration, Float32Array
from stream_rrvae.scan_store import LearnerMaps, ScanStore


@dataclass(frozen=True, slots=True)
class PositionValues:
    """Row-major [n] values; NaN = not measured.

    Vectors are in `axes`: "scan" once the detector rotation is known, else "detector".
    `com_unit` is "mrad" once the scale is known, else "px". Latents are [n_latents, n].
    """

    scan_shape: tuple[int, int]
    calibration: Calibration
    axes: str
    com_unit: str
    detectors_told: tuple[Mapping[str, Any], ...]  # what each virtual detector is, see detectors.laid_out
    coverage: Float32Array
    sum: Float32Array
    com_y: Float32Array
    com_x: Float32Array
    bright_field: Float32Array
    annular_dark_field: Float32Array
    detectors: Float32Array  # [channels, n] counts
    rotation: Float32Array
    confidence: Float32Array
    latents: Float32Array
    misfit: Float32Array
    descan: DescanFound | None = None  # what of it was taken out of the COM


def position_values(store: ScanStore, calibration: Calibration | None = None) -> PositionValues:
    """The store's content at this moment, calibrated; the learner's part is of one model version.

    `calibration` None = as the scan began; its rotation may have been set since.
    """
    return values_of(store, store.read_maps(), calibration or store.start.calibration, EVERYWHERE)


def values_of(store: ScanStore, learnt: LearnerMaps, calibration: Calibration, span: slice) -> PositionValues:
    """The same for the positions `span`; `learnt` is of all."""
    com = com_shift(store, span)
    com_y, com_x = com.y, com.x
    scale = calibration.mrad_per_px or 1.0
    axes = "detector"
    rotation = learnt.rotation[span]
    if calibration.detector_rotation_rad is not None:
        axes = "scan"
        com_y, com_x = to_scan_axes(com_y, com_x, calibration)
        if not np.isnan(rotation).all():  # NaN is slow to turn, and most of it there is where nothing was learnt
            turn_y, turn_x = to_scan_axes(np.sin(rotation), np.cos(rotation), calibration)
            rotation = np.arctan2(turn_y, turn_x).astype(np.float32)
    return PositionValues(
        scan_shape=store.shape.scan_shape,
        calibration=calibration,
        axes=axes,
        com_unit="mrad" if calibration.mrad_per_px else "px",
        detectors_told=tuple(store.features_info.get(DETECTORS, ())),
        coverage=store.coverage[span].astype(np.float32),
        sum=store.sum[span].copy(),
        com_y=np.asarray(com_y * scale, np.float32),
        com_x=np.asarray(com_x * scale, np.float32),
        bright_field=store.bright_field[span].copy(),
        annular_dark_field=store.annular_dark_field[span].copy(),
        detectors=np.ascontiguousarray(store.detectors[span].T),
        rotation=rotation,
        confidence=learnt.confidence[span],
        latents=learnt.latents[:, span],
        misfit=np.full_like(rotation, np.nan) if learnt.misfit is None else learnt.misfit[span],
        descan=com.descan,
    )
