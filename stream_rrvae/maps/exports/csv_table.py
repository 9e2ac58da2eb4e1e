"""A table of the read-outs: one row a position, its place and every map; nothing = not measured."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.maps.report_data import ReportData
from stream_rrvae.messages import Float32Array


def write_csv(data: ReportData, path: Path) -> None:
    """UTF-8, one line of names with their units, then row by row of the scan. Raises OSError."""
    rows, columns = data.maps["sum"].shape
    unit = "" if data.step_unit == "px" else f" ({data.step_unit})"
    names = [name if data.units[name] == "1" else f"{name} ({data.units[name]})" for name in data.maps]
    x = _texts(np.arange(columns, dtype=np.float32) * np.float32(data.step[1]))
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow([f"y{unit}", f"x{unit}", *names])
        for row in range(rows):
            y = _texts(np.full(columns, np.float32(row) * np.float32(data.step[0])))
            table.writerows(zip(y, x, *(_texts(values[row]) for values in data.maps.values()), strict=True))


def _texts(values: Float32Array) -> NDArray[np.str_]:
    """The shortest decimals that give the same float32 again."""
    return np.where(np.isfinite(values), values.astype(str), "")
