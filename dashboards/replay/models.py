"""The Bokeh models of one replay page; a document of its own for every session."""

from __future__ import annotations

import math

from bokeh.models import ColumnDataSource, CustomJS
from bokeh.plotting import figure as Figure  # noqa: N812  # it is a class

from dashboards.pictures.figures import (
    add_com_cross,
    add_crosshair,
    add_image,
    image_figure,
    ranges,
    report_taps,
    set_square,
    show_unit,
)
from dashboards.pictures.map_styles import style_of
from dashboards.pictures.palettes import palette
from dashboards.pictures.placement import PIXELS, Placement
from dashboards.pictures.wishes import Contrast
from dashboards.replay.pattern import ShownPattern, empty_pattern
from dashboards.replay.recorded_run import Run
from dashboards.replay.state import SIDES
from dashboards.replay.view import ROTATION_MAP, empty_side

PANELS = ("magnitude", "direction", "chosen", "pattern")
FIRST_CHOICE = ROTATION_MAP


class SideModels:
    """Sources and figures of one of two runs beside each other."""

    def __init__(self, side: str) -> None:
        self.maps = ColumnDataSource(empty_side(), name=f"maps-{side}", syncable=False)
        self.pattern = ColumnDataSource(empty_pattern(), name=f"pattern-{side}", syncable=False)
        self.cross = ColumnDataSource({"x": [math.nan], "y": [math.nan]}, name=f"cross-{side}", syncable=False)
        self._map_ranges, self._pattern_ranges = ranges(), ranges()
        self._place: Placement | None = None
        self._pattern_place: Placement | None = None
        self._palette = style_of(FIRST_CHOICE).palette
        maps = [image_figure(f"{side}-{name}", self._map_ranges, (PIXELS, "nm")) for name in PANELS[:3]]
        add_image(maps[0], self.maps, "magnitude", "map", "inferno")
        add_image(maps[1], self.maps, "direction", "map", "direction")
        self._chosen_mapper = add_image(maps[2], self.maps, "chosen", "map", self._palette)
        add_image(maps[2], self.maps, "turned", "map", None)
        for plot in maps:
            add_crosshair(plot, self.cross)
            report_taps(plot, str(plot.name))
        pattern = image_figure(f"{side}-pattern", self._pattern_ranges, (PIXELS, "mrad"))
        add_image(pattern, self.pattern, "pattern", "pattern", "pattern")
        add_com_cross(pattern, self.pattern)
        self.figures: list[Figure] = [*maps, pattern]

    def place(self, box: Placement) -> None:
        """Ranges and scale bars of the maps; touched only when they change, so a zoom stays."""
        if box != self._place:
            self._place = box
            set_square(self._map_ranges, box.square())
            for plot in self.figures[:3]:
                show_unit(plot, box.unit)

    def place_pattern(self, box: Placement) -> None:
        """The same for the pattern."""
        if box != self._pattern_place:
            self._pattern_place = box
            set_square(self._pattern_ranges, box.square())
            show_unit(self.figures[3], box.unit)

    def colour_choice(self, choice: str) -> None:
        """The palette of map `choice` in the panel of choice."""
        name = style_of(choice).palette
        if name != self._palette and self._chosen_mapper is not None:
            self._palette = name
            self._chosen_mapper.palette = palette(name)

    def show_pattern(self, run: Run, shown: ShownPattern | None, contrast: Contrast | None = None) -> None:
        """A pattern of `run`, or none, under limits in counts or its own."""
        if shown is None:
            self.pattern.data = empty_pattern()
            return
        self.place_pattern(shown.box(run))
        self.pattern.data = shown.columns(run, contrast)

    def show_cross(self, at: tuple[float, float]) -> None:
        """The crosshair of the maps at x, y; touched only when it moves."""
        columns = {"x": [at[0]], "y": [at[1]]}
        if columns != self.cross.data:
            self.cross.data = columns


class ReplayModels:
    """`reply` is the only source that the page writes: which push it painted, and what is to be done."""

    def __init__(self) -> None:
        self.sides = {side: SideModels(side) for side in SIDES}
        self.listed = ColumnDataSource({"text": ["{}"]}, name="listed", syncable=False)
        self.runs = ColumnDataSource({"text": ["{}"]}, name="runs", syncable=False)
        self.status = ColumnDataSource({"text": ["{}"]}, name="status", syncable=False)
        self.reply = ColumnDataSource({"push": [0], "number": [0], "command": ["{}"]}, name="reply")

    @property
    def figures(self) -> list[Figure]:
        """The document's roots, by their names."""
        return [plot for side in self.sides.values() for plot in side.figures]

    def hook(self) -> CustomJS:
        """Hands the sources to the page's own script."""
        sources = [self.listed, self.runs, self.status, self.reply]
        for side in self.sides.values():
            sources += [side.maps, side.pattern, side.cross]
        script = CustomJS(
            args={"sources": {source.name: source for source in sources}}, code="window.streamRrvae.start(sources)"
        )
        # A model that no root refers to would not be sent.
        self.figures[0].js_on_change("tags", script)
        return script
