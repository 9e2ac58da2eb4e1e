"""Check 14: a finished recording opens in programs that know nothing of this one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from stream_rrvae.bench.trust.reader_scripts import H5DUMP, LIBERTEM, PLAIN_H5PY
from stream_rrvae.bench.trust.table import Effort, Found, judged
from stream_rrvae.config import RecordingSettings
from stream_rrvae.errors import StreamRrvaeError
from stream_rrvae.messages import Encoding, ReceivedFrames, ScanStart, ScanState
from stream_rrvae.metrics import new_metrics
from stream_rrvae.recording.layout import MASTER_NAME
from stream_rrvae.recording.recorder import Recorder
from stream_rrvae.wire.pixels import encode_bslz4

SCAN_SHAPE, FRAME_SHAPE = (6, 7), (24, 20)
LIBERTEM_PYTHON = "STREAM_RRVAE_PEER_PYTHON"  # as the tests have it
PATIENCE_S = 120.0


def old_readers(effort: Effort) -> Found:
    """Plain h5py, LiberTEM and HDF5's own tool, as far as they are here."""
    with TemporaryDirectory(prefix="stream-rrvae-trust-") as folder:
        master, total = _recorded(Path(folder))
        sums = {
            "plain h5py": _said(sys.executable, "-I", "-c", PLAIN_H5PY, str(master)),
            "LiberTEM": _said(os.environ.get(LIBERTEM_PYTHON, effort.peers_python), "-I", "-c", LIBERTEM, str(master)),
        }
        tool = shutil.which(H5DUMP)
        sums["h5dump"] = _said(tool, "-H", "-d", "/entry/data/data", str(master)) if tool else None
    opened = [name for name, said in sums.items() if said == str(total) or (name == "h5dump" and said)]
    absent = [name for name, said in sums.items() if said is None]
    wrong = [name for name in sums if name not in (*opened, *absent)]
    figure = f"{', '.join(opened)} read it as it was sent"
    figure += f"; not: {', '.join(wrong)}" if wrong else ""
    figure += f"; not installed here: {', '.join(absent)}" if absent else ""
    return judged(not wrong and bool(opened), figure, len(opened), "programs")


def _said(*command: str) -> str | None:
    """The last line of what it says; None where it is not installed, what went wrong where something did."""
    ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    if "ModuleNotFoundError" in ended.stderr:
        return None
    lines: Sequence[str] = (ended.stdout if ended.returncode == 0 else ended.stderr).strip().splitlines()
    return lines[-1] if lines else ""


def _recorded(folder: Path) -> tuple[Path, int]:
    """The master file of a recording, and the sum of its pixels."""
    n = SCAN_SHAPE[0] * SCAN_SHAPE[1]
    frames = np.random.default_rng(0).poisson(3.0, (n, *FRAME_SHAPE)).astype(np.uint16)
    start = ScanStart("readers", 1, FRAME_SHAPE, "uint16", n, SCAN_SHAPE)
    kept = [np.frombuffer(encode_bslz4(frame), np.uint8) for frame in frames]
    sizes = np.array([content.size for content in kept], np.int64)
    addresses = np.array([content.ctypes.data for content in kept], np.uint64)
    recorder = Recorder(folder, RecordingSettings(keep_free_bytes=0), new_metrics())
    recorder.start()
    recorder.opened(start, SCAN_SHAPE)
    recorder.frames(
        ReceivedFrames(addresses, sizes, np.arange(n), np.zeros(n), Encoding.BSLZ4, int(sizes.sum()), lambda: None)
    )
    recorder.closed(ScanState.COMPLETE)
    made = recorder.complete(start, start.calibration)
    recorder.stop()
    if made is None:
        raise StreamRrvaeError(f"nothing was recorded: {recorder.fault}")
    return made / MASTER_NAME, int(frames.sum())
