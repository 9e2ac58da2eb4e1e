"""The panels as PNG: the map as the page colours it, a whole number of pixels a position, with title and colour bar."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from dashboards.feeds.feed_state import clock_text
from dashboards.pictures.map_styles import style_of
from dashboards.pictures.painting import Painted
from dashboards.pictures.palettes import PATTERN, ROTATION, palette
from dashboards.views.labels import bar, log_bar
from dashboards.views.view import LiveView

GROUND, TEXT, UNVISITED = "#0e1217", "#dbe2ea", "#212832"
SIDE_PX = 640
LEFT, TOP, RIGHT, BOTTOM = 16, 44, 120, 36
BAR_PX, WHEEL_PX = 16, 84


@dataclass(frozen=True, slots=True)
class _Panel:
    title: str
    colours: NDArray[np.uint8]  # [rows, columns, rgba]
    legend: Sequence[str]  # colours, upwards or around from 0 deg
    ends: tuple[str, str] | None  # of the bar, upper first; None = a wheel


def pictures_of(view: LiveView) -> dict[str, bytes]:
    """A PNG for each panel that shows anything, by its file's name."""
    panels = {
        "com_magnitude": _mapped("COM magnitude", view.magnitude, "inferno"),
        "com_direction": _cyclic("COM direction", view.direction),
        view.choice: _mapped(style_of(view.choice).title, view.chosen, style_of(view.choice).palette),
        "pattern": _pattern(view),
        "rotation": _Panel("rrVAE rotation, opacity: confidence", _as_rgba(view.rotation), ROTATION, None),
    }
    footer = _footer(view)
    return {name: _png(panel, footer) for name, panel in panels.items() if panel.colours[..., 3].any()}


def _footer(view: LiveView) -> str:
    snapshot = view.frame.snapshot
    texts = (snapshot.instrument, snapshot.scan_id, clock_text(snapshot.published_unix_s))
    return "  ".join(text[:60] for text in texts if text)


def _mapped(title: str, painted: Painted, colours: str) -> _Panel:
    ends = bar(painted)
    unit = f", {ends['unit']}" if ends["unit"] else ""
    return _Panel(
        title + unit, _coloured(painted, colours), palette(colours)[1:], (ends["high_text"], ends["low_text"])
    )


def _pattern(view: LiveView) -> _Panel:
    ends = (bar if view.wishes.linear else log_bar)(view.painted_pattern)
    position = view.pattern.position
    where = "" if position is None else f" at y {position[0]}, x {position[1]}"
    where = f", mean of {view.pattern.seen}" if view.pattern.seen else where
    title = f"Diffraction{where}, {'' if view.wishes.linear else 'log '}counts"
    legend = palette(PATTERN)[1:]
    return _Panel(title, _coloured(view.painted_pattern, "pattern"), legend, (ends["high_text"], ends["low_text"]))


def _cyclic(title: str, painted: Painted) -> _Panel:
    colours = palette("direction")
    around = [colours[1 + (127 + round(255 * i / 255)) % 255] for i in range(255)]
    return _Panel(title, _coloured(painted, "direction"), around, None)


def _coloured(painted: Painted, colours: str) -> NDArray[np.uint8]:
    table = np.array([list(bytes.fromhex(colour[1:].ljust(8, "f"))) for colour in palette(colours)], np.uint8)
    coloured: NDArray[np.uint8] = table[painted.pixels]
    return coloured


def _as_rgba(pixels: NDArray[np.uint32]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(pixels, "<u4").view(np.uint8).reshape(*pixels.shape, 4)


def _png(panel: _Panel, footer: str) -> bytes:
    rows, columns = panel.colours.shape[:2]
    scale = max(1, SIDE_PX // max(rows, columns))
    width, height = columns * scale, rows * scale
    whole = Image.new("RGB", (LEFT + max(width, 360) + RIGHT, TOP + max(height, WHEEL_PX + 76) + BOTTOM), GROUND)
    draw, font = ImageDraw.Draw(whole), ImageFont.load_default(15)
    draw.rectangle((LEFT, TOP, LEFT + width - 1, TOP + height - 1), UNVISITED)
    image = Image.fromarray(panel.colours, "RGBA").resize((width, height), Image.Resampling.NEAREST)
    whole.paste(image, (LEFT, TOP), image)
    draw.text((LEFT, 14), _drawable(panel.title), TEXT, font)
    draw.text((LEFT, TOP + height + 10), _drawable(footer), TEXT, ImageFont.load_default(12))
    _draw_legend(draw, panel, (LEFT + width + 14, TOP, height))
    buffer = io.BytesIO()
    whole.save(buffer, "PNG")
    return buffer.getvalue()


def _draw_legend(draw: ImageDraw.ImageDraw, panel: _Panel, place: tuple[int, int, int]) -> None:
    left, top, height = place
    font = ImageFont.load_default(13)
    if panel.ends is None:
        for i, colour in enumerate(panel.legend):
            turn = 360 / len(panel.legend)  # as on screen: from the right, clockwise
            draw.pieslice((left, top, left + WHEEL_PX, top + WHEEL_PX), i * turn, (i + 1) * turn + 0.5, colour)
        draw.text((left, top + WHEEL_PX + 8), "0° right\n90° down\nperiod 360°", TEXT, font)
        return
    for y in range(height):
        colour = panel.legend[(height - 1 - y) * (len(panel.legend) - 1) // max(1, height - 1)]
        draw.line((left, top + y, left + BAR_PX, top + y), colour)
    draw.text((left + BAR_PX + 6, top - 4), _drawable(panel.ends[0]), TEXT, font)
    draw.text((left + BAR_PX + 6, top + height - 14), _drawable(panel.ends[1]), TEXT, font)


def _drawable(text: str) -> str:
    """`text` in what Pillow's own font has."""
    superscripts = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹−σ\u202f", "-0123456789-s ")
    return text.replace("×10", "e").translate(superscripts).encode("latin-1", "replace").decode("latin-1")
