"""A file that py4DSTEM opens (EMD 1.0): one Array a map, with calibrated axes.

The layout is that of emdfile 0.0.16; `py4DSTEM.read` gives a Root with the maps by name.
"""

from __future__ import annotations

import uuid
from pathlib import Path

import h5py
import numpy as np

from stream_rrvae import __version__
from stream_rrvae.maps.report_data import ReportData
from stream_rrvae.whole_file import whole_hdf5

SPACE = ("Ry", "Rx")  # py4DSTEM's names of the scan's axes


def write_emd(data: ReportData, path: Path) -> None:
    """Every map as an array of its name. Raises OSError."""
    with whole_hdf5(path) as file:
        file.attrs.update(
            {
                "emd_group_type": "file", "version_major": 1, "version_minor": 0, "UUID": str(uuid.uuid4()),
                "authoring_program": f"stream-rrvae {__version__}", "authoring_user": "",
            }
        )  # fmt: skip
        root = file.create_group("stream_rrvae")
        root.attrs.update({"emd_group_type": "root", "python_class": "Root"})
        for name in data.maps:
            _write_array(root.create_group(name), data, name)
        _write_metadata(root.create_group("metadatabundle"), data)


def _write_array(group: h5py.Group, data: ReportData, name: str) -> None:
    group.attrs.update({"emd_group_type": "array", "python_class": "Array"})
    stored = group.create_dataset("data", data=data.maps[name], compression="gzip", shuffle=True)
    stored.attrs["units"] = data.units[name]
    unit = "pixels" if data.step_unit == "px" else data.step_unit
    for number, (axis, step) in enumerate(zip(SPACE, data.step, strict=True)):
        dim = group.create_dataset(f"dim{number}", data=np.array([0.0, step]))  # evenly spaced: the first two are told
        dim.attrs.update({"name": axis, "units": unit})


def _write_metadata(bundle: h5py.Group, data: ReportData) -> None:
    bundle.attrs["emd_group_type"] = "metadatabundle"
    group = bundle.create_group("results")
    group.attrs.update({"emd_group_type": "metadata", "python_class": "Metadata"})
    told = {"results file": data.name, "vector axes": data.axes, **data.provenance}
    for key, text in told.items():
        group[key.replace("/", " ")] = text
        group[key.replace("/", " ")].attrs["type"] = "string"
    for key, figure in data.figures.items():
        group[key] = float(figure[0]) if figure.size == 1 else np.asarray(figure)
        group[key].attrs["type"] = "number" if figure.size == 1 else "array"
