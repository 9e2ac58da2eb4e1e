"""The COM that maps show: from the beam centre or from the scan's mean, with descan or without."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stream_rrvae.calibration.descan import fit_descan, shifts_px
from stream_rrvae.calibration.origin import DESCAN
from stream_rrvae.found import DescanFound, DescanKind
from stream_rrvae.messages import Float32Array
from stream_rrvae.scan_store import ScanStore

SCAN_MEAN = "scan_mean"
EVERYWHERE = slice(None)


@dataclass(frozen=True, slots=True)
class ComShift:
    """COM [n] in px, detector axes; `descan` is what was taken out of it, None = nothing."""

    y: Float32Array
    x: Float32Array
    descan: DescanFound | None


def com_shift(store: ScanStore, span: slice = EVERYWHERE) -> ComShift:
    """The COM of the positions `span` of `store` as it is by now.

    Where the beam centre was only estimated from the data, the mean of the scan takes its place:
    a disc's edge fixes the centre to about 0.1 px, which a field's COM hardly exceeds.
    """
    if not depends_on_all(store):
        return ComShift(store.com_y[span].copy(), store.com_x[span].copy(), None)
    com_y, com_x, kind = store.com_y.copy(), store.com_x.copy(), descan_kind(store)
    descan = fit_descan(com_y, com_x, store.shape.scan_shape, kind) if kind else None
    if descan is not None:
        for com, walk in zip((com_y, com_x), shifts_px(descan, store.shape.scan_shape), strict=True):
            com -= walk.astype(np.float32)
    measured = np.isfinite(com_y) & np.isfinite(com_x)
    if store.features_info.get("com_reference") == SCAN_MEAN and measured.any():
        com_y -= com_y[measured].mean(dtype=np.float64)
        com_x -= com_x[measured].mean(dtype=np.float64)
    return ComShift(com_y[span], com_x[span], descan)


def depends_on_all(store: ScanStore) -> bool:
    """Whether a new position changes the COM of all others."""
    return store.features_info.get("com_reference") == SCAN_MEAN or descan_kind(store) is not None


def descan_kind(store: ScanStore) -> DescanKind | None:
    """Which descan is taken out of the store's COM maps; None = none."""
    kind = store.features_info.get(DESCAN)
    return kind if kind in ("plane", "quadratic") else None
