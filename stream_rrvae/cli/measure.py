"""Commands that measure frames of files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from stream_rrvae.cli.detector_options import detector_option
from stream_rrvae.cli.geometry_options import geometry_options
from stream_rrvae.cli.scan_options import scan_options
from stream_rrvae.cli.shared import CHANNEL_HELP, CHECKPOINT_HELP, ScanShape, as_tree, cluster_of, cluster_options
from stream_rrvae.config import CONTEXTS, DECODERS


@click.command("analyse")
@click.argument("sources", metavar="INPUT...", nargs=-1, required=True)
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Results file to write; of several INPUTs, a folder."
)
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    help="Page of figures (HTML) to write, with matplotlib; of several INPUTs, a folder.",
)
@click.option("--config", "file", type=click.Path(path_type=Path), help="Settings (TOML).")
@click.option("--scan-shape", type=ScanShape(), help="Positions, for files that hold frames in a row.")
@click.option("--channel", help=CHANNEL_HELP)
@click.option("--mode", type=click.Choice(["apply", "finetune", "off"]), help="What the learner does.")
@click.option("--checkpoint", type=click.Path(dir_okay=False, path_type=Path), help=CHECKPOINT_HELP)
@click.option("--decoder", type=click.Choice(DECODERS), help="Kind of model.")
@click.option("--latents", type=click.IntRange(1, 8), help="Latents of the model.")
@click.option(
    "--context", type=click.Choice(CONTEXTS), help="scan: let lattice and neighbours help counted frames at its end."
)
@click.option("--seconds", "budget_s", type=click.FloatRange(0.1), help="Seconds of training.")
@click.option("--seed", type=int, help="Seed of the learner.")
@scan_options
@geometry_options
@detector_option
@cluster_options
def analyse_(sources: tuple[str, ...], out: Path, report: Path | None, file: Path | None, **options: Any) -> None:
    """Analyse INPUTs with the live code: recordings, DECTRIS masters, file.h5[::/dataset], .npy, .mib, EMPAD .xml."""
    from stream_rrvae.commands.analyse import AnalyseOptions, run_analyse
    from stream_rrvae.config import load

    cluster = cluster_of(options)
    run_analyse(AnalyseOptions(sources, out, report, cluster), load(file, as_tree(options)))


@click.command()
@click.argument("sources", metavar="INPUT...", nargs=-1, required=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Checkpoint to write.")
@click.option("--config", "file", type=click.Path(path_type=Path), help="Settings (TOML).")
@click.option("--checkpoint", type=click.Path(dir_okay=False, path_type=Path), help=CHECKPOINT_HELP)
@click.option("--decoder", type=click.Choice(DECODERS), help="Kind of model.  [default: harmonic]")
@click.option("--latents", type=click.IntRange(1, 8), help="Latents of the model.  [default: 2]")
@click.option("--seconds", "budget_s", type=click.FloatRange(0.1), help="Seconds of training.  [default: 12]")
@click.option("--seed", type=int, help="Seed of weights and batches.  [default: 0]")
@click.option("--scan-shape", type=ScanShape(), help="Positions, for files that hold frames in a row.")
@click.option("--channel", help=CHANNEL_HELP)
@click.option("--semiangle-mrad", type=float, help="Probe semi-convergence angle in mrad, of every file.")
@click.option("--mrad-per-px", type=float, help="Detector scale in mrad per pixel, of every file.")
@click.option("--licence", default="", show_default="not stated", help="Licence of the weights, kept with them.")
@click.option(
    "--most-frames", type=click.IntRange(64), default=1 << 20, help="Frames kept for training, of all INPUTs."
)
@cluster_options
def train(
    sources: tuple[str, ...], out: Path, file: Path | None, licence: str, most_frames: int, **options: Any
) -> None:
    """Train a checkpoint on INPUTs (recordings, or any file that `analyse` takes), measured by the live code."""
    from stream_rrvae.commands.train import TrainOptions, run_train
    from stream_rrvae.config import load

    cluster = cluster_of(options)
    run_train(TrainOptions(sources, out, licence, most_frames, cluster), load(file, as_tree(options)))


@click.command()
@click.argument("source", metavar="[INPUT]", required=False)
@click.option("--source", "detector", metavar="URL", help="Detector to take one scan from, instead of INPUT.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Site file (TOML).")
@click.option("--config", "file", type=click.Path(path_type=Path), help="Settings (TOML).")
@click.option("--scan-shape", type=ScanShape(), help="Positions, where INPUT or the stream does not say them.")
@click.option("--channel", help=CHANNEL_HELP)
@geometry_options
def calibrate(source: str | None, detector: str | None, out: Path, file: Path | None, **options: Any) -> None:
    """Add an entry to a site's calibration file from INPUT (any file that `analyse` takes) or a scan; draws it as well.

    The scale comes from the disc's radius and --semiangle-mrad, the rotation from the curl of the COM.
    """
    if (source is None) == (detector is None):
        raise click.UsageError("give either INPUT, a file of frames, or --source URL, a detector")
    from stream_rrvae.commands.calibrate import CalibrateOptions, run_calibrate
    from stream_rrvae.config import load

    run_calibrate(CalibrateOptions(source, out), load(file, as_tree({**options, "source": detector})))
