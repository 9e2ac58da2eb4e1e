"""What one session shows at one moment: a frame, its wishes, and what was fetched for it alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dashboards.feeds.view_frame import ViewFrame
from dashboards.pictures.map_styles import style_of
from dashboards.pictures.painting import (
    ENLARGED_RGBA_SIDE,
    ENLARGED_SIDE,
    Histogram,
    Painted,
    histogram,
    painted_map,
    painted_pattern,
)
from dashboards.pictures.quantise import SIDE_LIMIT
from dashboards.pictures.selection import Selection, selected
from dashboards.pictures.wishes import Ring, Wishes
from dashboards.views.pattern import LivePattern, latest_pattern
from stream_rrvae.messages import Float32Array

DETECTOR_MAP = "virtual_detector"


@dataclass(frozen=True, slots=True)
class DetectorMap:
    """Counts on a virtual detector, NaN where no frame was kept."""

    values: Float32Array
    coverage: float  # 0 ... 1 of the positions measured so far
    ring: Ring | None = None  # the detector that it is of: while one is dragged, that of a moment ago


@dataclass(frozen=True)
class LiveView:
    """Images that all sessions see alike come from the frame; those with limits of their own are made here."""

    frame: ViewFrame
    wishes: Wishes
    pinned: LivePattern | None = None  # fetched for the pinned position
    detector_map: DetectorMap | None = None
    mean: LivePattern | None = None  # of patterns, where that is wished

    @property
    def choice(self) -> str:
        """The map in the panel of choice: the one wished, or the first there is."""
        wished, there = self.wishes.map, self.frame.choices
        if wished in there or wished in self.frame.snapshot.not_made:
            return wished
        if wished == DETECTOR_MAP and self.detector_map is not None:
            return wished
        return there[0] if there else wished

    @property
    def pattern(self) -> LivePattern:
        if self.wishes.pinned is not None:
            return self.pinned or LivePattern(None, self.wishes.pinned)
        return self.mean or latest_pattern(self.frame.snapshot)

    @cached_property
    def magnitude(self) -> Painted:
        return self._painted("magnitude", "com_magnitude")

    @cached_property
    def direction(self) -> Painted:
        return self._painted("direction", "com_direction")

    @cached_property
    def chosen(self) -> Painted:
        return self._painted("chosen", self.choice)

    @cached_property
    def painted_pattern(self) -> Painted:
        contrast = self.wishes.contrast.get("pattern")
        if contrast is None and self.wishes.pinned is None and self.mean is None:
            return self.frame.linear_pattern if self.wishes.linear else self.frame.pattern
        return painted_pattern(self.pattern.values, self.wishes.linear, contrast)

    @property
    def rotation(self) -> np.ndarray:
        if self._is_enlarged("rotation", self.frame.snapshot.maps.get("rotation")):
            return self.frame.rotation_at(ENLARGED_RGBA_SIDE)
        return self.frame.rotation

    @property
    def latents(self) -> tuple[str, str]:
        """The two latents of latent space: those wished, or the first two."""
        maps = self.frame.snapshot.maps
        return self.wishes.latents if all(name in maps for name in self.wishes.latents) else ("latent_1", "latent_2")

    def selection(self) -> Selection | None:
        """The positions in the lasso; None without one."""
        first, second = (self.frame.snapshot.maps.get(name) for name in self.latents)
        if not self.wishes.lasso or first is None or second is None:
            return None
        return selected(first, second, self.wishes.lasso)

    def histogram(self) -> Histogram | None:
        """Of the panel whose histogram is open."""
        panel = self.wishes.histogram
        if panel == "pattern":
            return histogram(self.pattern.values, not self.wishes.linear)
        return histogram(self.values(panel)) if panel else None

    def values(self, panel: str) -> Float32Array | None:
        """The map that a panel shows."""
        name = {"magnitude": "com_magnitude", "direction": "com_direction", "rotation": "rotation"}.get(
            panel, self.choice
        )
        if name == DETECTOR_MAP and self.detector_map is not None:
            return self.detector_map.values
        return self.frame.snapshot.maps.get(name)

    def _painted(self, panel: str, name: str) -> Painted:
        values, contrast = self.values(panel), self.wishes.contrast.get(panel)
        enlarged = self._is_enlarged(panel, values)
        if contrast is None and not enlarged and name != DETECTOR_MAP:
            return self.frame.map(name)
        unit = "counts" if name == DETECTOR_MAP else self.frame.snapshot.units.get(name, "")
        return painted_map(values, unit, style_of(name), contrast, ENLARGED_SIDE if enlarged else SIDE_LIMIT)

    def _is_enlarged(self, panel: str, values: Float32Array | None) -> bool:
        return self.wishes.enlarged == panel and values is not None and max(values.shape) > SIDE_LIMIT
