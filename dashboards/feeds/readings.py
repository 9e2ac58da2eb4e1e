"""Everything that a page shows as text, as plain data; the page puts it in as text, never as HTML."""

from __future__ import annotations

import math
import time
from typing import Any

from dashboards.feeds.feed_state import AMISS, clock_text, feed_state, last_good_unix_s
from dashboards.feeds.live_feed import LiveFeed
from dashboards.feeds.scan_history import SeenScan
from dashboards.feeds.view_frame import ViewFrame
from dashboards.pictures.map_styles import style_of
from dashboards.pictures.numbers_text import UNKNOWN, duration, fixed, seconds, with_unit
from stream_rrvae.messages import Calibration, Plain, ScanState, Snapshot

ROTATION_UNSET = "not set"
SCAN_SHAPES = {ScanState.IDLE: "○", ScanState.RUNNING: "●", ScanState.COMPLETE: "✓", ScanState.ABORTED: "▲"}
SHARDS_SHOWN = 8
NAME_CHARS = 8


def status(feed: LiveFeed) -> dict[str, Any]:
    """The status of `feed` now, the same for all pages."""
    state = feed_state(feed)
    told: dict[str, Any] = {
        "word": state.word,
        "shape": state.shape,
        "kind": state.kind,
        "reason": state.reason,
        "stale": state.stale,
        "clock": clock_text(time.time()),
        "malformed": fixed(feed.malformed),
    }
    if feed.newest is None:
        return told | {"instrument": feed.url, "scan": "", "cells": {}, "tables": {}, "fraction": None}
    snapshot = feed.newest.snapshot
    age_s = feed.clock() - feed.newest.received_s
    return told | {
        "instrument": snapshot.instrument,
        "scan": _scan_text(snapshot),
        "scan_id": snapshot.scan_id,
        "recorded": bool(snapshot.scan_id) and snapshot.health.frames_recorded > 0,
        "since": clock_text(last_good_unix_s(snapshot)),
        "axes": snapshot.axes,
        "choices": _choices(feed.newest),
        "tables": {
            "frames": _frames(snapshot),
            "model": _model(snapshot),
            "geometry": [*geometry(snapshot.calibration), ("descan", _descan(snapshot))],
            "scans": _scans(feed),
        },
        **_progress(snapshot),
        "cells": _cells(snapshot, age_s),
        "labels": _labels(snapshot),
        "rotation": _rotation(snapshot),
    }


def _choices(frame: ViewFrame) -> list[tuple[str, str]]:
    """Names and titles for the panel of choice: maps there are, then those that cannot be made."""
    made = [(name, style_of(name).title) for name in frame.choices]
    lacking = [name for name in frame.snapshot.not_made if name not in frame.snapshot.maps]
    return made + [(name, f"{style_of(name).title} (not made)") for name in lacking]


def _scan_text(snapshot: Snapshot) -> str:
    rows, columns = snapshot.scan_shape
    texts = [snapshot.scan_id] if snapshot.scan_id else []
    texts += [str(snapshot.metadata[name]) for name in ("sample", "specimen") if snapshot.metadata.get(name)]
    return " · ".join([*texts, f"{rows} × {columns}"]) if rows else "no scan"


def _progress(snapshot: Snapshot) -> dict[str, Any]:
    total = snapshot.scan_shape[0] * snapshot.scan_shape[1]
    if not total:
        return {"fraction": None, "percent": UNKNOWN, "eta": UNKNOWN}
    done = min(max(snapshot.counters.processed, 0), total)
    rate = snapshot.health.rate_fps
    running = snapshot.state is ScanState.RUNNING and rate > 0
    # Rounded down, so that 100 % means all of it.
    percent = math.floor(100 * done / total)
    eta = duration((total - done) / rate) if running else UNKNOWN
    return {"fraction": done / total, "percent": f"{percent} %", "eta": eta}


def _cells(snapshot: Snapshot, age_s: float) -> dict[str, Plain]:
    """The numbers of the status line; what is false of them is under "alarm"."""
    health, counters, model = snapshot.health, snapshot.counters, snapshot.model
    turned = snapshot.calibration.detector_rotation_rad
    return {
        "rate": with_unit(health.rate_fps, "fps"),
        "latency": seconds(health.latency_p95_s),
        "age": with_unit(age_s, "s", 1),
        "missing": fixed(counters.missing),
        "refused": fixed(counters.refused + health.rejected_messages),
        "model": f"v{model.version} {model.state}" if model.version else model.state,
        "rotation": ROTATION_UNSET if turned is None else with_unit(math.degrees(turned), "°", 1),
        "scale": fixed(snapshot.calibration.mrad_per_px, 3),
        "shard": _shards(snapshot),
        "alarms": _alarms(snapshot),
    }


def _labels(snapshot: Snapshot) -> dict[str, str]:
    """Names of cells that also say where a value comes from."""
    scale = str(snapshot.calibration_origin.get("mrad_per_px", ""))
    told = {"rotation": ("rotation", snapshot.rotation_origin), "scale": ("mrad/px", scale)}
    return {name: " · ".join(filter(None, words)) for name, words in told.items()}


def _rotation(snapshot: Snapshot) -> dict[str, Any]:
    """The rotation as the page's control needs it."""
    turned = snapshot.calibration.detector_rotation_rad
    degrees = None if turned is None or not math.isfinite(turned) else round(math.degrees(turned), 2)
    flip, locked = snapshot.calibration.detector_flip, snapshot.rotation_locked
    return {"degrees": degrees, "flip": flip, "locked": locked, "found": _found_rotation(snapshot)}


