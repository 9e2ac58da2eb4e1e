"""Figures of the pages: square, without chrome of their own, row 0 at the top, column 0 at the left."""

from __future__ import annotations

from bokeh.models import (
    ColumnDataSource,
    CustomJS,
    CustomJSTickFormatter,
    LassoSelectTool,
    LinearColorMapper,
    PanTool,
    Range1d,
    ResetTool,
    WheelZoomTool,
)
from bokeh.models.annotations import ScaleBar
from bokeh.models.annotations.dimensional import Metric
from bokeh.models.glyphs import Image, ImageRGBA
from bokeh.plotting import figure as Figure  # noqa: N812  # it is a class

from dashboards.pictures.palettes import palette
from dashboards.pictures.placement import PIXELS

UNVISITED = "#212832"  # what shows where nothing was measured
TEXT = "#c9d1db"
FAINT = "#3a4452"
TICKS = "#64748a"
FONT = "'Inter', 'Segoe UI', 'Helvetica Neue', 'DejaVu Sans', sans-serif"
_UNITS = {"rad": ["mrad"], "px": ["px"], "m": ["pm", "nm", "µm"]}
_SHORT_NUMBER = (
    "return (Math.abs(tick) < 1e4 ? String(Number(tick.toPrecision(4))) : tick.toExponential(0)).replaceAll('-', '−')"
)
_READ_OUT = "window.streamRrvae?.point(panel, cb_obj)"


def ranges() -> tuple[Range1d, Range1d]:
    """x and y, y downwards; what the page does to them stays in the page."""
    return Range1d(start=0, end=1, syncable=False), Range1d(start=1, end=0, syncable=False)


def set_square(pair: tuple[Range1d, Range1d], square: tuple[float, float, float, float]) -> None:
    """The ranges over `square` (x start, x end, y start, y end), also when they are reset."""
    x_start, x_end, y_start, y_end = square
    pair[0].update(start=x_start, end=x_end, reset_start=x_start, reset_end=x_end)
    pair[1].update(start=y_start, end=y_end, reset_start=y_start, reset_end=y_end)


def _bare_figure(name: str, x_range: Range1d, y_range: Range1d, border: str | None) -> Figure:
    """A figure without a frame or toolbar that is panned, zoomed by the wheel and reset."""
    wheel = WheelZoomTool()
    plot = Figure(
        name=name,
        x_range=x_range,
        y_range=y_range,
        tools=[PanTool(), wheel, ResetTool()],
        toolbar_location=None,
        sizing_mode="stretch_both",
        min_border=0,
        background_fill_color=UNVISITED,
        border_fill_color=border,
        outline_line_color=None,
    )
    plot.toolbar.active_scroll = wheel
    return plot


def image_figure(
    name: str, pair: tuple[Range1d, Range1d], units: tuple[str, ...], ground: str | None = UNVISITED
) -> Figure:
    """A figure that is all frame: its page gives it a square cell, title and colour bar. Without `ground` what is
    behind it shows."""
    plot = _bare_figure(name, *pair, border=ground)
    plot.background_fill_color = ground
    plot.axis.visible = False
    plot.grid.visible = False
    for unit in units:
        plot.add_layout(_scale_bar(unit))
    _report_pointer(plot, name)
    return plot


def show_unit(plot: Figure, unit: str) -> None:
    """Of the figure's scale bars, only the one in `unit`."""
    for bar in plot.below + plot.center:
        if isinstance(bar, ScaleBar):
            bar.visible = bar.name == unit


def add_image(
    plot: Figure, source: ColumnDataSource, column: str, box: str, colours: str | None
) -> LinearColorMapper | None:
    """The image `column` in the box of columns `box`_x, _y, _w, _h; rgba where there are no `colours`.

    Its mapper is fixed for good: 0 ... 255.
    """
    x, y, width, height = (f"{box}_{side}" for side in "xywh")
    if colours is None:
        plot.add_glyph(source, ImageRGBA(image=column, x=x, y=y, dw=width, dh=height))
        return None
    mapper = LinearColorMapper(palette=palette(colours), low=0, high=255)
    plot.add_glyph(source, Image(image=column, x=x, y=y, dw=width, dh=height, color_mapper=mapper))
    return mapper


def add_com_cross(plot: Figure, source: ColumnDataSource) -> None:
    """The beam's disc as a thin circle and the COM as a cross, light on dark so that both show on any colour."""
    plot.circle(
        "beam_x", "beam_y", radius="beam_r", source=source,
        fill_color=None, line_color="#ffffff", line_alpha=0.55, line_dash="dashed",
    )  # fmt: skip
    for colour, width in (("#000000", 4.0), ("#ffffff", 1.6)):
        plot.scatter("com_x", "com_y", source=source, marker="cross", size=20, line_color=colour, line_width=width)


def add_crosshair(plot: Figure, source: ColumnDataSource) -> None:
    """Dashed lines through the pinned position, from edge to edge."""
    for colour, dash in (("#000000", "solid"), ("#ffffff", "dashed")):
        plot.hspan(y="y", source=source, line_color=colour, line_dash=dash, line_width=1.2, line_alpha=0.8)
        plot.vspan(x="x", source=source, line_color=colour, line_dash=dash, line_width=1.2, line_alpha=0.8)


