"""What 1, 2, 3 and 4 latents find: pristine graphene, a vacancy, a silicon atom, a wall, and a zincblende crystal.

Run by hand: python tests/benchmarks/rrvae_latents.py [--specimens graphene-vacancy,...] [--doses inf,1e5] [--seeds 3]
A structure file among the specimens (zincblende: `--write-gaas GaAs110.cif` makes one) needs abTEM and 0.1 s a position
and 0.4 nm of thickness: --scan-shape 48x48 --step-nm 0.023555,0.024984 [--thickness-nm 4] is 2 x 3 cells of GaAs [110].

Of every map: |r| with the COM magnitude and with the dark field, its spread in noise units, and how well it marks the
defect: z = mean at the defect beyond the mean elsewhere, in standard deviations elsewhere; auc = the probability that a
position at the defect has the larger value (0.5 = says nothing; turned so that it is at least 0.5).
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.stats import rankdata

from detector_sim.detector import detector_model
from detector_sim.settings import SimulationSettings
from detector_sim.simulation import Simulation
from stream_rrvae.kernels.basis import BasisSpec, project_onto
from stream_rrvae.maps.statistics import pearson, wrapped
from stream_rrvae.messages import Float32Array
from stream_rrvae.rrvae.learner import HarmonicLearner
from stream_rrvae.rrvae.novelty import novelty
from stream_rrvae.rrvae.preparation import Prepared, whitened

BASIS = BasisSpec()
NEAR_NM = {"point": 0.12, "wall": 0.15}  # of a point defect; of the middle of a wall
BLUR_STEPS = 2.0
USED = 0.05  # a latent's spread in noise units below which the model hardly uses it
LATENTS = (1, 2, 3, 4)
GAAS_A = 5.6533


@dataclass(frozen=True)
class Scan:
    """Features, true COM (y, x), dark field, and which positions are at the defect (None: there is none)."""

    features: Float32Array
    com: NDArray[np.float64]
    dark_field: NDArray[np.float64]
    near: NDArray[np.bool_] | None
    shape: tuple[int, int]

    def blurred(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """A map [n] averaged over `BLUR_STEPS` scan steps."""
        return np.asarray(gaussian_filter(values.reshape(self.shape), BLUR_STEPS).ravel())


def scan_of(settings: SimulationSettings) -> Scan:
    simulation, grid = Simulation(settings), settings.grid
    radius = settings.disc_radius_px
    basis = project_onto(BASIS, grid.shape, grid.beam_center_px, radius, np.ones(grid.shape, np.bool_))
    ky, kx = np.indices(grid.shape)
    r = np.hypot(ky - grid.beam_center_px[0], kx - grid.beam_center_px[1]) / radius
    features, dark = [], []
    for block in simulation.blocks():
        inside = block.frames.reshape(len(block.frames), -1)[:, basis.pixels].astype(np.float32)
        features.append(basis.scale * (inside @ basis.weights) / inside.sum(axis=1, keepdims=True) - basis.offset)
        dark.append(block.frames[:, (r > 1.1) & (r < 2.5)].sum(axis=1) / block.frames.sum(axis=(1, 2)))
    truth = simulation.truth()
    com = truth.com_mrad.reshape(-1, 2)
    near = at_defect(settings.specimen, truth.positions_nm.reshape(-1, 2), truth.defects_nm)
    kept = np.concatenate(features).astype(np.float16).astype(np.float32)
    return Scan(kept, com - com.mean(axis=0), np.concatenate(dark), near, settings.scan_shape)


def at_defect(specimen: str, places: NDArray[np.float64], defects: NDArray[np.float64]) -> NDArray[np.bool_] | None:
    if specimen.endswith("-wall"):
        return np.asarray(np.abs(places[:, 1]) < NEAR_NM["wall"])
    if specimen not in ("graphene-vacancy", "graphene-silicon"):
        return None
    return np.asarray(np.hypot(*(places - defects[0]).T) < NEAR_NM["point"])


def marks(values: NDArray[np.floating], near: NDArray[np.bool_]) -> tuple[float, float]:
    """z and auc of a map at the defect; see the module."""
    rest = values[~near]
    z = float((values[near].mean() - rest.mean()) / max(rest.std(), 1e-12))
    count = np.count_nonzero(near)
    auc = (rankdata(values)[near].sum() - count * (count + 1) / 2) / (count * np.count_nonzero(~near))
    return z, float(max(auc, 1 - auc))


def row(name: str, values: NDArray[np.floating], scan: Scan, spread: str = "") -> None:
    size = np.hypot(*scan.com.T)
    found = f"|r| COM {abs(pearson(values, size)):.3f}  dark field {abs(pearson(values, scan.dark_field)):.3f}"
    if scan.near is not None:
        z, auc = marks(values, scan.near)
        found += f"  defect z {z:+.2f} auc {auc:.2f}"
    print(f"    {name:16s} {found}  {spread}", flush=True)


def trained(data: Prepared, latents: int, seed: int, seconds: float) -> HarmonicLearner:
    model = HarmonicLearner.create(data, BASIS, latents, seed, "cpu")
    for part in range(4):
        model.train(data, seconds / 4, (part / 4, (part + 1) / 4))
    return model


def compare(scan: Scan, data: Prepared, seeds: int, seconds: float) -> None:
    size, direction = np.hypot(*scan.com.T), np.arctan2(*scan.com.T)
    row("COM magnitude", size, scan)
    row("dark field", scan.dark_field, scan)
    row("same, blurred", scan.blurred(scan.dark_field), scan)
    for latents in LATENTS:
        for seed in range(seeds):
            model = trained(data, latents, seed, seconds)
            found, looked = model.encode(data.x), novelty(model, data)
            error = np.degrees(np.average(np.abs(wrapped(found.rotation - direction)), weights=size))
            print(f"  {latents} latents, seed {seed}: angle to COM direction {error:.2f} degrees")
            for number, latent in enumerate(found.latents.T, start=1):
                spread = float(latent.std())
                row(f"latent {number}", latent, scan, f"sd {spread:.3f}" + (" (unused)" if spread < USED else ""))
            assert looked is not None
            row("misfit", looked.misfit, scan)
            row("misfit, blurred", scan.blurred(looked.misfit), scan)


def write_gaas(path: Path) -> None:
    """GaAs seen along [110]: x = [1-10], y = [001]; one cell thick."""
    from ase import Atoms
    from ase.io import write

    x, y = GAAS_A / np.sqrt(2), GAAS_A
    gallium, arsenic = [(0, 0, 0), (x / 2, y / 2, x / 2)], [(0, y / 4, x / 2), (x / 2, 3 * y / 4, 0)]
    write(path, Atoms("Ga2As2", positions=gallium + arsenic, cell=[x, y, x], pbc=True))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--specimens", default="graphene,graphene-vacancy,graphene-silicon,graphene-wall")
    parser.add_argument("--doses", default="inf,1e5")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--scan-shape", default="64x64")
    parser.add_argument("--step-nm", default="0.02,0.02")
    parser.add_argument("--thickness-nm", type=float, default=0.0)
    parser.add_argument("--write-gaas", type=Path)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    if chosen.write_gaas:
        write_gaas(chosen.write_gaas)
        return
    rows, columns = (int(side) for side in chosen.scan_shape.split("x"))
    step_y, step_x = (float(step) for step in chosen.step_nm.split(","))
    for specimen in chosen.specimens.split(","):
        settings = SimulationSettings(
            specimen, chosen.thickness_nm, scan_shape=(rows, columns), step_nm=(step_y, step_x)
        )
        for dose in (float(dose) for dose in chosen.doses.split(",")):
            counted = np.isfinite(dose)
            if counted:
                settings = replace(settings, detector=detector_model("96x96:uint16"), dose_electrons=dose)
            scan = scan_of(settings)
            print(f"{specimen}, {dose:g} electrons a frame")
            data = whitened(scan.features, np.arange(len(scan.features)), dose if counted else 1e4, float(counted))
            compare(scan, data, chosen.seeds, chosen.seconds)


if __name__ == "__main__":
    main()