def _found_rotation(snapshot: Snapshot) -> dict[str, Any] | None:
    """What the scan itself shows of the rotation, for the operator to take or leave."""
    found = None if snapshot.found is None else snapshot.found.rotation
    if found is None or not math.isfinite(found.rotation_rad):
        return None
    degrees = math.degrees(found.rotation_rad)
    text = f"{fixed(degrees, 1)} ± {fixed(math.degrees(found.error_rad), 1)}°{', flip' if found.flip else ''}"
    told = f"use {text}" if found.trusted else f"perhaps {text}"
    return {"degrees": round(degrees, 2), "flip": found.flip, "text": told}


def _shards(snapshot: Snapshot) -> str:
    """Which shards of a scan these maps are of."""
    if snapshot.shards:
        here = sum(each.state not in AMISS for each in snapshot.shards)
        return f"{here} of {len(snapshot.shards)}"
    return f"{snapshot.shard_id + 1} of {snapshot.shard_count}" if snapshot.shard_count > 1 else "one"


def _scans(feed: LiveFeed) -> list[tuple[str, str, str, str]]:
    """The last scans: the end of the name, what is missing, the whole name with how it ended, and the name alone."""
    return [
        (
            f"{shape} {shortened(each.scan_id)}",
            fixed(each.missing),
            f"{each.scan_id}: {end}, {fixed(each.processed)} frames, {fixed(each.missing)} missing",
            each.scan_id,
        )
        for place, each in enumerate(feed.history.newest_first())
        for shape, end in [_end(each, is_latest=place == 0)]
    ]


def _end(scan: SeenScan, is_latest: bool) -> tuple[str, str]:
    """Shape and word of how a scan ended; services publish their newest only, which may be the next one's."""
    if scan.state is ScanState.RUNNING and not is_latest:
        return UNKNOWN, "its end was not seen"
    return SCAN_SHAPES[scan.state], str(scan.state)


def shortened(name: str) -> str:
    """The end of a long name: that is where one scan differs from the next."""
    return name if len(name) <= NAME_CHARS else f"…{name[1 - NAME_CHARS :]}"


def _alarms(snapshot: Snapshot) -> list[str]:
    health, counters = snapshot.health, snapshot.counters
    found = {
        "missing": counters.missing > 0,
        "refused": counters.refused + health.rejected_messages > 0,
        "model": snapshot.model.state == "failed",
        "rotation": snapshot.calibration.detector_rotation_rad is None and bool(snapshot.scan_id),
    }
    return [name for name, wrong in found.items() if wrong]


def _frames(snapshot: Snapshot) -> list[tuple[str, str]]:
    counters = snapshot.counters
    names = ("expected", "received", "missing", "processed", "refused", "duplicate", "skipped", "reordered")
    rows = [(name, fixed(getattr(counters, name))) for name in names]
    rows += [(f"· {reason}", fixed(count)) for reason, count in sorted(counters.refusals.items()) if count][:4]
    shards = snapshot.shards[:SHARDS_SHOWN]
    return rows + [(f"shard {each.shard_id}", f"{fixed(each.counters.processed)} {each.state}") for each in shards]


def _model(snapshot: Snapshot) -> list[tuple[str, str]]:
    model = snapshot.model
    rows = [
        ("state", model.state),
        ("mode", model.mode),
        ("version", f"v{model.version}" if model.version else UNKNOWN),
    ]
    for name, label in _QUALITY.items():
        if name in model.quality:
            value = model.quality[name]
            values = value if isinstance(value, list) else [value]
            rows.append((label, " ".join(_quality(each) for each in values[:4])))
    restarts = snapshot.health.learner_restarts
    return rows + ([("restarts", fixed(restarts))] if restarts else []) + ([("", model.detail)] if model.detail else [])


_QUALITY = {
    "pearson_latent_com": "r(z, COM)",
    "circular_correlation_rotation_com": "circ. corr.",
    "angle_error_deg": "error, °",
    "heldout_loglikelihood": "log-lik.",
}


def _quality(value: Any) -> str:
    return fixed(float(value), 2) if isinstance(value, int | float) else UNKNOWN


def _descan(snapshot: Snapshot) -> str:
    """How far the pattern walks over the scan, and whether the COM maps are without it."""
    descan = snapshot.descan_removed or (snapshot.found.descan if snapshot.found else None)
    if descan is None:
        return UNKNOWN
    walk = max(math.hypot(*each) for each in descan.terms_px[:2])
    said = "taken out" if snapshot.descan_removed else "left in"
    return f"{with_unit(walk, 'px', 2)} · {said}" + ("" if descan.certain else " · uncertain")


def geometry(calibration: Calibration) -> list[tuple[str, str]]:
    """What is known of the geometry, in the units of the trade."""
    turned, step = calibration.detector_rotation_rad, calibration.scan_step_nm
    energy = calibration.beam_energy_ev
    return [
        ("rotation", ROTATION_UNSET if turned is None else with_unit(math.degrees(turned), "°", 1)),
        ("flip", "yes" if calibration.detector_flip else "no"),
        ("scale", with_unit(calibration.mrad_per_px, "mrad/px", 3)),
        ("semiangle", with_unit(calibration.semiangle_mrad, "mrad", 1)),
        ("step", UNKNOWN if step is None else with_unit(1000 * step[1], "pm", 1)),
        ("energy", UNKNOWN if energy is None else with_unit(energy / 1000, "keV")),
    ]
