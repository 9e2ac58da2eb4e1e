"""How well the rrVAE does on the independent reference: seeds, doses, gauges, beside raw COM and literature.

Run by hand: python tests/benchmarks/rrvae_figures.py [--seeds 5] [--doses inf,1e5,1e4,1e3] [--decoders harmonic,exact]
Every model starts from random weights. Noisy scans repeat the frames, with independent noise: 13 times are about
128x128 positions, 54 times 256x256.
Columns: r of latent 1 with the true |COM|, sd of latent 2 over that of latent 1, angle between rotation
and true COM direction (weighted by |COM|, no offset taken out), the same after the best offset, held-out
log-likelihood (nats a frame), frames trained a second. The limit is the posterior mean over a bank of true shapes.
Models are held against that of every second position's shapes for the frames of the other positions, and judged on
these very frames: with a frame's own shape in the bank, which no model knows, it is 0.1 degrees better at 1e5.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from stream_rrvae.kernels.basis import BasisSpec, Projection, project_onto
from stream_rrvae.maps.statistics import angle_agreement, pearson, wrapped
from stream_rrvae.rrvae.harmonic import Gauge
from stream_rrvae.rrvae.leading import center_of_mass
from stream_rrvae.rrvae.learner import HarmonicLearner
from stream_rrvae.rrvae.model import Model
from stream_rrvae.rrvae.preparation import Prepared, whitened
from stream_rrvae.rrvae.registry import factory
from stream_rrvae.rrvae.shape_bank import bank_of
from stream_rrvae.rrvae.turning import Turning

REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "data" / "graphene_60kV_31mrad_reference.npz"
BASIS = BasisSpec()
ASSUMED_DOSE = 1e4
REPEATS = 13
ROUND_S = 2.0
LITERATURE = "literature (Oxley et al. 2021, noise-free)    r -0.9917, angle by eye"
LIMITS = """the issue's figures, r/angle: limit 0.976/4.5 (1e5), 0.793/15.7 (1e4), 0.251/45.5 (1e3); raw COM 0.970/4.9,
0.768/16.2, 0.237/46.1; goals 0.002/0.1 (1e5) and 0.008/0.2 (1e4) behind that limit. One draw of the 1216 frames, the
frame's own shape among those compared, gives such figures: see how far one draw scatters."""
ALLOWED = {1e5: (0.002, 0.1), 1e4: (0.008, 0.2)}  # behind the limit, in r and degrees

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Scan:
    """Prepared frames, the true COM of each and the one measured from them (y, x), and the frames without noise."""

    data: Prepared
    true_com: FloatArray
    raw_com: FloatArray
    true_x: FloatArray  # [positions, n_features] prepared like the frames, which repeat the positions in order
    known: NDArray[np.bool_]  # [positions] every second one, like the black squares of a chessboard


def com(frames: FloatArray) -> FloatArray:
    """[n, 2] (y, x) in px, less the scan's mean."""
    ky, kx = np.indices(frames.shape[1:])
    total = frames.sum(axis=(1, 2))
    found = np.stack([(frames * ky).sum(axis=(1, 2)), (frames * kx).sum(axis=(1, 2))], axis=1) / total[:, None]
    return np.asarray(found - found.mean(axis=0))


def scan_of(path: Path, dose: float, seed: int, repeats: int = REPEATS) -> Scan:
    with np.load(path) as reference:
        frames = reference["frames"].astype(np.float64)
        radius_px = float(reference["semiangle_mrad"] / reference["mrad_per_px"])
    clean = frames.reshape(-1, *frames.shape[2:])
    known = np.indices(frames.shape[:2]).sum(axis=0).ravel() % 2 == 0
    size = clean.shape[1:]
    basis = project_onto(BASIS, size, ((size[0] - 1) / 2, (size[1] - 1) / 2), radius_px, np.ones(size, np.bool_))
    true = features_of(clean, basis)
    if np.isinf(dose):
        data = whitened(true.astype(np.float16).astype(np.float32), np.arange(len(true)), ASSUMED_DOSE, 0.0)
        return Scan(data, com(clean), com(clean), true, known)
    mean = np.tile(clean / clean.sum(axis=(1, 2), keepdims=True) * dose, (repeats, 1, 1))
    seen = np.random.default_rng(seed).poisson(mean).astype(np.float64)
    stored = features_of(seen, basis).astype(np.float16).astype(np.float32)
    counts = float(np.median(seen.reshape(len(seen), -1)[:, basis.pixels].sum(axis=1)))
    data = whitened(stored, np.arange(len(stored)), counts, 1.0)
    true_com = np.tile(com(clean), (repeats, 1))
    return Scan(data, true_com, com(seen), (true - true.mean(axis=0)) * np.sqrt(counts), known)


