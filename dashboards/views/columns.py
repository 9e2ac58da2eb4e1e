"""The columns of the live page's data sources, made from a view; each source is replaced whole."""

from __future__ import annotations

import json
import math
from typing import Any

from dashboards.feeds.view_frame import EMPTY, EMPTY_RGBA
from dashboards.pictures.latent_points import LatentPoints
from dashboards.pictures.numbers_text import with_unit
from dashboards.pictures.placement import Placement, beam_centre_px, pattern_scale, scan_point
from dashboards.pictures.selection import Selection
from dashboards.views.labels import bar, measured_labels
from dashboards.views.pattern import LivePattern
from dashboards.views.view import LiveView
from stream_rrvae.messages import Calibration

Columns = dict[str, Any]
NOWHERE = math.nan
PATTERN_MARKS = ("com_x", "com_y", "beam_x", "beam_y", "beam_r")
MARKS = (*PATTERN_MARKS, "probe_x", "probe_y")


def empty_measured() -> Columns:
    """Columns before the first frame: nothing to see, nothing missing."""
    images = {name: [EMPTY] for name in ("magnitude", "direction", "chosen", "pattern")}
    boxes = box_columns("map", Placement(0, 0, 1, 1, "px")) | box_columns("pattern", Placement(0, 0, 1, 1, "px"))
    marks = {name: [NOWHERE] for name in MARKS}
    return {**images, **boxes, **marks, "labels": [json.dumps({"push": 0})]}


def measured_columns(view: LiveView, push: int) -> Columns:
    """What changes with every snapshot."""
    images = {
        "magnitude": [view.magnitude.pixels],
        "direction": [view.direction.pixels],
        "chosen": [view.chosen.pixels],
        "pattern": [view.painted_pattern.pixels],
    }
    frame = view.frame
    boxes = box_columns("map", frame.map_placement)
    boxes |= box_columns("pattern", view.pattern.placement(frame.snapshot.calibration))
    return {**images, **boxes, **_marks(view), "labels": [json.dumps(measured_labels(view, push))]}


def empty_model() -> Columns:
    """Columns before the first model."""
    return {"rotation": [EMPTY_RGBA], **box_columns("map", Placement(0, 0, 1, 1, "px")), "labels": ["{}"]}


def model_columns(view: LiveView, selection: Selection | None) -> Columns:
    """What changes with the learner's maps only."""
    frame, points, rotation = view.frame, view.frame.latents(*view.latents), view.rotation
    labels = {
        "scatter": bar(frame.map("com_magnitude")),
        "has_rotation": bool(rotation.any()),
        "points": len(points.x),
        "latents": list(view.latents),
        "selected": "" if selection is None else with_unit(100 * selection.share, "%", 1),
    }
    return {"rotation": [rotation], **box_columns("map", frame.map_placement), "labels": [json.dumps(labels)]}


def empty_outline() -> Columns:
    """Columns before the first lasso."""
    return {"outline": [EMPTY], **box_columns("map", Placement(0, 0, 1, 1, "px"))}


def outline_columns(view: LiveView, selection: Selection | None) -> Columns:
    """The outline of the positions in the lasso, over the maps."""
    if selection is None:
        return empty_outline()
    return {"outline": [selection.outline], **box_columns("map", view.frame.map_placement)}


def density_columns(points: LatentPoints | None) -> Columns:
    """The density of latent space, in its coordinates."""
    if points is None:
        return {"density": [EMPTY], **box_columns("box", Placement(0, 0, 1, 1, ""))}
    side = 2 * points.extent
    return {
        "density": [points.density],
        **box_columns("box", Placement(-points.extent, -points.extent, side, side, "")),
    }


def point_columns(points: LatentPoints) -> Columns:
    """Latent space, point by point."""
    return {"x": points.x, "y": points.y, "colour": points.colour}


def box_columns(name: str, box: Placement) -> Columns:
    """Where an image lies in its figure."""
    return {f"{name}_x": [box.x], f"{name}_y": [box.y], f"{name}_w": [box.width], f"{name}_h": [box.height]}


def _marks(view: LiveView) -> Columns:
    """COM cross and beam on the pattern, in its coordinates; the latest probe position on the maps."""
    frame, snapshot = view.frame, view.frame.snapshot
    marks = {name: [NOWHERE] for name in MARKS} | pattern_marks(view.pattern, snapshot.calibration)
    if snapshot.pattern_position is not None:
        x, y = scan_point(frame.map_placement, snapshot.scan_shape, snapshot.pattern_position)
        marks |= {"probe_x": [x], "probe_y": [y]}
    return marks


def pattern_marks(pattern: LivePattern, calibration: Calibration) -> Columns:
    """COM cross and beam on a pattern, in its coordinates."""
    marks = {name: [NOWHERE] for name in PATTERN_MARKS}
    if pattern.values is None:
        return marks
    scale, _ = pattern_scale(calibration)
    centre, com = beam_centre_px(pattern.frame_shape, calibration), pattern.com_px
    if com is not None:
        marks |= {"com_y": [(com[0] - centre[0]) * scale], "com_x": [(com[1] - centre[1]) * scale]}
    radius = calibration.disc_radius_px
    if radius is not None and calibration.beam_center_px is not None:
        marks |= {"beam_x": [0.0], "beam_y": [0.0], "beam_r": [radius * scale]}
    return marks