def add_outline(plot: Figure, source: ColumnDataSource) -> None:
    """The outline of the positions in the lasso."""
    colours = LinearColorMapper(palette=["#00000000", "#000000", "#ffffff"], low=0, high=2)
    image = Image(image="outline", x="map_x", y="map_y", dw="map_w", dh="map_h", color_mapper=colours)
    plot.add_glyph(source, image)


def add_arrows(plot: Figure, source: ColumnDataSource) -> None:
    """Vectors as arrows, light on dark."""
    for colour, width in (("#000000", 3.0), ("#ffffff", 1.2)):
        plot.segment("x0", "y0", "x1", "y1", source=source, line_color=colour, line_width=width, line_cap="round")


def add_rings(plot: Figure, source: ColumnDataSource) -> None:
    """The edges of a virtual detector, which the page lets be dragged."""
    for colour, dash, width in (("#000000", "solid", 3.0), ("#ffffff", "solid", 1.4)):
        plot.circle(
            "x",
            "y",
            radius="radius",
            source=source,
            fill_color=None,
            line_color=colour,
            line_dash=dash,
            line_width=width,
        )


def latent_figure(name: str, cloud: ColumnDataSource, density: ColumnDataSource, lasso: ColumnDataSource) -> Figure:
    """Latent space: `cloud`, the page's picture of its points, over the density of all; drag draws a lasso."""
    x_range, y_range = (Range1d(start=-4, end=4, syncable=False) for _ in range(2))
    plot = _bare_figure(name, x_range, y_range, border=None)
    tool = LassoSelectTool(continuous=False)
    plot.add_tools(tool)
    plot.toolbar.active_drag = tool
    plot.xaxis.axis_label, plot.yaxis.axis_label = "z1", "z2"
    shades = LinearColorMapper(palette=palette("grey"), low=0, high=255)
    image = Image(image="density", x="box_x", y="box_y", dw="box_w", dh="box_h", color_mapper=shades, global_alpha=0.4)
    plot.add_glyph(density, image)
    plot.add_glyph(cloud, ImageRGBA(image="cloud", x="box_x", y="box_y", dw="box_w", dh="box_h", global_alpha=0.85))
    for line, dash in (("#000000", "solid"), ("#ffffff", "dashed")):
        plot.patch("x", "y", source=lasso, fill_alpha=0.0, line_color=line, line_dash=dash, line_width=1.4)
    _style_axes(plot)
    plot.js_on_event("selectiongeometry", CustomJS(args={}, code="window.streamRrvae?.lasso?.(cb_obj)"))
    plot.js_on_event("doubletap", _double_click(plot, name))
    return plot


def _style_axes(plot: Figure) -> None:
    style = dict(  # noqa: C408  # reads as the call that it becomes
        axis_line_color=TICKS, major_tick_line_color=TICKS, minor_tick_line_color=None, major_tick_in=0,
        major_label_text_color=TEXT, major_label_text_font=FONT, major_label_text_font_size="11px",
        axis_label_text_color=TEXT, axis_label_text_font=FONT, axis_label_text_font_size="12px",
        axis_label_text_font_style="normal", axis_label_standoff=2,
    )  # fmt: skip
    for axis in (plot.xaxis[0], plot.yaxis[0]):
        axis.update(**style)
        axis.formatter = CustomJSTickFormatter(code=_SHORT_NUMBER)
    plot.grid.grid_line_color = FAINT
    plot.grid.grid_line_alpha = 0.5


def _scale_bar(unit: str) -> ScaleBar:
    return ScaleBar(
        name=unit, unit=unit, dimensional=_dimension(unit), range="auto", location="bottom_left",
        bar_length=0.25, length_sizing="adaptive", margin=8, padding=6,
        background_fill_color="#0b0e13", background_fill_alpha=0.55, border_line_color=None,
        bar_line_color="#ffffff", bar_line_width=3, label_text_color="#ffffff", label_text_font=FONT,
        label_text_font_size="12px", label_standoff=4, visible=False,
    )  # fmt: skip


def _dimension(unit: str) -> Metric:
    base = "rad" if unit == "mrad" else "px" if unit == PIXELS else "m"
    # Only the units that microscopists write: no crad, no dm.
    return Metric(base_unit=base, include=_UNITS[base])


def report_drags(plot: Figure) -> None:
    """Taps and drags of `plot` go to the page's script; nothing pans it."""
    plot.toolbar.active_drag = None
    plot.tools = [tool for tool in plot.tools if not isinstance(tool, PanTool)]
    for event in ("panstart", "pan", "panend"):
        plot.js_on_event(event, CustomJS(args={"name": event}, code="window.streamRrvae?.drag?.(name, cb_obj)"))


def report_taps(plot: Figure, name: str) -> None:
    """Taps on `plot` go to the page's script."""
    plot.js_on_event("tap", CustomJS(args={"panel": name}, code="window.streamRrvae?.tap?.(panel, cb_obj)"))


def _report_pointer(plot: Figure, name: str) -> None:
    for event in ("mousemove", "mouseleave"):
        plot.js_on_event(event, CustomJS(args={"panel": name}, code=_READ_OUT))
    plot.js_on_event("doubletap", _double_click(plot, name))


def _double_click(plot: Figure, name: str) -> CustomJS:
    """What a page makes of a double click; one that makes nothing of it has the zoom reset."""
    code = "if (!window.streamRrvae?.doubled?.(panel)) { x.reset(); y.reset() }"
    return CustomJS(args={"panel": name, "x": plot.x_range, "y": plot.y_range}, code=code)
