"""A HyperSpy file (.hspy): one Signal2D a map, with calibrated axes.

The layout is that of RosettaSciIO's hspy writer, version 3.3; `hyperspy.api.load` gives a list of signals.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from stream_rrvae.maps.looks import look_of
from stream_rrvae.maps.report_data import ReportData
from stream_rrvae.whole_file import whole_hdf5

FORMAT_VERSION = "3.3"


def write_hspy(data: ReportData, path: Path) -> None:
    """Every map as an experiment of its name. Raises OSError."""
    with whole_hdf5(path) as file:
        file.attrs.update({"file_format": "HyperSpy", "file_format_version": FORMAT_VERSION})
        for name in data.maps:
            _write_signal(file.create_group(f"Experiments/{name}"), data, name)


def _write_signal(group: h5py.Group, data: ReportData, name: str) -> None:
    values = data.maps[name]
    group.create_dataset("data", data=values, compression="gzip", shuffle=True)
    for number, (axis, step) in enumerate(zip(("y", "x"), data.step, strict=True)):
        group.create_group(f"axis-{number}").attrs.update(
            {
                "_type": "UniformDataAxis", "name": axis, "units": data.step_unit, "scale": step, "offset": 0.0,
                "size": values.shape[number], "navigate": False, "is_binned": False,
            }
        )  # fmt: skip
    group.create_group("attributes").attrs.update({"_lazy": False, "ragged": False})
    group.create_group("learning_results")
    group.create_group("metadata/General").attrs.update({"title": name, "original_filename": data.name})
    quantity = f"{look_of(name).title} ({data.units[name]})"
    group.create_group("metadata/Signal").attrs.update({"signal_type": "", "quantity": quantity})
    group.create_group("metadata/_HyperSpy")
    told = group.create_group("original_metadata/stream_rrvae")
    told.attrs["vector_axes"] = data.axes
    for key, text in data.provenance.items():
        told.attrs[key] = text
    for key, figure in data.figures.items():
        told.attrs[key] = float(figure[0]) if figure.size == 1 else np.asarray(figure)
