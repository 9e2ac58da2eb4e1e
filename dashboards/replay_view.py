"""What a side of the replay page shows of its run: images as far as the scan had got, with one set of limits."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dashboards.live_columns import Columns
from dashboards.map_styles import choosable, style_of
from dashboards.numbers_text import scale_end
from dashboards.palettes import ROTATION, rgb_table
from dashboards.placement import Placement, scan_placement, scan_point
from dashboards.quantise import Limits, angle_rgba, linear_limits, quantise, quantise_angle, thinned
from dashboards.recorded_run import Run
from dashboards.view_frame import EMPTY, EMPTY_RGBA, Painted
from stream_rrvae.messages import Float32Array

ROTATION_MAP = "rotation"
ALWAYS = ("com_magnitude", "com_direction")
CONTRASTS: dict[str, tuple[float, float]] = {
    "1-99": (1.0, 99.0), "0.1-99.9": (0.1, 99.9), "5-95": (5.0, 95.0), "0-100": (0.0, 100.0),
}  # fmt: skip
USUAL_CONTRAST = "1-99"
_DIRECTION_LIMITS = Limits(-180.0, 180.0)
_ROTATION_TABLE = rgb_table(ROTATION)
_NOWHERE = math.nan


class ReplayView:
    """Images of a run are painted once for a contrast; how far the scan had got only hides parts of them."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.probe: tuple[int, int] | None = None  # (y, x) of the pattern that is shown
        self._due = thinned(run.due)
        self._painted: dict[tuple[str, Limits | None], Painted] = {}
        self._rotation: NDArray[np.uint32] | None = None

    @property
    def choices(self) -> list[str]:
        """Maps for the panel of choice: the rotation, latents, everything else."""
        rotation = [ROTATION_MAP] if ROTATION_MAP in self.run.names else []
        return [*rotation, *choosable(list(self.run.names))]

    @property
    def map_placement(self) -> Placement:
        return scan_placement(self.run.scan_shape, self.run.calibration)

    def needed(self, choice: str) -> list[str]:
        """The maps that have to be there to show `choice` beside those that are always shown."""
        more = (choice, "rotation_confidence") if choice == ROTATION_MAP else (choice,)
        return [name for name in (*ALWAYS, *more) if name in self.run.names]

    def limits(self, name: str, contrast: str) -> Limits:
        """Of a map, over the whole run, so that nothing flickers while it plays."""
        values, style = self.run.maps.get(name), style_of(name)
        if values is None or style.cyclic:
            return _DIRECTION_LIMITS
        return linear_limits(thinned(values), style.signed, CONTRASTS[contrast])

    def columns(self, place: int, choice: str, contrast: str, push: int, like: ReplayView | None) -> Columns:
        """Everything that changes as it plays; with `like`, under the limits of that view."""
        limits = {name: self._limits(name, contrast, like) for name in (*ALWAYS, choice)}
        visible = self._due <= place
        turned = choice == ROTATION_MAP
        images = {
            "magnitude": [self._image("com_magnitude", limits["com_magnitude"], visible)],
            "direction": [self._image("com_direction", None, visible)],
            "chosen": [EMPTY if turned else self._image(choice, limits[choice], visible)],
            "turned": [self._turned(visible) if turned else EMPTY_RGBA],
        }
        told = {
            "push": push, "place": place, "scan_shape": list(self.run.scan_shape),
            "has_maps": "com_magnitude" in self.run.maps, "has_chosen": choice in self.run.maps,
            "magnitude": self._bar("com_magnitude", limits["com_magnitude"]),
            "direction": {"unit": "deg", "low": -180.0, "high": 180.0},
            "chosen": {
                **self._bar(choice, limits[choice]), "name": choice, "title": map_title(choice), "turned": turned,
                "bar": style_of(choice).palette,
            },
            "axes": self.run.axes,
        }  # fmt: skip
        return {**images, **box_columns("map", self.map_placement), **self._probe(), "labels": [json.dumps(told)]}

    def _limits(self, name: str, contrast: str, like: ReplayView | None) -> Limits:
        of = like if like is not None and name in like.run.maps else self
        return of.limits(name, contrast)

    def _image(self, name: str, limits: Limits | None, visible: NDArray[np.bool_]) -> NDArray[np.uint8]:
        values = self.run.maps.get(name)
        if values is None:
            return EMPTY
        painted = self._paint(name, values, limits)
        return np.where(visible, painted.pixels, np.uint8(0)).astype(np.uint8)

    def _paint(self, name: str, values: Float32Array, limits: Limits | None) -> Painted:
        key = (name, limits)
        if key not in self._painted:
            shown = thinned(values)
            if style_of(name).cyclic or limits is None:
                self._painted[key] = Painted(quantise_angle(shown), _DIRECTION_LIMITS, "deg")
            else:
                self._painted[key] = Painted(quantise(shown, limits), limits, self.run.units.get(name, ""))
        return self._painted[key]

    def _turned(self, visible: NDArray[np.bool_]) -> NDArray[np.uint32]:
        angles = self.run.maps.get(ROTATION_MAP)
        if angles is None:
            return EMPTY_RGBA
        if self._rotation is None:
            confidence = self.run.maps.get("rotation_confidence", np.ones_like(angles))
            self._rotation = angle_rgba(thinned(angles), thinned(confidence), _ROTATION_TABLE)
        return np.where(visible, self._rotation, np.uint32(0)).astype(np.uint32)

    def _bar(self, name: str, limits: Limits) -> dict[str, Any]:
        unit = self.run.units.get(name, "")
        return {
            "low": limits.low, "high": limits.high, "unit": "" if unit == "1" else unit,
            "low_text": scale_end(limits.low), "mid_text": scale_end((limits.low + limits.high) / 2),
            "high_text": scale_end(limits.high),
        }  # fmt: skip

    def _probe(self) -> Columns:
        if self.probe is None:
            return {"probe_x": [_NOWHERE], "probe_y": [_NOWHERE]}
        x, y = scan_point(self.map_placement, self.run.scan_shape, self.probe)
        return {"probe_x": [x], "probe_y": [y]}


def empty_side() -> Columns:
    """Columns of a side without a run."""
    images: Mapping[str, Any] = {
        "magnitude": [EMPTY], "direction": [EMPTY], "chosen": [EMPTY], "turned": [EMPTY_RGBA],
    }  # fmt: skip
    nowhere = {"probe_x": [_NOWHERE], "probe_y": [_NOWHERE]}
    return {**images, **box_columns("map", Placement(0, 0, 1, 1, "px")), **nowhere, "labels": [json.dumps({"push": 0})]}


def box_columns(name: str, box: Placement) -> Columns:
    """The box of an image in its figure."""
    return {f"{name}_x": [box.x], f"{name}_y": [box.y], f"{name}_w": [box.width], f"{name}_h": [box.height]}


def map_title(name: str) -> str:
    """How a map is called on the page."""
    return "rrVAE rotation" if name == ROTATION_MAP else style_of(name).title
