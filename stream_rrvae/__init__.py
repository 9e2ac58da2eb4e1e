"""Live analysis of 4D-STEM while the microscope is scanning."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from stream_rrvae.notebook.opened import Opened

__version__ = "0.1.0"
__all__ = ["__version__", "open"]


def open(source: str | Path, scan_shape: tuple[int, int] | None = None, channel: str | None = None) -> Opened:
    """The scan in `source`: a results file, a recording, or anything that `stream-rrvae analyse` takes.

    `.frames` [scan_y, scan_x, ky, kx] are read when they are indexed, `.maps` is an xarray.Dataset (`.arrays` the same
    without xarray), `.calibration` and `.quality` say what is known. `scan_shape` (y, x) is for files with frames in a
    row, `channel` for files with several. Raises FileFormatError that says what is wrong or missing.
    """
    from stream_rrvae.notebook.opening import open_scan  # heavy: importing the package stays light

    return open_scan(source, scan_shape, channel)
