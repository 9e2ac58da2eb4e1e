"""What the live page writes around its images: ends of colour bars, titles, the probe's position, as plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from dashboards.pictures.map_styles import LATENT, style_of
from dashboards.pictures.numbers_text import UNKNOWN, fixed, scale_end, with_unit
from dashboards.pictures.painting import Painted, saturated_px
from dashboards.pictures.palettes import LEVELS
from dashboards.pictures.placement import beam_centre_px, pattern_scale
from dashboards.views.pattern import LivePattern
from dashboards.views.view import DETECTOR_MAP, LiveView
from stream_rrvae.messages import Float32Array


def measured_labels(view: LiveView, push: int) -> dict[str, Any]:
    """Texts and numbers of one push."""
    frame, style = view.frame, style_of(view.choice)
    magnitude, chosen, pattern = view.magnitude, view.chosen, view.pattern
    return {
        "push": push,
        "published": frame.snapshot.published_unix_s,
        "scan_shape": list(frame.snapshot.scan_shape),
        "has_maps": bool(magnitude.pixels.any()),
        "has_chosen": bool(chosen.pixels.any()),
        "has_pattern": pattern.values is not None,
        "magnitude": bar(magnitude),
        "direction": {"unit": "deg", "low": -180.0, "high": 180.0},
        "chosen": {
            **bar(chosen), "name": view.choice, "title": style.title, "bar": style.palette, "signed": style.signed,
            "empty": _why_empty(view),
        },
        "pattern": pattern_bar(view.painted_pattern, view.wishes.linear),
        "saturated": saturated_text(pattern),
        "seen": pattern.seen,
        "geometry": _pattern_geometry(view),
        "histogram": _histogram(view),
        "coverage": "" if view.detector_map is None else with_unit(math.floor(100 * view.detector_map.coverage), "%"),
        "ring": _ring(view),
        **_probe_texts(view),
    }  # fmt: skip


def saturated_text(pattern: LivePattern) -> str:
    """How many pixels of a pattern are saturated; empty = none."""
    count = saturated_px(pattern.values)
    return f"▲ {fixed(count)} px saturated" if count else ""


def _why_empty(view: LiveView) -> str:
    """What stands where the map of choice would be."""
    reason = view.frame.snapshot.not_made.get(view.choice, "")
    if reason:
        return f"not made: {reason}"
    if view.choice == DETECTOR_MAP:
        return "asking the service …"
    return "no model yet" if view.choice == "misfit" or view.choice.startswith(LATENT) else "no data yet"


def _ring(view: LiveView) -> dict[str, float] | None:
    """The virtual detector whose map is there."""
    made = view.detector_map
    return None if made is None or made.ring is None else asdict(made.ring)


def _pattern_geometry(view: LiveView) -> dict[str, Any]:
    """What a page needs to say where on the detector something is: px = coordinate / scale + centre."""
    calibration = view.frame.snapshot.calibration
    scale, unit = pattern_scale(calibration)
    centre = beam_centre_px(view.pattern.frame_shape, calibration)
    radius = calibration.disc_radius_px
    disc = radius if radius is not None and math.isfinite(radius) else min(view.pattern.frame_shape) / 6
    return {"scale": scale, "unit": unit, "centre_ky": centre[0], "centre_kx": centre[1], "disc_px": disc}


def _histogram(view: LiveView) -> dict[str, Any] | None:
    made = view.histogram()
    if made is None:
        return None
    return {
        "panel": view.wishes.histogram,
        "counts": made.counts,
        "low": made.low,
        "high": made.high,
        "log": made.is_log,
    }


def bar(painted: Painted) -> dict[str, Any]:
    """The ends of a colour bar."""
    limits = painted.limits
    middle = (limits.low + limits.high) / 2
    texts = {"low_text": scale_end(limits.low), "mid_text": scale_end(middle), "high_text": scale_end(limits.high)}
    return {"low": limits.low, "high": limits.high, "unit": "" if painted.unit == "1" else painted.unit, **texts}


def pattern_bar(painted: Painted, linear: bool) -> dict[str, Any]:
    """The ends of a pattern's colour bar, whose last colour says saturated."""
    return (bar if linear else log_bar)(painted) | {"saturated_level": LEVELS}


def log_bar(painted: Painted) -> dict[str, Any]:
    """The ends of a logarithmic colour bar; the limits of `painted` are log10."""
    low, high = painted.limits.low, painted.limits.high
    low_text, mid_text, high_text = (_round_count(10**x) for x in (low, (low + high) / 2, high))
    texts = {"low_text": low_text, "mid_text": mid_text, "high_text": high_text}
    return {"low": 10**low, "high": 10**high, "unit": painted.unit, "log": True, **texts}


def _round_count(value: float) -> str:
    return scale_end(float(f"{value:.1e}"))


def _probe_texts(view: LiveView) -> dict[str, Any]:
    position, maps = view.pattern.position, view.frame.snapshot.maps
    told: dict[str, Any] = {"position": "", "com": UNKNOWN, "at": None, "pinned": view.wishes.pinned is not None}
    rows, columns = view.frame.snapshot.scan_shape
    if position is None or not (position[0] < rows and position[1] < columns):
        return told
    com = com_text(maps, view.frame.snapshot.units, position)
    return told | {"position": f"y {position[0]}, x {position[1]}", "com": com, "at": list(position)}


def com_text(maps: Mapping[str, Float32Array], units: Mapping[str, str], position: tuple[int, int]) -> str:
    """Length and direction of the COM at a position (y, x)."""
    magnitude, direction = maps.get("com_magnitude"), maps.get("com_direction")
    if magnitude is None or direction is None:
        return UNKNOWN
    length = with_unit(float(magnitude[position]), units.get("com_magnitude", ""), 2)
    angle = with_unit(math.degrees(float(direction[position])), "°")
    return f"{length} ∠ {angle}" if UNKNOWN not in (length, angle) else UNKNOWN
