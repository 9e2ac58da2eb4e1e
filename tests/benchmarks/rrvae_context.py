"""What the scan itself adds at 1000 electrons a frame: single frames, with context, with positions shuffled, defects.

Run by hand: python tests/benchmarks/rrvae_context.py [--side 256] [--seeds 3] [--dose 1e3] [--specimens graphene]
r of latent 1 with the true |COM| and angle to the true COM direction over the whole scan, and within 1.5 Angstrom of
the middle of the scan, where specimens have their defect.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from detector_sim.detector import detector_model
from detector_sim.settings import SimulationSettings
from detector_sim.simulation import Simulation
from stream_rrvae.kernels.basis import BasisSpec, project_onto
from stream_rrvae.maps.statistics import pearson, wrapped
from stream_rrvae.rrvae.context import with_context
from stream_rrvae.rrvae.learner import HarmonicLearner
from stream_rrvae.rrvae.preparation import Prepared, whitened

BASIS = BasisSpec()
NEAR_NM = 0.15


@dataclass(frozen=True)
class Scan:
    """Features [n, f] as a scan store keeps them, true COM (y, x) and which positions lie near the middle."""

    features: NDArray[np.float32]
    true_com: NDArray[np.float64]
    near: NDArray[np.bool_]

    def shuffled(self, seed: int) -> Scan:
        order = np.random.default_rng(seed).permutation(len(self.features))
        return Scan(self.features[order], self.true_com[order], self.near[order])


def scan_of(specimen: str, dose: float, side: int, seed: int) -> Scan:
    detector = detector_model("48x48:uint16")
    simulation = Simulation(
        SimulationSettings(specimen, detector=detector, scan_shape=(side, side), dose_electrons=dose, seed=seed)
    )
    settings = simulation.settings
    shape = detector.shape
    basis = project_onto(BASIS, shape, settings.grid.beam_center_px, settings.disc_radius_px, np.ones(shape, np.bool_))
    weights, parts = basis.weights, []
    for block in simulation.blocks():
        inside = block.frames.reshape(len(block.frames), -1)[:, basis.pixels].astype(np.float32)
        found = basis.scale * (inside @ weights) / inside.sum(axis=1, keepdims=True) - basis.offset
        parts.append(found.astype(np.float16))
    truth = simulation.truth()
    com = truth.com_detector_px.reshape(-1, 2)
    places = truth.positions_nm.reshape(-1, 2)
    near = np.hypot(*(places - places.mean(axis=0)).T) < NEAR_NM
    return Scan(np.concatenate(parts).astype(np.float32), com - com.mean(axis=0), near)


def row(name: str, scan: Scan, data: Prepared, seed: int, seconds: float, more: str = "") -> None:
    model = HarmonicLearner.create(data, BASIS, 2, seed, "cpu")
    for part in range(4):
        model.train(data, seconds / 4, (part / 4, (part + 1) / 4))
    found = model.encode(data.x)
    size, angle = np.hypot(*scan.true_com.T), np.arctan2(*scan.true_com.T)
    error = np.degrees(np.abs(wrapped(found.rotation - angle)))
    for place, at in (("scan", np.ones_like(scan.near)), ("middle", scan.near)):
        r = abs(pearson(found.latents[at, 0], size[at]))
        print(f"{name:34s} {place:6s} |r| {r:.4f}  angle {np.average(error[at], weights=size[at]):6.2f} deg  {more}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--dose", type=float, default=1e3)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--specimens", default="graphene")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    for specimen in chosen.specimens.split(","):
        for seed in range(chosen.seeds):
            ordered = scan_of(specimen, chosen.dose, chosen.side, seed)
            for order, scan in (("", ordered), (" shuffled", ordered.shuffled(seed))):
                data = whitened(scan.features, np.arange(len(scan.features)), chosen.dose, 1.0)
                context = with_context(data, (chosen.side, chosen.side), BASIS, seed)
                name = f"{specimen}{order}, seed {seed}"
                row(f"{name}, single", scan, data, seed, chosen.seconds)
                figures = " ".join(f"{key} {value:.4g}" for key, value in context.figures().items())
                row(f"{name}, context", scan, context.data, seed, chosen.seconds, figures)


if __name__ == "__main__":
    main()
