"""Options of the simulator that say which way its scans go."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

from stream_rrvae.option_kind import OptionKind
from stream_rrvae.scan_path import MOST_PASSES, ScanPath

F = TypeVar("F", bound=Callable[..., Any])
MOST_FLYBACK = 4096


class Rectangle(OptionKind[tuple[int, int, int, int]]):
    """A part of a scan."""

    name = "YxX+Y+X"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int, int, int]:
        """(rows, columns, first row, first column)."""
        found = re.fullmatch(r"(\d{1,6})x(\d{1,6})\+(\d{1,6})\+(\d{1,6})", str(value))
        if found is None or not int(found[1]) * int(found[2]):
            self.fail(f"{value!r} is no part of a scan: write rows x columns + y + x, such as 32x32+8+16", param, ctx)
        rows, columns, y, x = (int(part) for part in found.groups())
        return rows, columns, y, x


def path_options(command: F) -> F:
    """Adds them to `command`."""
    for option in (
        click.option(
            "--endless",
            is_flag=True,
            help="Scan after scan in one series, its frames counted on, as of a detector armed once for all of them.",
        ),
        click.option("--sub-scan", type=Rectangle(), help="Send only this part of the scan, as a scan of its own."),
        click.option(
            "--passes",
            type=click.IntRange(1, MOST_PASSES),
            default=1,
            help="Over the same positions, each from the first line on.",
        ),
        click.option("--serpentine", is_flag=True, help="Scan every second line backwards."),
        click.option(
            "--frame-flyback",
            type=click.IntRange(0, MOST_FLYBACK),
            default=0,
            help="Frames before the first line of a pass that lie nowhere.",
        ),
        click.option(
            "--flyback",
            type=click.IntRange(0, MOST_FLYBACK),
            default=0,
            help="Frames after each line that lie nowhere.",
        ),
    ):
        command = option(command)
    return command


def path_of(options: dict[str, Any]) -> ScanPath:
    """The path that they say."""
    return ScanPath(
        line_flyback=options["flyback"],
        frame_flyback=options["frame_flyback"],
        serpentine=options["serpentine"],
        passes=options["passes"],
        endless=options["endless"],
    )
