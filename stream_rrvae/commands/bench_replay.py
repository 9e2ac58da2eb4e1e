"""`bench replay`: a recording sent again at full speed beside the simulator that it was recorded from."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

from stream_rrvae.bench.drain import drained
from stream_rrvae.bench.rows import Row
from stream_rrvae.commands.children import Child
from stream_rrvae.recording.frame_file import open_frames

SOURCES = {"native": "native+pull", "dectris-v2": "dectris-v2"}
SIMULATED = (
    "--detector",
    "192x192:uint8",
    "--dose",
    "2000",
    "--scan-shape",
    "64x64",
    "--repeat",
    "4x4",
    "--scans",
    "1",
)
TARGET_RATIO = 0.5


def measure_replay(rounds: int, say: Callable[[str], None]) -> list[Row]:
    """Frames/s through each protocol to a receiver that throws them away, in turns. Raises StreamRrvaeError."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="stream-rrvae-bench-") as folder:
        for protocol, scheme in SOURCES.items():
            simulator = ("detector_sim", "--protocol", protocol, "--bind", "tcp://127.0.0.1:*", *SIMULATED)
            recording, n_frames = _recorded(scheme, simulator, Path(folder) / protocol)
            replay = ("stream_rrvae", "replay", str(recording), "--to", f"{scheme}://127.0.0.1:*", "--speed", "max")
            rates = [(_rate(replay, n_frames), _rate(simulator, n_frames)) for _ in range(rounds)]
            replayed, simulated = (median(column) for column in zip(*rates, strict=True))
            row = Row(f"replay {protocol}", replayed, "frames/s", "simulator", simulated, TARGET_RATIO * simulated)
            say(f"{row.name:20s} {row.value:10,.0f} frames/s = {row.ratio:.2f} of the simulator at full speed")
            rows.append(row)
    return rows


def _recorded(scheme: str, simulator: tuple[str, ...], folder: Path) -> tuple[Path, int]:
    """One scan of the simulator as the service records it, and how many frames that are."""
    with Child("simulator", *simulator) as sender:
        source = f"{scheme}://{sender.line_with('bound tcp://')}"
        settings = ("--source", source, "--mode", "off", "--scans", "1", "--feed", f"ipc://{folder}.feed")
        with Child("service", "stream_rrvae", "serve", *settings, "--record", str(folder)) as service:
            service.process.wait()
            service.check()
    (recording,) = folder.iterdir()
    with open_frames(str(recording)) as frames:
        return recording, frames.n_arrivals


def _rate(command: tuple[str, ...], n_frames: int) -> float:
    module, *arguments = command
    with Child(module, module, *arguments) as sender:
        taken = drained(f"tcp://{sender.line_with('bound tcp://')}", lambda: sender.process.poll() is not None)
        sender.check()
    return n_frames / taken.seconds
