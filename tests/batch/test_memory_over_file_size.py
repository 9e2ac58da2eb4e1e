"""Memory does not grow with the file: what is kept of a frame is some hundred bytes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PEAK = """
import sys
from pathlib import Path
from stream_rrvae.batch.analyse import analyse
from stream_rrvae.config import LearnSettings, Settings
from stream_rrvae.recording.frame_file import open_frames

with open_frames(sys.argv[1]) as frames:
    analyse(frames, Settings(learn=LearnSettings(mode="off")), Path(sys.argv[2]), lambda done: None)
print(next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")))
"""


def peak_bytes(path: Path, lines: int) -> int:
    """Of analysing a file of `lines` MiB, which has holes instead of zeros on the disk."""
    np.lib.format.open_memmap(path, "w+", np.uint8, (lines, 4, 512, 512)).flush()
    command = [sys.executable, "-c", PEAK, str(path), str(path.with_suffix(".h5"))]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    return 1024 * int(shown.stdout)


@pytest.mark.slow
def test_peak_memory_hardly_grows_from_a_small_file_to_a_large_one(tmp_path: Path) -> None:
    small, large = (peak_bytes(tmp_path / f"{lines}.npy", lines) for lines in (32, 512))
    assert large - small < 64 << 20
