"""A scan as notebooks and scripts see it, whatever file it is in."""

from __future__ import annotations

import html
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from stream_rrvae.closing import Closing
from stream_rrvae.errors import FileFormatError
from stream_rrvae.maps.report_data import ReportData
from stream_rrvae.messages import Calibration, Float32Array
from stream_rrvae.notebook.as_xarray import maps_as_xarray
from stream_rrvae.notebook.lazy_frames import LazyFrames


@dataclass(frozen=True, slots=True)
class MapArray:
    """One map: float32 [scan_y, scan_x], NaN = not measured."""

    values: Float32Array
    units: str

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self.values, dtype)


class Opened(Closing):
    """Made by `stream_rrvae.open`; use it as a context manager, or `close` it.

    `source` is what was opened, `kind` what it is ("results file", "recording", ...); `calibration` has units in the
    names of its fields (`mrad_per_px`, `scan_step_nm` (y, x), `beam_center_px` (ky, kx)), None = not known.
    """

    def __init__(
        self, source: str, kind: str, frames: LazyFrames | None, results: ReportData | None,
        calibration: Calibration, stack: ExitStack,
    ) -> None:  # fmt: skip
        self.source = source
        self.kind = kind
        self.calibration = calibration
        self._frames = frames
        self._results = results
        self._stack = stack

    @property
    def frames(self) -> LazyFrames:
        """Frames [scan_y, scan_x, ky, kx], read when they are indexed. Raises FileFormatError where there are none."""
        if self._frames is None:
            raise FileFormatError(f"{self.source} holds maps and no frames: open the recording or file they are of")
        return self._frames

    @property
    def maps(self) -> Any:
        """The maps as an `xarray.Dataset` over scan_y and scan_x, float32, NaN = not measured, `units` of each.

        Raises ConfigError without xarray, FileFormatError where there are none."""
        return maps_as_xarray(self._measured)

    @property
    def arrays(self) -> dict[str, MapArray]:
        """The maps by name, without xarray. Raises FileFormatError where there are none."""
        data = self._measured
        return {name: MapArray(values, data.units[name]) for name, values in data.maps.items()}

    @property
    def quality(self) -> dict[str, float | list[float]]:
        """Figures of the model and the account of the frames (`frames_...`). Raises FileFormatError without maps."""
        data = self._measured
        figures: dict[str, float | list[float]] = {
            name: float(values[0]) if values.size == 1 else values.tolist() for name, values in data.figures.items()
        }
        return figures | {f"frames_{name}": float(count) for name, count in data.account.items() if ":" not in name}

    @property
    def scan_shape(self) -> tuple[int, int]:
        """(y, x)."""
        if self._frames is not None:
            return self._frames.shape[0], self._frames.shape[1]
        rows, columns = self._measured.maps["sum"].shape
        return rows, columns

    def close(self) -> None:
        """Let go of the file; maps stay, frames cannot be read any more."""
        if self._frames is not None:
            self._frames.close()
        self._stack.close()

    def __repr__(self) -> str:
        return "\n".join((f"<{self.source}>", *(f"  {name:<12}{text}" for name, text in self._told())))

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{name}</th><td>{html.escape(text)}</td></tr>" for name, text in self._told())
        return f"<table><caption>{html.escape(self.source)}</caption>{rows}</table>"

    @property
    def _measured(self) -> ReportData:
        if self._results is None:
            raise FileFormatError(f"{self.source} holds no maps: stream-rrvae analyse {self.source} --out RESULTS.h5")
        return self._results

    def _told(self) -> list[tuple[str, str]]:
        rows, columns = self.scan_shape
        told = [("kind", self.kind), ("scan", f"{rows} x {columns} positions")]
        if self._frames is not None:
            ky, kx = self._frames.shape[2:]
            told.append(("frames", f"{ky} x {kx} {self._frames.dtype}, {self._frames.nbytes / 1e6:,.0f} MB"))
        if self._results is not None:
            told.append(("maps", ", ".join(self._results.maps)))
            told.append(("vectors in", f"{self._results.axes} axes"))
        scale = self.calibration.mrad_per_px
        told.append(("calibration", f"{scale:.4g} mrad per px" if scale else "none"))
        return told
