"""Makes the packaged model: `python -m stream_rrvae.rrvae.pretrained.make [--out FILE] [--seconds S]`.

Simulated scans of three specimens at several doses, written by detector_sim and trained on by `stream-rrvae train`:
everything goes through the commands that users have.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from stream_rrvae.rrvae.checkpoint import DEFAULT_FILE, PRETRAINED

SEMIANGLE_MRAD = 31.0
# Specimen, electrons a frame, scan step in nm: the defects need a field of their own size.
SCANS = [
    ("graphene", "inf", 0.01),
    ("graphene", "1e5", 0.01),
    ("graphene", "1e4", 0.01),
    ("graphene-silicon", "inf", 0.02),
    ("graphene-silicon", "1e5", 0.02),
    ("graphene-wall", "inf", 0.03),
    ("graphene-wall", "1e5", 0.03),
]


def make(out: Path, seconds: float) -> None:
    """Simulate, train, write `out`. Raises subprocess.CalledProcessError when a command fails."""
    with tempfile.TemporaryDirectory() as folder:
        files = [str(_simulated(Path(folder), seed, *scan)) for seed, scan in enumerate(SCANS)]
        geometry = ["--semiangle-mrad", str(SEMIANGLE_MRAD)]
        _run(
            "stream_rrvae", "train", *files, "--out", str(out), "--seconds", str(seconds), "--licence", "MIT", *geometry
        )
    out.chmod(0o644)


def _simulated(folder: Path, seed: int, specimen: str, dose: str, step_nm: float) -> Path:
    out = folder / f"{specimen}-{dose}.npy"
    detector = "96x96:float32" if dose == "inf" else "96x96:uint16"
    scan = ["--scan-shape", "48x48", "--step-nm", str(step_nm), "--dose", dose, "--seed", str(seed)]
    _run("detector_sim.write_frames", str(out), "--specimen", specimen, "--detector", detector, *scan)
    return out


def _run(module: str, *arguments: str) -> None:
    # Threads of linear algebra only wait for one another on matrices as small as these.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-m", module, *arguments], check=True, env=environment)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=PRETRAINED / DEFAULT_FILE, help="file to write")
    parser.add_argument("--seconds", type=float, default=60.0, help="of training")
    chosen = parser.parse_args()
    make(chosen.out, chosen.seconds)


if __name__ == "__main__":
    main()
