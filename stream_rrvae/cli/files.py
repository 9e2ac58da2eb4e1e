"""Commands about recordings and results that exist."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from stream_rrvae.cli.shared import CHANNEL_HELP, ScanShape, curve_options


@click.command()
@click.argument("file", metavar="INPUT")
@click.option("--to", metavar="URL", required=True, help="Where to wait for the receiver: the URL of its --source.")
@click.option("--speed", default="1", help="1 = as it was recorded, N times as fast, or max.")
@click.option(
    "--frame-rate",
    "frame_rate_fps",
    type=click.FloatRange(0, min_open=True),
    help="Frames/s at speed 1.  [default: as recorded, 1000 for files without times]",
)
@click.option("--loop", is_flag=True, help="Again and again, as new scans, until stopped.")
@click.option(
    "--control", metavar="URL", help="Answer here, on this machine, who holds the key: pause, play, speed, seek."
)
@click.option(
    "--control-key",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("replay.key"),
    help="File of the key.",
)
@click.option("--scan-shape", type=ScanShape(), help="Positions, for files that hold frames in a row.")
@click.option("--channel", help=CHANNEL_HELP)
@click.option("--semiangle-mrad", type=float, help="Probe semi-convergence angle in mrad.")
@click.option("--mrad-per-px", type=float, help="Detector scale in mrad per pixel.")
@curve_options
@click.option("--allow-remote", is_flag=True, help="Bind beyond loopback without keys: closed networks only.")
def replay(**options: Any) -> None:
    """Send INPUT (a recording, or any file that `analyse` takes) through the real protocol."""
    from stream_rrvae.commands.replay import ReplayOptions, run_replay

    run_replay(ReplayOptions(**options))


@click.command("export")
@click.argument("results", type=click.Path(path_type=Path))
@click.option("--to", type=click.Path(path_type=Path), required=True, help="Folder, or one .csv, .hspy or .emd file.")
@click.option(
    "--format",
    "formats",
    type=click.Choice(["png", "csv", "hdf5", "hspy", "py4dstem"]),
    multiple=True,
    help="What to write into a folder; may be repeated.  hdf5 = a results file.  [default: png, csv]",
)
def export_(results: Path, to: Path, formats: tuple[str, ...]) -> None:
    """Write RESULTS as pictures, as a table, or for HyperSpy or py4DSTEM."""
    from stream_rrvae.maps.exports.export import export

    for path in export(results, to, formats):
        click.echo(path)


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
def recover(folder: Path) -> None:
    """Make whole what a crash left: every unfinished recording in DIR, or DIR itself. Originals stay as they are."""
    from stream_rrvae.commands.recover import run_recover

    run_recover(folder)


@click.command()
@click.argument("file")
def info(file: str) -> None:
    """Show what FILE holds: a recording, a results file, a checkpoint, `pretrained`, or frames of others."""
    from stream_rrvae.commands.info import run_info

    run_info(file)
