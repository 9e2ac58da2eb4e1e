"""`train`: a checkpoint from recorded scans."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from stream_rrvae import log
from stream_rrvae.batch.cluster import ClusterOptions, connected
from stream_rrvae.batch.inputs import Input
from stream_rrvae.batch.pretrain import TrainingScan, pretrain, training_scan, training_scan_of
from stream_rrvae.batch.reservoir import Reservoir
from stream_rrvae.batch.spread import Spread
from stream_rrvae.commands.frames_bar import frames_bar
from stream_rrvae.commands.notes import tell_notes
from stream_rrvae.config import Settings
from stream_rrvae.errors import CheckpointError, FileFormatError
from stream_rrvae.recording.frame_file import open_frames
from stream_rrvae.rrvae.checkpoint import save
from stream_rrvae.rrvae.model import RoundReport


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """What `stream-rrvae train` was asked for beside the settings."""

    sources: tuple[str, ...]
    out: Path
    licence: str
    most_frames: int
    cluster: ClusterOptions


def run_train(options: TrainOptions, settings: Settings) -> None:
    """Measure the sources, train, write the checkpoint. Raises StreamRrvaeError when that cannot be done."""
    log.set_up()
    out = options.out
    options.cluster.check()
    if not out.absolute().parent.is_dir():
        raise CheckpointError(f"there is no folder {out.absolute().parent}: choose another --out")
    reservoir, moving = Reservoir(options.most_frames, settings.learn.seed), sys.stdout.isatty()
    for scan in _measured(options, settings):
        reservoir.add(scan)
    scans = reservoir.scans
    kept = sum(len(scan.data.positions) for scan in scans)
    if kept < reservoir.seen:
        click.echo(f"{kept:,} of {reservoir.seen:,} frames are kept for training: --most-frames")
    with click.progressbar(length=1000, label="training", item_show_func=lambda text: text) as bar:

        def told(share: float, report: RoundReport) -> None:
            state = f"held-out {report.heldout_loglikelihood:.3f} nats a frame"
            bar.update(round(1000 * share) - bar.pos, state)
            if not moving:
                click.echo(f"training {share:.0%}, {state}")

        made = pretrain(scans, settings.learn, options.licence, told)
    save(out, made)
    for scan in made.provenance["scans"]:
        click.echo(f"{scan['name']}: {_agreement(scan['agreement'])}")
    likelihood, frames = made.provenance["heldout_loglikelihood"], made.provenance["frames_trained"]
    click.echo(f"{out}: {made.name}, {frames} frames trained, held-out {likelihood:.3f} nats a frame")


def _measured(options: TrainOptions, settings: Settings) -> Iterator[TrainingScan]:
    if not options.cluster.wanted:
        yield from (_measured_here(source, settings, options.most_frames) for source in options.sources)
        return
    inputs = [Input.of(source, settings.scan_shape, settings.channel, settings.scan) for source in options.sources]
    with connected(options.cluster) as client, frames_bar(inputs) as told:
        for outcome in Spread(client, settings, told).outcomes(inputs):
            if outcome.store is None:
                raise outcome.error or FileFormatError(f"{outcome.input.source} cannot be measured")
            with outcome.store as store:
                scan = training_scan_of(store, outcome.input.source, settings, options.most_frames)
            yield scan


def _measured_here(source: str, settings: Settings, most: int) -> TrainingScan:
    with (
        open_frames(source, settings.scan_shape, settings.channel, settings.scan) as frames,
        click.progressbar(length=frames.n_arrivals, label=f"measuring {Path(frames.name).name}") as bar,
    ):
        tell_notes(frames)
        return training_scan(frames, settings, lambda done: bar.update(done - bar.pos), most)


def _agreement(figures: dict[str, float | list[float]]) -> str:
    pearson = figures["pearson_latent_com"]
    assert isinstance(pearson, list)
    return f"|r(latent 1, |COM|)| = {abs(pearson[0]):.4f}, rotation to COM {figures['angle_error_deg']:.2f} degrees"
