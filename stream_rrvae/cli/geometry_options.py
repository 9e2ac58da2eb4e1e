"""The options of the command line that say what the geometry is, or that it is to be found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


_POSITIVE = click.FloatRange(0, min_open=True)


def _kev_in_ev(_context: click.Context, _option: click.Parameter, value: float | None) -> float | None:
    return None if value is None else 1000.0 * value


def _both_ways(_context: click.Context, _option: click.Parameter, value: float | None) -> tuple[float, float] | None:
    return None if value is None else (value, value)


def geometry_options(command: F) -> F:
    """Adds them to `command`, in the order of the help from below upwards."""
    for option in (
        click.option(
            "--descan",
            type=click.Choice(["none", "plane", "quadratic"]),
            help="To take out of the COM.  [default: none]",
        ),
        click.option(
            "--rotation",
            type=click.Choice(["given", "find"]),
            help="find: as the COM shows it, where it is certain.  [default: given]",
        ),
        click.option("--detector-flip/--no-detector-flip", default=None, help="The detector is mirrored in y."),
        click.option(
            "--detector-rotation-deg", type=float, help="Rotation of the detector against the scan in degrees."
        ),
        click.option("--thickness-nm", type=_POSITIVE, help="Thickness of the specimen in nm, for fields in V/nm."),
        click.option(
            "--beam-energy-kev",
            "beam_energy_ev",
            type=_POSITIVE,
            callback=_kev_in_ev,
            help="Energy of the electrons in keV, for fields and phase.",
        ),
        click.option(
            "--scan-step-nm",
            type=_POSITIVE,
            callback=_both_ways,
            help="Distance of neighbouring positions along y and x in nm, for derivatives and phase.",
        ),
        click.option("--mrad-per-px", type=float, help="Detector scale in mrad per pixel."),
        click.option("--semiangle-mrad", type=float, help="Probe semi-convergence angle in mrad."),
        click.option(
            "--camera-length",
            "camera_length_mm",
            metavar="MM",
            type=click.FloatRange(0, min_open=True),
            help="Camera length in mm, which chooses the site file's entry, where the stream does not say it.",
        ),
        click.option("--site", type=click.Path(dir_okay=False, path_type=Path), help="Calibration file (TOML)."),
    ):
        command = option(command)
    return command
