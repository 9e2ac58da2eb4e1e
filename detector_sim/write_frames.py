"""`python -m detector_sim.write_frames`: a simulated scan as a file, for `stream-rrvae analyse` and `train`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import numpy as np

from detector_sim.option_types import Detector, Pair, ScanShape, Unbounded
from detector_sim.settings import SimulationSettings
from detector_sim.simulation import Simulation
from detector_sim.specimen import SPECIMENS
from detector_sim.truth import write_truth
from stream_rrvae.errors import StreamRrvaeError


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--specimen", default="graphene", help=f"{', '.join(SPECIMENS)}, or a structure file (needs abTEM).")
@click.option("--detector", type=Detector(), default="96x96:float32", help="arina, quadro, merlin, empad or HxW:dtype.")
@click.option("--scan-shape", type=ScanShape(), default="64x64", help="Positions.")
@click.option("--step-nm", type=Pair(), default="0.02", help="Scan step in nm.")
@click.option("--dose", type=Unbounded("ELECTRONS|inf", "inf"), default="inf", help="Electrons a frame.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Of noise.")
@click.option("--truth", type=click.Path(dir_okay=False, path_type=Path), help="Write the ground truth here (.npz).")
def write_frames(out: Path, truth: Path | None, dose: float, **options: Any) -> None:
    """Write a scan to OUT (.npy, [y, x, ky, kx]), block by block."""
    simulation = Simulation(SimulationSettings(dose_electrons=None if np.isinf(dose) else dose, **options))
    shape = (*simulation.plan.shape, *simulation.settings.detector.shape)
    kind = np.dtype(simulation.settings.detector.pixel_type)
    frames = np.lib.format.open_memmap(out, mode="w+", dtype=kind, shape=shape)
    flat = frames.reshape(-1, *shape[2:])
    with click.progressbar(length=len(flat), label=f"computing {out.name}") as bar:
        for block in simulation.blocks():
            flat[block.first : block.first + len(block.frames)] = block.frames
            bar.update(len(block.frames))
    frames.flush()
    if truth:
        write_truth(truth, simulation.truth(), ())


if __name__ == "__main__":
    try:
        write_frames()
    except StreamRrvaeError as error:
        click.echo(f"write_frames: {error}", err=True)
        sys.exit(2)