def features_of(frames: FloatArray, basis: Projection) -> FloatArray:
    inside = frames.reshape(len(frames), -1)[:, basis.pixels]
    return np.asarray(basis.scale * (inside @ basis.weights) / inside.sum(axis=1, keepdims=True) - basis.offset)


@dataclass(frozen=True)
class Limit:
    """What single frames allow at `rows`, of `data`: r and angle (degrees) of the best estimate."""

    rows: NDArray[np.intp]
    correlation: float
    angle_deg: float


def limit(scan: Scan, shapes: NDArray[np.bool_], rows: NDArray[np.intp]) -> Limit:
    """The posterior mean over a bank of the true shapes at `shapes` [positions], for the frames at `rows`."""
    leading = center_of_mass(BASIS)
    modes = [np.eye(BASIS.n_radial, dtype=np.complex128)] * (BASIS.max_order + 1)
    turning = Turning.of(modes, BASIS, np.stack([leading.real, leading.imaginary]), 1)
    true = (scan.true_x[shapes] @ turning.axes).astype(np.float32)
    bank, _ = bank_of(turning, true, np.full(len(true), -np.log(len(true)), np.float32))
    found = bank.encode(scan.data.x[rows], 1)
    r, angle, _ = against_truth(scan, found.latents[:, 0].astype(float), found.rotation.astype(float), rows)
    return Limit(rows, abs(r), angle)


def against_truth(
    scan: Scan, magnitude: FloatArray, rotation: FloatArray, rows: NDArray[np.intp]
) -> tuple[float, float, float]:
    """Of values at `rows`: r with the true |COM|, angle to its direction in degrees, and after the best offset."""
    true_size, true_angle = np.hypot(*scan.true_com[rows].T), np.arctan2(*scan.true_com[rows].T)
    direct = np.degrees(np.average(np.abs(wrapped(rotation - true_angle)), weights=true_size))
    best = np.degrees(angle_agreement(rotation, true_angle, true_size).error_rad)
    return pearson(magnitude, true_size), float(direct), float(best)


def trained(
    scan: Scan, decoder: str, seed: int, seconds: float, gauge: Gauge | None = None
) -> tuple[Model, float, float]:
    """The model, its held-out likelihood and frames a second."""
    model: Model
    if gauge is None:
        model = factory(decoder).create(scan.data, BASIS, 2, seed, "cpu")
    else:
        model = HarmonicLearner.create(scan.data, BASIS, 2, seed, "auto", gauge)
    rounds = max(1, round(seconds / ROUND_S))
    reports = [model.train(scan.data, seconds / rounds, (i / rounds, (i + 1) / rounds)) for i in range(rounds)]
    rate = sum(report.frames for report in reports) / sum(report.seconds for report in reports)
    return model, reports[-1].heldout_loglikelihood, rate


def row(name: str, scan: Scan, magnitude: FloatArray, rotation: FloatArray, rows: NDArray[np.intp]) -> str:
    r, direct, best = against_truth(scan, magnitude, rotation, rows)
    return f"{name:46s} r {r:+.4f}  angle {direct:6.2f} ({best:.2f}) deg"


