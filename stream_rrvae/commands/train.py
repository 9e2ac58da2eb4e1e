"""`train`: a checkpoint from recorded scans."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from stream_rrvae import log
from stream_rrvae.batch.pretrain import TrainingScan, pretrain, training_scan
from stream_rrvae.commands.notes import tell_notes
from stream_rrvae.config import Settings
from stream_rrvae.errors import CheckpointError
from stream_rrvae.recording.frame_file import open_frames
from stream_rrvae.rrvae.checkpoint import save
from stream_rrvae.rrvae.model import RoundReport


def run_train(sources: Sequence[str], out: Path, licence: str, settings: Settings) -> None:
    """Measure `sources`, train, write `out`. Raises StreamRrvaeError when that cannot be done."""
    log.set_up()
    if not out.absolute().parent.is_dir():
        raise CheckpointError(f"there is no folder {out.absolute().parent}: choose another --out")
    scans, moving = [_measure(source, settings) for source in sources], sys.stdout.isatty()
    with click.progressbar(length=1000, label="training", item_show_func=lambda text: text) as bar:

        def told(share: float, report: RoundReport) -> None:
            state = f"held-out {report.heldout_loglikelihood:.3f} nats a frame"
            bar.update(round(1000 * share) - bar.pos, state)
            if not moving:
                click.echo(f"training {share:.0%}, {state}")

        made = pretrain(scans, settings.learn, licence, told)
    save(out, made)
    for scan in made.provenance["scans"]:
        click.echo(f"{scan['name']}: {_agreement(scan['agreement'])}")
    likelihood, frames = made.provenance["heldout_loglikelihood"], made.provenance["frames_trained"]
    click.echo(f"{out}: {made.name}, {frames} frames trained, held-out {likelihood:.3f} nats a frame")


def _measure(source: str, settings: Settings) -> TrainingScan:
    with (
        open_frames(source, settings.scan_shape, settings.channel) as frames,
        click.progressbar(length=frames.n_arrivals, label=f"measuring {Path(frames.name).name}") as bar,
    ):
        tell_notes(frames)
        return training_scan(frames, settings, lambda done: bar.update(done - bar.pos))


def _agreement(figures: dict[str, float | list[float]]) -> str:
    pearson = figures["pearson_latent_com"]
    assert isinstance(pearson, list)
    return f"|r(latent 1, |COM|)| = {abs(pearson[0]):.4f}, rotation to COM {figures['angle_error_deg']:.2f} degrees"
