"""The options of the command line that say which way the scans go."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

from stream_rrvae.option_kind import OptionKind
from stream_rrvae.scan_path import MOST_FLYBACK, MOST_PASSES

F = TypeVar("F", bound=Callable[..., Any])
NAMES = ("line_flyback", "frame_flyback", "serpentine", "passes", "within", "endless")
_PLACE = re.compile(r"(\d{1,6})x(\d{1,6})\+(\d{1,6})\+(\d{1,6})")


class Place(OptionKind[tuple[int, int, int, int]]):
    """A shape and where something begins in it, or of how many rows and columns it is and where it begins."""

    name = "YxX+Y+X"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int, int, int]:
        """(rows, columns, y, x) of `value`; a usage error when it is none."""
        found = _PLACE.fullmatch(str(value))
        if found is None:
            self.fail(
                f"{value!r} is no place in a scan; write rows x columns + y + x, such as 256x256+64+0", param, ctx
            )
        rows, columns, y, x = (int(part) for part in found.groups())
        return rows, columns, y, x


def scan_options(command: F) -> F:
    """Adds them to `command`."""
    for option in (
        click.option(
            "--endless/--no-endless",
            default=None,
            help="A series is scan after scan, its frames counted on: the detector is armed once.",
        ),
        click.option("--within", type=Place(), help="Larger scan that these are part of, and where they begin in it."),
        click.option("--passes", type=click.IntRange(1, MOST_PASSES), help="Over the same positions, added up."),
        click.option("--serpentine/--no-serpentine", default=None, help="Every second line is scanned backwards."),
        click.option(
            "--frame-flyback",
            type=click.IntRange(0, MOST_FLYBACK),
            help="Frames before the first line of a pass that lie nowhere.",
        ),
        click.option(
            "--flyback",
            "line_flyback",
            type=click.IntRange(0, MOST_FLYBACK),
            help="Frames after each line that lie nowhere, where the stream does not say it.",
        ),
    ):
        command = option(command)
    return command


def scan_part(options: dict[str, Any]) -> dict[str, Any]:
    """Takes them out of `options`, as the part `scan` of the settings tree."""
    said = {name: options.pop(name, None) for name in NAMES}
    if said["within"] is not None:
        rows, columns, y, x = said["within"]
        said |= {"within": (rows, columns), "offset": (y, x)}
    return said
