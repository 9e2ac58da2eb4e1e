"""Maps as xarray: arrays that know their axes and units."""

from __future__ import annotations

from typing import Any

import numpy as np

from stream_rrvae.errors import ConfigError
from stream_rrvae.maps.looks import look_of
from stream_rrvae.maps.report_data import ReportData

SCAN = ("scan_y", "scan_x")


def maps_as_xarray(data: ReportData) -> Any:
    """An `xarray.Dataset` over scan_y and scan_x, in nm where the step is known, else in px. Raises ConfigError."""
    try:
        import xarray
    except ImportError as error:
        raise ConfigError(
            "maps as xarray need it: pip install 'stream-rrvae[notebook]'; `.arrays` has them without it"
        ) from error
    shape = data.maps["sum"].shape
    axes = {
        axis: (axis, np.arange(shape[number]) * data.step[number], {"units": data.step_unit})
        for number, axis in enumerate(SCAN)
    }
    maps = {
        name: (SCAN, values, {"units": data.units[name], "long_name": look_of(name).title})
        for name, values in data.maps.items()
    }
    return xarray.Dataset(maps, axes, {"source": data.name, "vector_axes": data.axes})
