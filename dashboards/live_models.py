"""The Bokeh models of one live page; a document of its own for every session."""

from __future__ import annotations

from bokeh.models import ColumnDataSource, CustomJS
from bokeh.plotting import figure as Figure  # noqa: N812  # it is a class

from dashboards.figures import (
    add_com_cross,
    add_image,
    add_probe,
    image_figure,
    latent_figure,
    ranges,
    set_square,
    show_unit,
)
from dashboards.live_columns import empty_measured, empty_model
from dashboards.map_styles import style_of
from dashboards.palettes import palette
from dashboards.placement import PIXELS, Placement
from dashboards.view_frame import ViewFrame

FIRST_CHOICE = "latent_1"


class LiveModels:
    """Sources and figures; `figures` become the document's roots, by their names.

    `reply` is the only source that the page writes: which push it painted, which map it
    wants in the panel of choice, and whether it is frozen.
    """

    def __init__(self) -> None:
        self.measured = ColumnDataSource(empty_measured(), name="measured", syncable=False)
        self.modelled = ColumnDataSource(empty_model(), name="modelled", syncable=False)
        self.scatter = ColumnDataSource({"x": [], "y": [], "colour": []}, name="scatter", syncable=False)
        self.status = ColumnDataSource({"text": ["{}"]}, name="status", syncable=False)
        self.reply = ColumnDataSource({"push": [0], "map": [FIRST_CHOICE], "frozen": [False]}, name="reply")
        self._map_ranges, self._pattern_ranges = ranges(), ranges()
        self._place: Placement | None = None
        self._pattern_place: Placement | None = None
        self._extent = 4.0
        self._palette = style_of(FIRST_CHOICE).palette
        self.figures = self._make_figures()

    def _make_figures(self) -> list[Figure]:
        maps = [
            image_figure(n, self._map_ranges, (PIXELS, "nm")) for n in ("magnitude", "direction", "rotation", "chosen")
        ]
        magnitude, direction, rotation, chosen = maps
        pattern = image_figure("pattern", self._pattern_ranges, (PIXELS, "mrad"))
        add_image(magnitude, self.measured, "magnitude", "map", "inferno")
        add_image(direction, self.measured, "direction", "map", "direction")
        add_image(rotation, self.modelled, "rotation", "map", None)
        self.chosen_mapper = add_image(chosen, self.measured, "chosen", "map", self._palette)
        add_image(pattern, self.measured, "pattern", "pattern", "viridis")
        for plot in maps:
            add_probe(plot, self.measured)
        add_com_cross(pattern, self.measured)
        return [magnitude, direction, pattern, rotation, chosen, latent_figure("latents", self.scatter)]

    def place(self, frame: ViewFrame) -> None:
        """Ranges and scale bars as `frame` needs them; touched only when they change, so a zoom stays."""
        if 0 not in frame.snapshot.scan_shape and frame.map_placement != self._place:
            self._place = frame.map_placement
            set_square(self._map_ranges, self._place.square())
            for plot in self.figures:
                if plot.x_range is self._map_ranges[0]:
                    show_unit(plot, self._place.unit)
        if frame.snapshot.pattern is not None and frame.pattern_placement != self._pattern_place:
            self._pattern_place = frame.pattern_placement
            set_square(self._pattern_ranges, self._pattern_place.square())
            show_unit(self.figures[2], self._pattern_place.unit)

    def place_latents(self, frame: ViewFrame) -> None:
        """Latent space as wide as its points need."""
        extent = frame.scatter_extent
        if extent != self._extent:
            self._extent = extent
            for axis in (self.figures[-1].x_range, self.figures[-1].y_range):
                axis.update(start=-extent, end=extent, reset_start=-extent, reset_end=extent)

    def colour_choice(self, choice: str) -> None:
        """The palette of map `choice` in the panel of choice."""
        name = style_of(choice).palette
        if name != self._palette and self.chosen_mapper is not None:
            self._palette = name
            self.chosen_mapper.palette = palette(name)

    def hook(self) -> CustomJS:
        """Hands the sources to the page's own script."""
        sources = {s.name: s for s in (self.measured, self.modelled, self.scatter, self.status, self.reply)}
        script = CustomJS(args={"sources": sources}, code="window.streamRrvae.start(sources)")
        # A model that no root refers to would not be sent.
        self.figures[0].js_on_change("tags", script)
        return script
