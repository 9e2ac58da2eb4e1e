"""How well the rrVAE does on the independent reference: seeds, doses, gauges, beside raw COM and literature.

Run by hand: python tests/benchmarks/rrvae_figures.py [--seeds 5] [--doses inf,1e5,1e4,1e3] [--gauges decoder]
Every model starts from random weights. Noisy scans repeat the frames to about 15800 (128x128), with independent noise.
Columns: r of latent 1 with the true |COM|, sd of latent 2 over that of latent 1, angle between rotation
and true COM direction (weighted by |COM|, no offset taken out), the same after the best offset, held-out
log-likelihood (nats a frame), frames trained a second.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from stream_rrvae.kernels.basis import BasisSpec, project_onto
from stream_rrvae.maps.statistics import angle_agreement, pearson, wrapped
from stream_rrvae.rrvae.harmonic import Gauge
from stream_rrvae.rrvae.learner import HarmonicLearner
from stream_rrvae.rrvae.preparation import Prepared, whitened

REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "data" / "graphene_60kV_31mrad_reference.npz"
BASIS = BasisSpec()
ASSUMED_DOSE = 1e4
REPEATS = 13
ROUND_S = 2.0
LITERATURE = "literature (Oxley et al. 2021, noise-free)    r -0.9917, angle by eye"
LIMITS = (
    "best of any rotation-invariant model of single frames: r/angle 0.976/4.5 (1e5), 0.793/15.7 (1e4), 0.251/45.5 (1e3)"
)

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Scan:
    """Prepared frames, the true COM of each and the one measured from them (y, x)."""

    data: Prepared
    true_com: FloatArray
    raw_com: FloatArray


def com(frames: FloatArray) -> FloatArray:
    """[n, 2] (y, x) in px, less the scan's mean."""
    ky, kx = np.indices(frames.shape[1:])
    total = frames.sum(axis=(1, 2))
    found = np.stack([(frames * ky).sum(axis=(1, 2)), (frames * kx).sum(axis=(1, 2))], axis=1) / total[:, None]
    return np.asarray(found - found.mean(axis=0))


def scan_of(path: Path, dose: float, seed: int) -> Scan:
    with np.load(path) as reference:
        frames = reference["frames"].astype(np.float64)
        radius_px = float(reference["semiangle_mrad"] / reference["mrad_per_px"])
    clean = frames.reshape(-1, *frames.shape[2:])
    seen, assumed = clean, ASSUMED_DOSE
    if np.isfinite(dose):
        clean = np.tile(clean, (REPEATS, 1, 1))
        mean = clean / clean.sum(axis=(1, 2), keepdims=True) * dose
        seen, assumed = np.random.default_rng(seed).poisson(mean).astype(np.float64), dose
    size = clean.shape[1:]
    center = ((size[0] - 1) / 2, (size[1] - 1) / 2)
    basis = project_onto(BASIS, size, center, radius_px, np.ones(size, np.bool_))
    inside = seen.reshape(len(seen), -1)[:, basis.pixels]
    features = basis.scale * (inside @ basis.weights) / inside.sum(axis=1, keepdims=True) - basis.offset
    stored = features.astype(np.float16).astype(np.float32)
    noise = 1.0 if np.isfinite(dose) else 0.0
    return Scan(whitened(stored, np.arange(len(stored)), assumed, noise), com(clean), com(seen))


def trained(scan: Scan, gauge: Gauge, seed: int, seconds: float) -> tuple[HarmonicLearner, float, float]:
    """The model, its held-out likelihood and frames a second."""
    model = HarmonicLearner.create(scan.data, BASIS, 2, seed, "auto", gauge)
    rounds = max(1, round(seconds / ROUND_S))
    reports = [model.train(scan.data, seconds / rounds, (i / rounds, (i + 1) / rounds)) for i in range(rounds)]
    rate = sum(report.frames for report in reports) / sum(report.seconds for report in reports)
    return model, reports[-1].heldout_loglikelihood, rate


def row(name: str, scan: Scan, magnitude: FloatArray, rotation: FloatArray, more: str = "") -> str:
    true_size, true_angle = np.hypot(*scan.true_com.T), np.arctan2(*scan.true_com.T)
    direct = np.degrees(np.average(np.abs(wrapped(rotation - true_angle)), weights=true_size))
    best = np.degrees(angle_agreement(rotation, true_angle, true_size).error_rad)
    return f"{name:46s} r {pearson(magnitude, true_size):+.4f}  angle {direct:6.2f} ({best:.2f}) deg  {more}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--doses", default="inf,1e5,1e4,1e3")
    parser.add_argument("--gauges", default="decoder")
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--reference", type=Path, default=REFERENCE)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    print(LITERATURE, LIMITS, sep="\n")
    for dose in map(float, chosen.doses.split(",")):
        for seed in range(chosen.seeds):
            scan = scan_of(chosen.reference, dose, seed)
            raw = scan.raw_com
            print(row(f"raw COM, {dose:g} electrons, noise {seed}", scan, np.hypot(*raw.T), np.arctan2(*raw.T)))
            for gauge in chosen.gauges.split(","):
                model, heldout, rate = trained(scan, gauge, seed, chosen.seconds)
                found = model.encode(scan.data.x)
                spread = np.sqrt(found.explained[1] / found.explained[0])
                more = f"sd2/sd1 {spread:.4f}  held-out {heldout:.3f}  {rate:.0f} frames/s"
                name = f"rrVAE {gauge}, {dose:g} electrons, seed {seed}"
                print(
                    row(name, scan, found.latents[:, 0].astype(float), found.rotation.astype(float), more), flush=True
                )


if __name__ == "__main__":
    main()
