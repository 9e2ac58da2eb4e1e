"""How many tiles lie beside each other on a wall of 16:9, and how a tile of that shape is filled."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WallLayout:
    """`shape` is a CSS class of tiles: wide (pictures beside the facts), square (above them) or tall (in a column)."""

    columns: int
    rows: int
    shape: str


def wall_layout(count: int) -> WallLayout:
    """For `count` instruments, 1 to 12."""
    columns = count if count <= 3 else 2 if count == 4 else 3 if count in (5, 6, 9) else 4
    rows = -(-count // columns)
    width_to_height = 16 / columns / (7 / rows)  # title line and alarms take two parts of nine
    return WallLayout(columns, rows, "wide" if width_to_height > 1.6 else "square" if width_to_height > 0.9 else "tall")
