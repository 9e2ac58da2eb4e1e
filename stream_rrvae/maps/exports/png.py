"""A picture of each map, a whole number of pixels a position, with colour bar or wheel, scale bar and title."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stream_rrvae.maps.figures_parts import (
    DPI,
    as_png,
    aspect,
    cyclic_colours,
    draw_wheel,
    finish_bar,
    finish_map,
    new_figure,
    paper_style,
    require_matplotlib,
    scalar_image,
)
from stream_rrvae.maps.looks import Look, look_of
from stream_rrvae.maps.report_data import ReportData

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SMALLEST_SIDE_PX, LARGEST_SIDE_PX = 600, 8192  # of the longer side of a map
LEFT_PX, TOP_PX, RIGHT_PX, BOTTOM_PX = 24, 60, 190, 56
BAR_PX, WHEEL_PX = 22, 150


def write_pngs(data: ReportData, folder: Path, stem: str) -> list[Path]:
    """`folder/STEM.NAME.png` for every map that holds anything. Raises ConfigError without matplotlib, OSError."""
    require_matplotlib()
    paths = []
    for name, values in data.maps.items():
        if np.isfinite(values).any():
            path = folder / f"{stem}.{name}.png"
            path.write_bytes(map_png(data, name))
            paths.append(path)
    return paths


def map_png(data: ReportData, name: str) -> bytes:
    """The picture of one map."""
    look = look_of(name)
    width, height = _map_pixels(data)
    room = max(height, WHEEL_PX)  # a map of few lines is less high than a bar or a wheel
    whole = LEFT_PX + width + RIGHT_PX, TOP_PX + room + BOTTOM_PX
    with paper_style():
        figure = new_figure(whole[0] / DPI, whole[1] / DPI)
        figure.set_layout_engine("none")
        axes = _axes(figure, whole, (LEFT_PX, TOP_PX, width, height))
        beside = LEFT_PX + width + 14
        if look.cycle is None:
            image = scalar_image(axes, data, name, look.colours, look.signed, look.limits)
            place = _axes(figure, whole, (beside, TOP_PX, BAR_PX, room))
            finish_bar(figure.colorbar(image, cax=place), data.units[name])
        else:
            opacity = data.maps.get(look.opacity or "")
            axes.imshow(cyclic_colours(data.maps[name], look.cycle, opacity), interpolation="nearest", aspect="auto")
            draw_wheel(_axes(figure, whole, (beside, TOP_PX, WHEEL_PX, WHEEL_PX)), look.cycle, opacity is not None)
        axes.set_aspect("auto")  # the place is exactly as large as the map
        finish_map(axes, data)
        axes.set_title(_title(look, data, name), loc="left", pad=6)
        return as_png(figure)


def _map_pixels(data: ReportData) -> tuple[int, int]:
    """Width and height: so many whole pixels a position that the longer side is no shorter than wanted."""
    rows, columns = data.maps["sum"].shape
    tall = aspect(data)
    longer = max(rows * tall, columns)
    scale: float = max(1, math.ceil(SMALLEST_SIDE_PX / longer))
    scale = min(scale, LARGEST_SIDE_PX / longer)
    return max(1, round(scale * columns)), max(1, round(scale * tall * rows))


def _axes(figure: Figure, whole: tuple[int, int], place: tuple[int, int, int, int]) -> Axes:
    """Axes at left, top, width, height in pixels of a figure of `whole` pixels."""
    left, top, width, height = place
    return figure.add_axes((left / whole[0], 1 - (top + height) / whole[1], width / whole[0], height / whole[1]))


def _title(look: Look, data: ReportData, name: str) -> str:
    in_axes = name.startswith(("com_x", "com_y", "com_direction", "rotation")) and not name.endswith("confidence")
    return f"{look.title}, {data.axes} axes" if in_axes else look.title
