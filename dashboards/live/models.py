"""The Bokeh models of one live page; a document of its own for every session."""

from __future__ import annotations

import math
from typing import Any

from bokeh.models import ColumnDataSource, CustomJS
from bokeh.plotting import figure as Figure  # noqa: N812  # it is a class

from dashboards.pictures.arrows import no_arrows
from dashboards.pictures.figures import (
    add_arrows,
    add_com_cross,
    add_crosshair,
    add_image,
    add_outline,
    add_probe,
    add_rings,
    image_figure,
    latent_figure,
    ranges,
    report_drags,
    report_taps,
    set_square,
    show_unit,
)
from dashboards.pictures.map_styles import style_of
from dashboards.pictures.palettes import palette
from dashboards.pictures.placement import PIXELS, Placement
from dashboards.pictures.wishes import FIRST_CHOICE
from dashboards.views.columns import density_columns, empty_measured, empty_model, empty_outline
from dashboards.views.view import LiveView

MAPS = ("magnitude", "direction", "rotation", "chosen")


class LiveModels:
    """Sources and figures; `figures` become the document's roots, by their names.

    `reply` is the only source whose changes leave the page: which push it painted, what it wishes
    (`wishes.py`), and what it orders (`orders.py`). The page's own marks are `crosshair`, `rings` and `lasso`.
    """

    def __init__(self) -> None:
        self.measured = _source("measured", empty_measured())
        self.modelled = _source("modelled", empty_model())
        self.scatter = _source("scatter", {"x": [], "y": [], "colour": []})
        self.density = _source("density", density_columns(None))
        self.outline = _source("outline", empty_outline())
        self.arrows = _source("arrows", dict(no_arrows()))
        self.status = _source("status", {"text": ["{}"]})
        self.trends = _source("trends", {"text": ["{}"]})
        self.crosshair = _source("crosshair", {"x": [math.nan], "y": [math.nan]})
        self.rings = _source("rings", {"x": [], "y": [], "radius": []})
        self.lasso = _source("lasso", {"x": [], "y": []})
        self.reply = ColumnDataSource({"push": [0], "wish": ["{}"], "order": ["{}"]}, name="reply")
        self._map_ranges, self._pattern_ranges = ranges(), ranges()
        self._place: Placement | None = None
        self._pattern_place: Placement | None = None
        self._extent = 4.0
        self._palette = style_of(FIRST_CHOICE).palette
        self.figures = self._make_figures()

    def _make_figures(self) -> list[Figure]:
        maps = [image_figure(name, self._map_ranges, (PIXELS, "nm")) for name in MAPS]
        magnitude, direction, rotation, chosen = maps
        pattern = image_figure("pattern", self._pattern_ranges, (PIXELS, "mrad"))
        add_image(magnitude, self.measured, "magnitude", "map", "inferno")
        add_image(direction, self.measured, "direction", "map", "direction")
        add_image(rotation, self.modelled, "rotation", "map", None)
        self.chosen_mapper = add_image(chosen, self.measured, "chosen", "map", self._palette)
        add_image(pattern, self.measured, "pattern", "pattern", "viridis")
        add_arrows(direction, self.arrows)
        for plot, name in zip(maps, MAPS, strict=True):
            add_outline(plot, self.outline)
            add_crosshair(plot, self.crosshair)
            add_probe(plot, self.measured)
            report_taps(plot, name)
        add_com_cross(pattern, self.measured)
        add_rings(pattern, self.rings)
        report_drags(pattern)
        latents = latent_figure("latents", self.scatter, self.density, self.lasso)
        return [magnitude, direction, pattern, rotation, chosen, latents]

    def place(self, view: LiveView) -> None:
        """Ranges and scale bars as `view` needs them; touched only when they change, so a zoom stays."""
        frame = view.frame
        if 0 not in frame.snapshot.scan_shape and frame.map_placement != self._place:
            self._place = frame.map_placement
            set_square(self._map_ranges, self._place.square())
            for plot in self.figures:
                if plot.x_range is self._map_ranges[0]:
                    show_unit(plot, self._place.unit)
        if view.pattern.values is None:
            return
        place = view.pattern.placement(frame.snapshot.calibration)
        if place != self._pattern_place:
            self._pattern_place = place
            set_square(self._pattern_ranges, place.square())
            show_unit(self.figures[2], place.unit)

    def place_latents(self, view: LiveView) -> None:
        """Latent space as wide as its points need, its axes with their names."""
        plot, extent = self.figures[-1], view.frame.latents(*view.latents).extent
        if extent != self._extent:
            self._extent = extent
            for side in (plot.x_range, plot.y_range):
                side.update(start=-extent, end=extent, reset_start=-extent, reset_end=extent)
        for axis, name in zip((plot.xaxis, plot.yaxis), view.latents, strict=True):
            axis.axis_label = f"z{name.removeprefix('latent_')}"

    def colour_choice(self, choice: str) -> None:
        """The palette of map `choice` in the panel of choice."""
        name = style_of(choice).palette
        if name != self._palette and self.chosen_mapper is not None:
            self._palette = name
            self.chosen_mapper.palette = palette(name)

    def hook(self) -> CustomJS:
        """Hands the sources to the page's own script."""
        made = (self.measured, self.modelled, self.scatter, self.status, self.trends, self.reply)
        sources = {source.name: source for source in (*made, self.crosshair, self.rings, self.lasso)}
        script = CustomJS(args={"sources": sources}, code="window.streamRrvae.start(sources)")
        # A model that no root refers to would not be sent.
        self.figures[0].js_on_change("tags", script)
        return script


def _source(name: str, columns: dict[str, Any]) -> ColumnDataSource:
    """A source that only the server, or only the page, writes for itself."""
    return ColumnDataSource(columns, name=name, syncable=False)
