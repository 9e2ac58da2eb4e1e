"""What the simulator knows and a service has to find out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.errors import StreamRrvaeError
from stream_rrvae.messages import Calibration, Plain
from stream_rrvae.plain import to_plain

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class InjectedFault:
    """One fault put into the stream on purpose; `number` is the frame (for `abort` the last one sent)."""

    series: int
    number: int
    name: str


@dataclass(frozen=True, slots=True)
class ScanTruth:
    """Ground truth of every position of a scan; arrays are [scan_y, scan_x, ...], vectors (y, x).

    `com_mrad` is the noise-free centre of mass on the detector's field in scan axes, without the
    descan; `com_detector_px` is the same vector as the detector shows it, (ky, kx) from the beam
    centre, descan included. `com_direction_rad` is atan2(y, x) of `com_mrad`. `orientation_rad`
    is the local rotation of the lattice in scan axes. Defects are (y, x) from the scan's middle.
    """

    specimen: str
    calibration: Calibration
    positions_nm: Float
    com_mrad: Float
    com_detector_px: Float
    com_direction_rad: Float
    orientation_rad: Float
    defects_nm: Float  # [n, 2]
    defect_kinds: tuple[str, ...]
    settings: dict[str, Plain]


def write_truth(path: Path, truth: ScanTruth, faults: Sequence[InjectedFault]) -> None:
    """Write an .npz of plain arrays (no pickle); `calibration` and `settings` are JSON text.

    Raises StreamRrvaeError when it cannot be written.
    """
    arrays: dict[str, NDArray[np.generic]] = {
        "specimen": np.array(truth.specimen),
        "calibration": np.array(json.dumps(to_plain(truth.calibration))),
        "settings": np.array(json.dumps(truth.settings)),
        "positions_nm": truth.positions_nm,
        "com_mrad": truth.com_mrad,
        "com_detector_px": truth.com_detector_px,
        "com_direction_rad": truth.com_direction_rad,
        "orientation_rad": truth.orientation_rad,
        "defects_nm": truth.defects_nm,
        "defect_kinds": np.array(truth.defect_kinds, dtype=np.str_),
        "fault_series": np.array([fault.series for fault in faults], np.int64),
        "fault_frame": np.array([fault.number for fault in faults], np.int64),
        "fault_name": np.array([fault.name for fault in faults], np.str_),
    }
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]  # numpy's stub takes the names for its own option
        part.replace(path)
    except OSError as error:
        raise StreamRrvaeError(f"cannot write the truth to {path}: {error}") from error
