"""What a side of the replay page shows of its run: images as far as the scan had got, with one set of limits."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dashboards.feeds.view_frame import EMPTY_RGBA
from dashboards.pictures.map_styles import choosable, style_of
from dashboards.pictures.painting import EMPTY, Painted, map_limits, painted_map
from dashboards.pictures.palettes import ROTATION, rgb_table
from dashboards.pictures.placement import Placement, scan_placement, scan_point
from dashboards.pictures.quantise import angle_rgba, thinned
from dashboards.pictures.wishes import Contrast
from dashboards.replay.recorded_run import Run
from dashboards.views.columns import Columns, box_columns
from dashboards.views.labels import bar

ROTATION_MAP = "rotation"
ALWAYS = ("com_magnitude", "com_direction")
CONTRASTS = {
    "1-99": Contrast("percentiles", 1.0, 99.0),
    "0.1-99.9": Contrast("percentiles", 0.1, 99.9),
    "5-95": Contrast("percentiles", 5.0, 95.0),
    "0-100": Contrast("percentiles", 0.0, 100.0),
}
USUAL_CONTRAST = "1-99"
ContrastOf = Callable[[str], Contrast]
NO_BAR = {"low": 0.0, "high": 1.0, "unit": "", "low_text": "", "mid_text": "", "high_text": ""}
_ROTATION_TABLE = rgb_table(ROTATION)


class ReplayView:
    """Images of a run are painted once for a contrast; how far the scan had got only hides parts of them."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.probe: tuple[int, int] | None = None  # (y, x) of the pattern that is shown
        self._due = thinned(run.due)
        flat = run.due.ravel()
        there = np.flatnonzero(np.isfinite(flat))
        self._in_order = there[np.argsort(flat[there], kind="stable")]  # positions as they came
        self._places = flat[self._in_order]
        self._painted: dict[tuple[str, Contrast], Painted] = {}
        self._rotation: NDArray[np.uint32] | None = None
        self._has_confidence = False
        self._known: dict[str, bool] = {}  # whether a map holds anything

    @property
    def choices(self) -> list[str]:
        """Maps for the panel of choice: the rotation, latents, everything else; last those that cannot be made."""
        rotation = [ROTATION_MAP] if ROTATION_MAP in self.run.names else []
        return [
            *rotation,
            *choosable(list(self.run.names)),
            *(name for name in self.run.not_made if name not in self.run.names),
        ]

    @property
    def map_placement(self) -> Placement:
        return scan_placement(self.run.scan_shape, self.run.calibration)

    @property
    def probe_point(self) -> tuple[float, float]:
        """x, y of the probe in the maps' coordinates."""
        if self.probe is None:
            return math.nan, math.nan
        return scan_point(self.map_placement, self.run.scan_shape, self.probe)

    def latest(self, place: int) -> tuple[int, int]:
        """The scan position (y, x) that had come last when the scan had got to `place`."""
        count = int(np.searchsorted(self._places, place, "right"))
        number = int(self._in_order[max(0, count - 1)]) if self._in_order.size else 0
        return divmod(number, self.run.scan_shape[1])

    def needed(self, choice: str) -> list[str]:
        """The maps that have to be there to show `choice` beside those that are always shown."""
        more = (choice, "rotation_confidence") if choice == ROTATION_MAP else (choice,)
        return [name for name in (*ALWAYS, *more) if name in self.run.names]

    def limits(self, name: str, contrast: Contrast) -> Contrast:
        """Those of a map over the whole run, so that nothing flickers while it plays, for another run to have too."""
        found = map_limits(self.run.maps[name], style_of(name), contrast)
        return Contrast("locked", found.low, found.high)

    def columns(self, place: int, choice: str, push: int, contrast_of: ContrastOf) -> Columns:
        """Everything that changes as it plays, each map under the limits that `contrast_of` says for it."""
        visible = self._due <= place
        turned = choice == ROTATION_MAP
        magnitude, direction, chosen = (self._paint(name, contrast_of(name)) for name in (*ALWAYS, choice))
        images = {
            "magnitude": [_hidden(magnitude, visible)],
            "direction": [_hidden(direction, visible)],
            "chosen": [EMPTY if turned else _hidden(chosen, visible)],
            "turned": [self._turned(visible) if turned else EMPTY_RGBA],
        }
        told = {
            "push": push,
            "scan_shape": list(self.run.scan_shape),
            "has_maps": "com_magnitude" in self.run.maps,
            "has_chosen": self._holds_anything(choice),
            "is_loaded": choice in self.run.maps,
            "why_not": self.run.not_made.get(choice, ""),
            "magnitude": self._bar("com_magnitude", magnitude),
            "direction": {"unit": "deg", "low": -180.0, "high": 180.0},
            "chosen": self._bar(choice, chosen)
            | {"title": map_title(choice), "turned": turned, "bar": style_of(choice).palette},
            "axes": self.run.axes,
        }
        return {**images, **box_columns("map", self.map_placement), "labels": [json.dumps(told)]}

    def _paint(self, name: str, contrast: Contrast) -> Painted:
        values = self.run.maps.get(name)
        if values is None:
            return painted_map(None, "", style_of(name))
        if (name, contrast) not in self._painted:
            self._painted[name, contrast] = painted_map(values, self.run.units.get(name, ""), style_of(name), contrast)
        return self._painted[name, contrast]

    def _turned(self, visible: NDArray[np.bool_]) -> NDArray[np.uint32]:
        angles = self.run.maps.get(ROTATION_MAP)
        if angles is None:
            return EMPTY_RGBA
        if self._rotation is None or not self._has_confidence:
            confidence = self.run.maps.get("rotation_confidence", np.ones_like(angles))
            self._has_confidence = "rotation_confidence" in self.run.maps  # it comes a moment later
            self._rotation = angle_rgba(thinned(angles), thinned(confidence), _ROTATION_TABLE)
        return np.where(visible, self._rotation, np.uint32(0)).astype(np.uint32)

    def _holds_anything(self, name: str) -> bool:
        """Without a model there are maps of nothing."""
        if name not in self.run.maps:
            return False
        if name not in self._known:
            self._known[name] = bool(np.isfinite(self.run.maps[name]).any())
        return self._known[name]

    def _bar(self, name: str, painted: Painted) -> dict[str, Any]:
        return bar(painted) if name in self.run.maps else dict(NO_BAR)


def empty_side() -> Columns:
    """Columns of a side without a run."""
    images: Columns = {"magnitude": [EMPTY], "direction": [EMPTY], "chosen": [EMPTY], "turned": [EMPTY_RGBA]}
    return {**images, **box_columns("map", Placement(0, 0, 1, 1, "px")), "labels": [json.dumps({"push": 0})]}


def map_title(name: str) -> str:
    """How a map is called on the page."""
    return "rrVAE rotation" if name == ROTATION_MAP else style_of(name).title


def _hidden(painted: Painted, visible: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Without what had not come yet."""
    if painted.pixels.shape != visible.shape:
        return painted.pixels
    return np.where(visible, painted.pixels, np.uint8(0)).astype(np.uint8)