def report(scan: Scan, name: str, model: Model, known: Limit, dose: float) -> str:
    found, rows = model.encode(scan.data.x), known.rows
    spread = np.sqrt(found.explained[1] / found.explained[0])
    latent, rotation = found.latents[rows, 0].astype(float), found.rotation[rows].astype(float)
    return (
        f"{row(name, scan, latent, rotation, rows)}  sd2/sd1 {spread:.4f}{judged(scan, latent, rotation, known, dose)}"
    )


def judged(scan: Scan, latent: FloatArray, rotation: FloatArray, known: Limit, dose: float) -> str:
    """How far from the limit of the very same frames, and whether that is within what was allowed."""
    if not np.isfinite(known.angle_deg):
        return ""
    r, angle, _ = against_truth(scan, latent, rotation, known.rows)
    behind = (known.correlation - abs(r), angle - known.angle_deg)
    verdicts = ""
    if dose in ALLOWED:
        verdicts = (
            " ("
            + ", ".join(
                "within" if distance <= most else f"NOT within {most:g}"
                for distance, most in zip(behind, ALLOWED[dose], strict=True)
            )
            + ")"
        )
    return f"  behind the limit by {behind[0]:+.4f} and {behind[1]:+.2f} deg{verdicts}"


def print_limits(scan: Scan, noise: str) -> Limit:
    """Print what can be had of the frames; gives the limit that models are held against."""
    positions = len(scan.known)
    everything = np.arange(len(scan.data.x))
    if scan.data.noise_variance == 0.0:
        print(row(f"raw COM, {noise}", scan, np.hypot(*scan.raw_com.T), np.arctan2(*scan.raw_com.T), everything))
        return Limit(everything, 1.0, float("nan"))
    rows = np.flatnonzero(~scan.known[everything % positions])
    raw = scan.raw_com[rows]
    print(row(f"raw COM, {noise}", scan, np.hypot(*raw.T), np.arctan2(*raw.T), rows))
    others = limit(scan, scan.known, rows)
    own = limit(scan, np.ones_like(scan.known), rows)
    for name, found in (("of others' shapes", others), ("its own too", own)):
        print(f"{f'limit {name}, {noise}':46s} r {found.correlation:+.4f}  angle {found.angle_deg:6.2f} deg")
    parts = [everything[first : first + positions] for first in range(0, len(everything), positions)]
    drawn = [
        against_truth(scan, np.hypot(*scan.raw_com[part].T), np.arctan2(*scan.raw_com[part].T), part)[:2]
        for part in parts
    ]
    if len(drawn) > 1:
        r, angle = np.std(drawn, axis=0, ddof=1)
        print(f"{f'one draw of {positions} frames scatters by':46s} r  {r:.4f}  angle {angle:6.2f} deg (raw COM)")
    return others


def measure(chosen: argparse.Namespace, dose: float, seed: int) -> None:
    scan = scan_of(chosen.reference, dose, seed, chosen.repeats)
    noise = f"{dose:g} electrons, seed {seed}"
    known = print_limits(scan, noise)
    contestants: list[tuple[str, Gauge | None]] = [
        ("harmonic", gauge) for gauge in ("decoder", "free", "data") if gauge in chosen.gauges.split(",")
    ]
    contestants += [(decoder, None) for decoder in filter(None, chosen.decoders.split(","))]
    for decoder, gauge in contestants:
        model, heldout, rate = trained(scan, decoder, seed, chosen.seconds, gauge)
        name = " ".join(filter(None, (decoder, gauge)))
        more = f"  held-out {heldout:.3f}  {rate:.0f} frames/s"
        print(report(scan, f"{name}, {noise}", model, known, dose) + more, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--doses", default="inf,1e5,1e4,1e3")
    parser.add_argument("--decoders", default="harmonic")
    parser.add_argument("--gauges", default="", help="of the harmonic decoder, beside its default")
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--reference", type=Path, default=REFERENCE)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    print(LITERATURE, LIMITS, sep="\n")
    for dose in map(float, chosen.doses.split(",")):
        for seed in range(chosen.seeds):
            measure(chosen, dose, seed)


if __name__ == "__main__":
    main()
