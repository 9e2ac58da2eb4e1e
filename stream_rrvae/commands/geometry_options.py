"""The options of the command line that say what the geometry is, or that it is to be found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def geometry_options(command: F) -> F:
    """Adds them to `command`, in the order of the help from below upwards."""
    for option in (
        click.option(
            "--descan",
            type=click.Choice(["none", "plane", "quadratic"]),
            help="To take out of the COM.  [default: none]",
        ),
        click.option(
            "--rotation", type=click.Choice(["given", "find"]), help="find: as the COM shows it, where it is certain."
        ),
        click.option("--detector-flip/--no-detector-flip", default=None, help="The detector is mirrored in y."),
        click.option(
            "--detector-rotation-deg", type=float, help="Rotation of the detector against the scan in degrees."
        ),
        click.option("--mrad-per-px", type=float, help="Detector scale in mrad per pixel."),
        click.option("--semiangle-mrad", type=float, help="Probe semi-convergence angle in mrad."),
        click.option(
            "--camera-length",
            "camera_length_mm",
            metavar="MM",
            type=click.FloatRange(0, min_open=True),
            help="Camera length, which chooses the site file's entry, where the stream does not say it.",
        ),
        click.option("--site", type=click.Path(dir_okay=False, path_type=Path), help="Calibration file (TOML)."),
    ):
        command = option(command)
    return command
