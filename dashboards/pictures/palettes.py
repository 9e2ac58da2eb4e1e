"""Colour maps of 256 entries; entry 0 means "not visited" and is transparent in all of them.

Perceptually uniform maps, cyclic ones for angles (Kovesi, arXiv:1509.03700). Direction is
CET-C2, the best of them for colour-blind eyes on a dark page; rotation has another map
(CET-C9), so that the two are never taken for each other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import colorcet
import numpy as np
from bokeh.palettes import Inferno256, Viridis256
from numpy.typing import NDArray

TRANSPARENT = "#00000000"
LEVELS = 255  # entries 1 ... 255 carry values
DIRECTED = "direction"  # the palette of COM directions, by name
DIFFRACTION = "pattern"  # that of patterns
PATTERN = "viridis"
SATURATED = "#e00000"  # the last entry for patterns: far from their colours, to colour-blind eyes too
DIRECTION: Sequence[str] = colorcet.CET_C2
ROTATION: Sequence[str] = colorcet.CET_C9
_GREY: Sequence[str] = tuple(f"#{level:02x}{level:02x}{level:02x}" for level in range(40, 256))

SEQUENTIAL: dict[str, Sequence[str]] = {
    "inferno": Inferno256,
    "ember": Inferno256[70:],  # for points, which would be lost in black on a dark ground
    "viridis": Viridis256,
    "grey": _GREY,
    "coolwarm": colorcet.coolwarm,
}


def linear_palette(name: str) -> list[str]:
    """The map `name` over entries 1 ... 255."""
    table = SEQUENTIAL[name]
    return [TRANSPARENT, *(table[round(i * (len(table) - 1) / (LEVELS - 1))] for i in range(LEVELS))]


def cyclic_palette(table: Sequence[str]) -> list[str]:
    """Entry 1 + i is the angle -180 deg + i/255 of the circle; the table begins at 0 deg."""
    return [TRANSPARENT, *(table[_turn(-0.5 + i / LEVELS, len(table))] for i in range(LEVELS))]


def palette(name: str) -> list[str]:
    """The palette of a map style: a linear one, DIRECTED, or DIFFRACTION, whose last entry means saturated."""
    if name == DIFFRACTION:
        return [*linear_palette(PATTERN)[:-1], SATURATED]
    return cyclic_palette(DIRECTION) if name == DIRECTED else linear_palette(name)


def rgba(name: str) -> NDArray[np.uint8]:
    """The 256 colours of palette `name` as [256, 4], red, green, blue, opacity."""
    colours = [colour.removeprefix("#").ljust(8, "f") for colour in palette(name)]
    return np.array([list(bytes.fromhex(colour)) for colour in colours], np.uint8)


def rgb_table(colours: Sequence[str]) -> NDArray[np.uint32]:
    """`colours` as 0x00BBGGRR, ready to have an opacity put into the top byte."""
    values = [int(colour[1:7], 16) for colour in colours]
    return np.array([(v >> 16) | (v & 0xFF00) | ((v & 0xFF) << 16) for v in values], np.uint32)


def bar_gradient(name: str) -> str:
    """CSS for a vertical colour bar, lowest value at the bottom."""
    return f"linear-gradient(to top, {_stops(SEQUENTIAL[name], 32, closed=False)})"


def wheel_gradient(table: Sequence[str]) -> str:
    """CSS for a wheel with 0 deg at the right, growing clockwise as y grows downwards on screen."""
    return f"conic-gradient(from 90deg, {_stops(table, 64, closed=True)})"


def _stops(table: Sequence[str], count: int, closed: bool) -> str:
    fractions = [i / count for i in range(count + 1)]
    colours = [table[_turn(f, len(table)) if closed else round(f * (len(table) - 1))] for f in fractions]
    return ", ".join(f"{colour} {100 * f:.2f}%" for colour, f in zip(colours, fractions, strict=True))


def _turn(fraction: float, length: int) -> int:
    return math.floor((fraction % 1.0) * length) % length
