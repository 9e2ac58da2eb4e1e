"""Other people's rotationally invariant VAEs on the same frames, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from stream_rrvae.bench.course import Course, quickest_s
from stream_rrvae.bench.scan_frames import Prepare, ScanFrames, centring, zero_to_one
from stream_rrvae.errors import StreamRrvaeError
from stream_rrvae.tethered import tethered

SCRIPT = Path(__file__).with_name("peer_script.py")
NOT_INSTALLED = 3  # exit status of the script
HOW_TO_INSTALL = "not installed: pip install 'stream-rrvae[peers]'"
# glibc hands the decoders' large activations back to the system after every step and faults them in again
# at the next; with these thresholds it keeps them, which saves up to half of the time of a frame.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 32), "MALLOC_TRIM_THRESHOLD_": str(1 << 33)}

TUNED_RMS = 10.0  # of a frame, where the noise the decoders assume is 1: better than 30 for AtomAI in a short trial


@dataclass(frozen=True, slots=True)
class PeerSetting:
    """One way to run one peer."""

    name: str
    peer: str
    learning_rate: float
    batch: int
    tuned: bool  # the disc alone, mean-subtracted, and memory kept; else whole frames in 0..1, as documented


SETTINGS = (
    PeerSetting("AtomAI rVAE, as documented", "atomai", 1e-4, 100, tuned=False),
    PeerSetting("AtomAI rVAE, tuned", "atomai", 1e-3, 8, tuned=True),
    PeerSetting("pyroVED iVAE, as documented", "pyroved", 1e-3, 100, tuned=False),
    PeerSetting("pyroVED iVAE, tuned", "pyroved", 1e-3, 8, tuned=True),
)


@dataclass(frozen=True, slots=True)
class PeerRun:
    """How long (CPU seconds) and with what to run a peer."""

    python: str  # the interpreter that has it
    seconds: float
    latents: int
    seed: int


def peer_course(setting: PeerSetting, scan: ScanFrames, run: PeerRun) -> Course | None:
    """The peer's training on `scan`; None when it is not installed. Raises StreamRrvaeError when it fails."""
    with tempfile.TemporaryDirectory(prefix="stream-rrvae-bench-") as name:
        folder = Path(name)
        prepare = _preparing(setting, scan)
        np.save(folder / "frames.npy", prepare())
        job = {**asdict(setting), **asdict(run), "look_s": max(1.0, run.seconds / 50)}
        job |= {"frames": str(folder / "frames.npy"), "out": str(folder / "out.npz")}
        (folder / "job.json").write_text(json.dumps(job))
        return _course(folder, _started(setting, run, folder), quickest_s(prepare) / len(scan.frames))


def _preparing(setting: PeerSetting, scan: ScanFrames) -> Prepare:
    return centring(scan, TUNED_RMS) if setting.tuned else zero_to_one(scan)


def _started(setting: PeerSetting, run: PeerRun, folder: Path) -> subprocess.CompletedProcess[str]:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    surroundings = {**os.environ, **threads, **(KEEP_MEMORY if setting.tuned else {})}
    command = tethered(run.python, str(SCRIPT), str(folder / "job.json"))
    theirs, ours = os.pipe()
    try:
        return subprocess.run(
            command, stdin=theirs, env=surroundings, cwd=folder, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise StreamRrvaeError(f"cannot start {run.python} for the peers: {error}") from error
    finally:
        os.close(theirs)
        os.close(ours)


def _course(folder: Path, ended: subprocess.CompletedProcess[str], preparing_s: float) -> Course | None:
    """What the script left; `preparing_s` a frame is counted to its encoding from raw frames."""
    if ended.returncode == NOT_INSTALLED:
        return None
    if ended.returncode:
        lines = ended.stderr.strip().splitlines() or [f"status {ended.returncode}"]
        raise StreamRrvaeError(lines[-1])
    with np.load(folder / "out.npz", allow_pickle=False) as out:
        encode_fps = float(out["encode_fps"])
        return Course(
            np.asarray(out["seconds"], np.float64),
            np.asarray(out["frames_trained"], np.float64),
            np.asarray(out["rotation"], np.float64),
            np.asarray(out["latents"], np.float64),
            encode_fps,
            1.0 / (1.0 / encode_fps + preparing_s),
        )
