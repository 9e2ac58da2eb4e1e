"""The Bokeh models of one live page; a document of its own for every session."""

from __future__ import annotations

import math
from typing import Any

from bokeh.models import ColumnDataSource, CustomJS
from bokeh.plotting import figure as Figure  # noqa: N812  # it is a class

from dashboards.feeds.view_frame import EMPTY_RGBA
from dashboards.pictures.arrows import no_arrows
from dashboards.pictures.figures import (
    add_arrows,
    add_crosshair,
    add_outline,
    add_rings,
    image_figure,
    latent_figure,
    ranges,
    report_drags,
    report_taps,
    set_square,
    show_unit,
)
from dashboards.pictures.palettes import DIFFRACTION, DIRECTED, SEQUENTIAL, rgba
from dashboards.pictures.placement import PIXELS, Placement
from dashboards.views.columns import box_columns, density_columns, empty_measured, empty_model, empty_outline
from dashboards.views.view import LiveView

MAPS = ("magnitude", "direction", "rotation", "chosen")


class LiveModels:
    """Sources and figures; `figures` become the document's roots, by their names.

    Sources are filled by what comes over the page's line (`line.py`), past Bokeh's server. No glyph draws `measured`,
    `modelled` or `scatter`: the page paints their pictures itself, under figures that have no ground, or into `cloud`.
    `reply` is the only source whose changes leave the page: what it wishes (`wishes.py`) and orders (`orders.py`). The
    page's own marks are `crosshair`, `rings` and `lasso`.
    """

    def __init__(self) -> None:
        self.measured = _source("measured", empty_measured())
        self.modelled = _source("modelled", empty_model())
        self.scatter = _source("scatter", {"x": [], "y": [], "colour": []})
        self.cloud = _source("cloud", {"cloud": [EMPTY_RGBA], **box_columns("box", Placement(0, 0, 1, 1, ""))})
        self.density = _source("density", density_columns(None))
        self.outline = _source("outline", empty_outline())
        self.arrows = _source("arrows", dict(no_arrows()))
        self.status = _source("status", {"text": ["{}"]})
        self.trends = _source("trends", {"text": ["{}"]})
        self.crosshair = _source("crosshair", {"x": [math.nan], "y": [math.nan]})
        self.rings = _source("rings", {"x": [], "y": [], "radius": []})
        self.lasso = _source("lasso", {"x": [], "y": []})
        self.palettes = _source("palettes", {name: [rgba(name)] for name in (*SEQUENTIAL, DIRECTED, DIFFRACTION)})
        self.reply = ColumnDataSource({"wish": ["{}"], "order": ["{}"]}, name="reply")
        self._map_ranges, self._pattern_ranges = ranges(), ranges()
        self._place: Placement | None = None
        self._pattern_place: Placement | None = None
        self._extent = 4.0
        self._latents = ("latent_1", "latent_2")
        self.figures = self._make_figures()

    def _make_figures(self) -> list[Figure]:
        maps = [image_figure(name, self._map_ranges, (PIXELS, "nm"), ground=None) for name in MAPS]
        magnitude, direction, rotation, chosen = maps
        pattern = image_figure("pattern", self._pattern_ranges, (PIXELS, "mrad"), ground=None)
        add_arrows(direction, self.arrows)
        for plot, name in zip(maps, MAPS, strict=True):
            add_outline(plot, self.outline)
            add_crosshair(plot, self.crosshair)
            report_taps(plot, name)
        add_rings(pattern, self.rings)
        report_drags(pattern)
        latents = latent_figure("latents", self.cloud, self.density, self.lasso)
        return [magnitude, direction, pattern, rotation, chosen, latents]

    def is_placed(self, view: LiveView) -> bool:
        """Whether `place` would change nothing."""
        return self._places(view) == (self._place, self._pattern_place)

    def _places(self, view: LiveView) -> tuple[Placement | None, Placement | None]:
        """Where maps and pattern are to lie; as before where there are none."""
        frame = view.frame
        place = self._place if 0 in frame.snapshot.scan_shape else frame.map_placement
        if view.pattern.values is None:
            return place, self._pattern_place
        return place, view.pattern.placement(frame.snapshot.calibration)

    def place(self, view: LiveView) -> None:
        """Ranges and scale bars as `view` needs them; touched only when they change, so a zoom stays."""
        place, pattern_place = self._places(view)
        if place is not None and place != self._place:
            self._place = place
            set_square(self._map_ranges, place.square())
            for plot in self.figures:
                if plot.x_range is self._map_ranges[0]:
                    show_unit(plot, place.unit)
        if pattern_place is not None and pattern_place != self._pattern_place:
            self._pattern_place = pattern_place
            set_square(self._pattern_ranges, pattern_place.square())
            show_unit(self.figures[2], pattern_place.unit)

    def are_latents_placed(self, latents: tuple[str, str], extent: float) -> bool:
        """Whether `place_latents` would change nothing."""
        return (latents, extent) == (self._latents, self._extent)

    def place_latents(self, latents: tuple[str, str], extent: float) -> None:
        """Latent space as wide as its points need, its axes with their names."""
        plot = self.figures[-1]
        if extent != self._extent:
            self._extent = extent
            for side in (plot.x_range, plot.y_range):
                side.update(start=-extent, end=extent, reset_start=-extent, reset_end=extent)
        self._latents = latents
        for axis, name in zip((plot.xaxis, plot.yaxis), latents, strict=True):
            axis.axis_label = f"z{name.removeprefix('latent_')}"

    def hook(self) -> CustomJS:
        """Hands the sources to the page's own script."""
        told = (self.measured, self.modelled, self.scatter, self.density, self.outline, self.arrows)
        marks = (self.crosshair, self.rings, self.lasso, self.cloud, self.palettes)
        sources = {source.name: source for source in (*told, self.status, self.trends, self.reply, *marks)}
        script = CustomJS(args={"sources": sources}, code="window.streamRrvae.start(sources)")
        # A model that no root refers to would not be sent.
        self.figures[0].js_on_change("tags", script)
        return script


def _source(name: str, columns: dict[str, Any]) -> ColumnDataSource:
    """A source that only the server, or only the page, writes for itself."""
    return ColumnDataSource(columns, name=name, syncable=False)
