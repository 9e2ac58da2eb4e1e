"""Everything that the replay page shows as text, as plain data; the page puts it in as text, never as HTML."""

from __future__ import annotations

import math
from typing import Any

from dashboards.feeds.readings import geometry
from dashboards.pictures.numbers_text import UNKNOWN, fixed, with_unit
from dashboards.replay.recorded_run import Run
from dashboards.replay.state import ReplayState
from dashboards.replay.view import ReplayView, map_title

_NAMES = {"undecodable": "damaged", "copy": "copies", "overflow": "outside"}
_OF_MODEL = ("decoder", "latents", "began_with")
_FIGURES = {
    "pearson_latent_com": "r(z, COM)",
    "circular_correlation_rotation_com": "circ. corr.",
    "heldout_loglikelihood": "log-lik.",
}


def replay_status(state: ReplayState) -> dict[str, Any]:
    """Where the player stands, and what is chosen."""
    player, wish = state.player, state.wish
    shown = state.shown[0].view if state.shown else None
    choices = [(name, _offered(name, shown)) for name in shown.choices] if shown else []
    return {
        "playing": player.playing, "place": player.place, "total": player.total,
        "frame_text": f"{fixed(player.place)} / {fixed(player.total)}",
        "elapsed_text": f"+{clock(player.elapsed_s)} / {clock(player.duration_s)}",
        "speed": 0 if math.isinf(player.speed) else player.speed,
        "choice": wish.choice, "choices": choices, "contrast": wish.contrast, "same": wish.is_same,
        "probe": list(wish.probe) if wish.probe else None,
        "a": state.sides["a"].id, "b": state.sides["b"].id, "results": state.sides["a"].results,
        "lock": ";".join(f"{name}:{held.low:.6g}:{held.high:.6g}" for name, held in wish.held.items()),
        "held": wish.is_held, "notice": state.notice,
    }  # fmt: skip


def _offered(name: str, shown: ReplayView) -> str:
    return map_title(name) + (" (not made)" if name in shown.run.not_made else "")


def clock(seconds: float) -> str:
    """m:ss.t, or h:mm:ss.t from an hour on."""
    minutes, rest = divmod(max(0.0, seconds), 60)
    hours, minutes = divmod(int(minutes), 60)
    text = f"{minutes:02}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"
    return f"{hours}:{text}" if hours else text


def run_told(run: Run) -> dict[str, Any]:
    """A run's facts, and its time bar."""
    return {
        "id": run.id, "results": run.results, "title": run.scan_id or run.name, "name": run.name,
        "total": run.total, "columns": run.scan_shape[1], "rows": run.scan_shape[0],
        "gaps": run.gaps.astype(int).tolist(), "marks": run.marks.astype(int).tolist(),
        "marks_left_out": run.marks_left_out, "flags": dict(run.flags), "axes": run.axes,
        "has_maps": bool(run.names), "summary": _summary(run), "notes": list(run.notes),
        "model": model_text(run.made_by), "analyses": [_analysis(made) for made in run.analyses],
        "tables": {"recording": _recording(run), "model": _model(run), "geometry": geometry(run.calibration)},
    }  # fmt: skip


def size_text(size_bytes: float) -> str:
    """Bytes in the unit that fits, of 1000."""
    for unit in ("B", "kB", "MB", "GB"):
        if size_bytes < 999.5:
            return with_unit(size_bytes, unit, 0 if unit == "B" or size_bytes >= 99.5 else 1)
        size_bytes /= 1000
    return with_unit(size_bytes, "TB", 1)


def model_text(made_by: Any) -> str:
    """What made the maps, in a few words: mode, decoder and version."""
    if not made_by:
        return "no maps"
    model = made_by.get("model", {})
    version = int(made_by.get("version", 0))
    if not model:
        return "no model"
    words = [
        made_by.get("mode", ""), model.get("decoder", ""), f"v{version}" if version else "",
        str(model.get("sha256", ""))[:8],
    ]  # fmt: skip
    return " ".join(str(word) for word in words if word)


def _summary(run: Run) -> str:
    rows, columns = run.scan_shape
    seconds = float(run.seconds[1, -1]) if run.seconds.shape[1] else 0.0
    rate = f" @ {with_unit(run.frames / seconds, 'fps')}" if seconds > 0.01 else ""
    return f"{rows} × {columns}{rate}"


def _recording(run: Run) -> list[tuple[str, str]]:
    rows, columns = run.scan_shape
    kinds = {int(bit): name for bit, name in run.flags.items()}
    counts = {name: sum(int(flag) & bit > 0 for _, flag in run.marks.tolist()) for bit, name in kinds.items()}
    marks = "+" if run.marks_left_out else ""
    return [
        ("scan", f"{rows} × {columns}"),
        ("frames", fixed(run.frames)),
        ("missing", fixed(run.missing)),
        *((_NAMES.get(name, name), f"{fixed(count)}{marks}") for name, count in counts.items() if count),
        ("pixels", f"{run.frame_shape[0]} × {run.frame_shape[1]} {run.pixel_type}"),
        ("size", size_text(run.size_bytes)),
        ("vectors in", f"{run.axes} axes"),
    ]


def _model(run: Run) -> list[tuple[str, str]]:
    made_by = run.made_by
    if not made_by:
        return [("", "no maps: analyse it")]
    version = int(made_by.get("version", 0))
    model = made_by.get("model", {})
    rows = [("mode", str(made_by.get("mode", UNKNOWN))), ("version", f"v{version}" if version else UNKNOWN)]
    rows += [(name.replace("_", " "), str(model[name])) for name in _OF_MODEL if name in model]
    if "sha256" in model:
        rows.append(("sha-256", f"{str(model['sha256'])[:12]}…"))
    for name, label in _FIGURES.items():
        if name in run.quality:
            value = run.quality[name]
            values = value if isinstance(value, list) else [value]
            rows.append((label, " ".join(fixed(float(each), 2) for each in values[:4])))
    return rows


def _analysis(made: Any) -> dict[str, Any]:
    return {"id": made.get("id", ""), "name": made.get("name", ""), "model": made.get("problem") or model_text(made)}
