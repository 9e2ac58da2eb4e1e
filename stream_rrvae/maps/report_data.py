"""What a report shows, read from a results file alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from stream_rrvae.errors import FileFormatError
from stream_rrvae.maps.manifold import Manifold
from stream_rrvae.maps.manifold_file import read_manifold
from stream_rrvae.messages import Calibration, Float32Array
from stream_rrvae.plain import from_plain

Values = NDArray[np.float64]
PROVENANCE = ("program_name", "scan_id", "state", "start_time", "end_time", "model_version")


@dataclass(frozen=True, slots=True)
class ReportData:
    """Maps [scan_y, scan_x] by name with units; figures, account and provenance by name."""

    name: str
    maps: Mapping[str, Float32Array]
    units: Mapping[str, str]
    axes: str  # what vectors refer to
    step: tuple[float, float]  # (y, x) of a position, in `step_unit`
    step_unit: str  # "nm", or "px" where the step is not known
    figures: Mapping[str, Values]
    account: Mapping[str, int]
    provenance: Mapping[str, str]
    configuration: Mapping[str, Any]
    calibration: Calibration
    manifold: Manifold | None = None  # older files have none

    @property
    def latents(self) -> list[Float32Array]:
        """The latent maps in their order; those that hold nothing are left out."""
        names = sorted((name for name in self.maps if name.startswith("latent_")), key=lambda name: int(name[7:]))
        return [self.maps[name] for name in names if np.isfinite(self.maps[name]).any()]

    def figure(self, name: str) -> Values:
        """A figure of the model as a 1-D array; empty when there is none."""
        return self.figures.get(name, np.empty(0))


def read_report_data(path: Path) -> ReportData:
    """Raises FileFormatError when `path` is no results file."""
    try:
        with h5py.File(path) as file:
            return _read(path, file["entry"])
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise FileFormatError(f"{path} is no results file: {error}") from error


def _read(path: Path, entry: h5py.Group) -> ReportData:
    group, quality = entry["maps"], entry["quality"]
    drawn = {name: data for name, data in group.items() if data.ndim == 2}
    numbers = {name: data for name, data in quality.items() if isinstance(data, h5py.Dataset)}
    account = {name.removeprefix("frames_"): int(data[()]) for name, data in numbers.items() if _counts(name)}
    refused = quality.get("refused_by_reason", {})
    account |= {f"refused: {reason}": int(data[()]) for reason, data in refused.items() if data[()]}
    return ReportData(
        name=path.name,
        maps={name: np.asarray(data[()], np.float32) for name, data in drawn.items()},
        units={name: str(data.attrs["units"]) for name, data in drawn.items()},
        axes=str(group.attrs["vector_axes"]),
        step=(_step(group["scan_y"]), _step(group["scan_x"])),
        step_unit=str(group["scan_x"].attrs["units"]),
        figures={
            name: np.atleast_1d(data[()]).astype(np.float64) for name, data in numbers.items() if not _counts(name)
        },
        account=account,
        provenance=_provenance(entry),
        configuration=json.loads(entry["configuration"][()]) if "configuration" in entry else {},
        calibration=from_plain(Calibration, json.loads(entry["calibration"][()])),
        manifold=read_manifold(entry.file),
    )


def _counts(name: str) -> bool:
    return name.startswith("frames_")


def _step(axis: h5py.Dataset) -> float:
    return float(f"{axis[1]:.7g}") if len(axis) > 1 else 1.0  # as it was before it became float32


def _provenance(entry: h5py.Group) -> dict[str, str]:
    told = {name.replace("_", " "): _text(entry[name][()]) for name in PROVENANCE if name in entry}
    if "program_name" in entry:
        told["program name"] += f" {entry['program_name'].attrs['version']}"
    for name in ("mode", "state", "detail"):
        told[f"learner {name}"] = _text(entry[f"process/{name}"][()])
    told |= {
        f"model: {name.replace('_', ' ')}": _text(item[()]) for name, item in entry["process"].get("model", {}).items()
    }
    for name in ("calibration", "metadata"):
        if name not in entry:
            continue
        told |= {key.replace("_", " "): _plain(value) for key, value in json.loads(entry[name][()]).items()}
    return {name: value for name, value in told.items() if value not in ("", "None")}


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_plain(item) for item in value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
