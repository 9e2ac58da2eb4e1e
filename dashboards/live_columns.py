"""The columns of the live page's data sources, made from a frame; each source is replaced whole."""

from __future__ import annotations

import json
import math
from typing import Any

from dashboards.map_styles import style_of
from dashboards.numbers_text import UNKNOWN, scale_end, with_unit
from dashboards.placement import Placement, beam_centre_px, pattern_scale, scan_point
from dashboards.view_frame import EMPTY, EMPTY_RGBA, Painted, ViewFrame

Columns = dict[str, Any]
NOWHERE = math.nan
THUMBNAIL_PX = 160
MARKS = ("com_x", "com_y", "beam_x", "beam_y", "beam_r", "probe_x", "probe_y")


def empty_measured() -> Columns:
    """Columns before the first frame: nothing to see, nothing missing."""
    images = {name: [EMPTY] for name in ("magnitude", "direction", "chosen", "pattern")}
    boxes = _box("map", Placement(0, 0, 1, 1, "px")) | _box("pattern", Placement(0, 0, 1, 1, "px"))
    marks = {name: [NOWHERE] for name in MARKS}
    return {**images, **boxes, **marks, "labels": [json.dumps({"push": 0})]}


def measured_columns(frame: ViewFrame, choice: str, push: int) -> Columns:
    """What changes with every snapshot; `choice` is the map in the panel of choice."""
    images = {
        "magnitude": [frame.map("com_magnitude").pixels],
        "direction": [frame.map("com_direction").pixels],
        "chosen": [frame.map(choice).pixels],
        "pattern": [frame.pattern.pixels],
    }
    boxes = _box("map", frame.map_placement) | _box("pattern", frame.pattern_placement)
    return {**images, **boxes, **_marks(frame), "labels": [json.dumps(_labels(frame, choice, push))]}


def empty_model() -> Columns:
    """Columns before the first model."""
    return {"rotation": [EMPTY_RGBA], **_box("map", Placement(0, 0, 1, 1, "px")), "labels": ["{}"]}


def model_columns(frame: ViewFrame) -> Columns:
    """What changes with the learner's maps only."""
    scatter = _bar(frame.map("com_magnitude"))
    labels = {"scatter": scatter, "has_rotation": bool(frame.rotation.any()), "points": len(frame.scatter["x"])}
    return {"rotation": [frame.rotation], **_box("map", frame.map_placement), "labels": [json.dumps(labels)]}


def empty_thumbnail() -> Columns:
    """Columns of a control-room tile before the first frame."""
    return {"direction": [EMPTY], **_box("map", Placement(0, 0, 1, 1, "px"))}


def thumbnail_columns(frame: ViewFrame) -> Columns:
    """COM direction for a control-room tile, every n-th pixel of it."""
    pixels = frame.map("com_direction").pixels
    step = math.ceil(max(pixels.shape) / THUMBNAIL_PX)
    return {"direction": [pixels[::step, ::step]], **_box("map", frame.map_placement)}


def _box(name: str, box: Placement) -> Columns:
    return {f"{name}_x": [box.x], f"{name}_y": [box.y], f"{name}_w": [box.width], f"{name}_h": [box.height]}


def _marks(frame: ViewFrame) -> Columns:
    """COM cross and beam on the pattern, in its coordinates; the latest probe position on the maps."""
    snapshot = frame.snapshot
    marks = {name: [NOWHERE] for name in MARKS}
    if snapshot.pattern is not None:
        scale, _ = pattern_scale(snapshot.calibration)
        centre = beam_centre_px((snapshot.pattern.shape[0], snapshot.pattern.shape[1]), snapshot.calibration)
        com = frame.pattern_com_px
        if com is not None:
            marks |= {"com_y": [(com[0] - centre[0]) * scale], "com_x": [(com[1] - centre[1]) * scale]}
        radius = snapshot.calibration.disc_radius_px
        if radius is not None and snapshot.calibration.beam_center_px is not None:
            marks |= {"beam_x": [0.0], "beam_y": [0.0], "beam_r": [radius * scale]}
    if snapshot.pattern_position is not None:
        x, y = scan_point(frame.map_placement, snapshot.scan_shape, snapshot.pattern_position)
        marks |= {"probe_x": [x], "probe_y": [y]}
    return marks


def _labels(frame: ViewFrame, choice: str, push: int) -> dict[str, Any]:
    magnitude, style = frame.map("com_magnitude"), style_of(choice)
    return {
        "push": push,
        "published": frame.snapshot.published_unix_s,
        "scan_shape": list(frame.snapshot.scan_shape),
        "has_maps": bool(magnitude.pixels.any()),
        "has_chosen": bool(frame.map(choice).pixels.any()),
        "has_pattern": frame.snapshot.pattern is not None,
        "magnitude": _bar(magnitude),
        "direction": {"unit": "deg", "low": -180.0, "high": 180.0},
        "chosen": {**_bar(frame.map(choice)), "name": choice, "title": style.title, "bar": style.palette},
        "pattern": _log_bar(frame.pattern),
        **_probe_texts(frame),
    }


def _bar(painted: Painted) -> dict[str, Any]:
    limits = painted.limits
    middle = (limits.low + limits.high) / 2
    texts = {"low_text": scale_end(limits.low), "mid_text": scale_end(middle), "high_text": scale_end(limits.high)}
    return {"low": limits.low, "high": limits.high, "unit": "" if painted.unit == "1" else painted.unit, **texts}


def _log_bar(painted: Painted) -> dict[str, Any]:
    low, high = painted.limits.low, painted.limits.high
    low_text, mid_text, high_text = (_round_count(10**x) for x in (low, (low + high) / 2, high))
    texts = {"low_text": low_text, "mid_text": mid_text, "high_text": high_text}
    return {"low": 10**low, "high": 10**high, "unit": painted.unit, "log": True, **texts}


def _round_count(value: float) -> str:
    return scale_end(float(f"{value:.1e}"))


def _probe_texts(frame: ViewFrame) -> dict[str, str]:
    position, maps = frame.snapshot.pattern_position, frame.snapshot.maps
    if position is None:
        return {"position": "", "com": UNKNOWN}
    magnitude, direction = maps.get("com_magnitude"), maps.get("com_direction")
    com = UNKNOWN
    if magnitude is not None and direction is not None:
        length = with_unit(float(magnitude[position]), frame.snapshot.units.get("com_magnitude", ""), 2)
        angle = with_unit(math.degrees(float(direction[position])), "°")
        com = f"{length} ∠ {angle}" if UNKNOWN not in (length, angle) else UNKNOWN
    return {"position": f"y {position[0]}, x {position[1]}", "com": com}
