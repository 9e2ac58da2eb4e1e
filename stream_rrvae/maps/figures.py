"""The figures of a report, in the manner of the literature: vectors, latents, what the latents say, images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stream_rrvae.maps.figures_parts import (
    DIRECTION,
    MAP_INCHES,
    ROTATION,
    as_png,
    cyclic_colours,
    cyclic_map,
    letter,
    new_figure,
    paper_style,
    scalar_map,
)
from stream_rrvae.maps.manifold import UNUSED_SPREAD
from stream_rrvae.maps.report_data import ReportData

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LETTERS = "abcdefghijkl"
LARGEST_SCATTER = 6000  # points; more are thinned out evenly


def vector_figure(data: ReportData) -> bytes:
    """COM magnitude, COM direction and, where there is a model, the rotation with its confidence as opacity."""
    learnt = bool(np.isfinite(data.maps["rotation"]).any())
    with paper_style():
        figure, axes = _row(data, 3 if learnt else 2)
        scalar_map(figure, axes[0], data, "com_magnitude", "inferno")
        letter(axes[0], "a", "COM magnitude")
        cyclic_map(axes[1], data, "com_direction", DIRECTION)
        letter(axes[1], "b", "COM direction")
        if learnt:
            cyclic_map(axes[2], data, "rotation", ROTATION, data.maps["rotation_confidence"])
            letter(axes[2], "c", "rrVAE rotation")
        return as_png(figure)


def latent_figure(data: ReportData) -> bytes | None:
    """Each latent with its Pearson r; None without a model."""
    count = len(data.latents)
    if not count:
        return None
    r = data.figure("pearson_latent_com")
    with paper_style():
        figure, axes = _row(data, count)
        for number, place in enumerate(axes):
            scalar_map(figure, place, data, f"latent_{number + 1}", "coolwarm", symmetric=True)
            said = f",  r = {r[number]:+.4f}" if number < r.size else ""
            if float(np.nanstd(data.latents[number])) < UNUSED_SPREAD:
                said += " (unused)"
            letter(place, LETTERS[number], f"latent {number + 1}{said}".replace("-", "\u2212"))
        return as_png(figure)


def relation_figure(data: ReportData) -> bytes | None:
    """Latents against one another or the COM, rotation against direction, and the training; None without a model."""
    if not data.latents:
        return None
    history = data.figure("heldout_history")
    with paper_style():
        figure = new_figure(8.6, 2.2)
        axes = list(figure.subplots(1, 3 + bool(history.size > 1), gridspec_kw={"wspace": 0.06}))
        _latent_scatter(figure, axes[0], axes[1], data)
        _rotation_scatter(axes[2], data)
        if history.size > 1:
            _training(axes[3], history)
        return as_png(figure)


def image_figure(data: ReportData) -> bytes:
    """Virtual detectors and, where they are known, the integrated COM and the misfit."""
    names = [("bright_field", "bright field", "gray"), ("annular_dark_field", "annular dark field", "gray")]
    if np.isfinite(data.maps["dpc_phase"]).any():
        names.append(("dpc_phase", "projected phase (iCOM)", "gray"))
    if np.isfinite(data.maps.get("misfit", np.empty(0))).any():
        names.append(("misfit", "misfit of the model (\u03c3)", "viridis"))
    with paper_style():
        figure, axes = _row(data, len(names))
        for place, character, (name, title, cmap) in zip(axes, LETTERS, names, strict=False):
            scalar_map(figure, place, data, name, cmap)
            letter(place, character, title)
        return as_png(figure)


def _row(data: ReportData, count: int) -> tuple[Figure, list[Axes]]:
    rows, columns = data.maps["sum"].shape
    tall = rows * data.step[0] / (columns * data.step[1])
    figure = new_figure(MAP_INCHES * 1.22 * count, max(1.3, min(MAP_INCHES * tall, 6.0) + 0.45))
    return figure, list(np.atleast_1d(figure.subplots(1, count)))


def _latent_scatter(figure: Figure, first: Axes, second: Axes, data: ReportData) -> None:
    """z1 over z2 (over |COM| where there is one latent), coloured by COM magnitude and by COM direction."""
    magnitude, direction = data.maps["com_magnitude"].ravel(), data.maps["com_direction"].ravel()
    z = [latent.ravel() for latent in data.latents[:2]]
    across, label = (z[1], "latent 2") if len(z) > 1 else (magnitude, f"|COM| ({data.units['com_magnitude']})")
    known = _thinned(np.isfinite(z[0]) & np.isfinite(across) & np.isfinite(direction))
    dots = first.scatter(z[0][known], across[known], c=magnitude[known], s=2, cmap="inferno", linewidths=0)
    bar = figure.colorbar(dots, ax=first, fraction=0.05, pad=0.03)
    bar.set_label(data.units["com_magnitude"], labelpad=2)
    bar.ax.tick_params(length=2, pad=1.5)
    second.scatter(z[0][known], across[known], c=cyclic_colours(direction[known], DIRECTION), s=2, linewidths=0)
    for axes, character, title in ((first, "a", "latents by |COM|"), (second, "b", "latents by COM direction")):
        axes.set(xlabel="latent 1", ylabel=label)
        _plain(axes)
        letter(axes, character, title)


def _rotation_scatter(axes: Axes, data: ReportData) -> None:
    """Rotation over COM direction; larger COM, darker dot."""
    direction, rotation = (np.degrees(data.maps[name].ravel()) for name in ("com_direction", "rotation"))
    magnitude = data.maps["com_magnitude"].ravel()
    known = _thinned(np.isfinite(direction) & np.isfinite(rotation))
    shade = np.clip(magnitude[known] / max(float(np.nanquantile(magnitude, 0.95)), 1e-12), 0.03, 1.0)
    axes.scatter(direction[known], rotation[known], s=2, color="#1f4e79", alpha=0.6 * shade, linewidths=0)
    ticks = (-180, -90, 0, 90, 180)
    axes.set(xlabel="COM direction (°)", ylabel="rotation (°)", xticks=ticks, yticks=ticks)
    _plain(axes)
    letter(axes, "c", "rotation against COM")


def _training(axes: Axes, history: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    axes.plot(np.arange(1, history.size + 1), history, "o-", ms=3, lw=1, color="#1f4e79")
    axes.set(xlabel="model version", ylabel="held-out log-likelihood (nat)")
    axes.locator_params(axis="x", integer=True)
    _plain(axes)
    letter(axes, "d", "training")


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(length=2.5, pad=2)


def _thinned(known: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> np.ndarray[tuple[int, ...], np.dtype[np.intp]]:
    """Indices of what is known, at most about `LARGEST_SCATTER` of them."""
    indices = np.flatnonzero(known)
    return np.asarray(indices[:: max(1, -(-indices.size // LARGEST_SCATTER))])
