"""Memory does not grow with the file: what is kept of a frame is some hundred bytes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

PEAKS = """
import sys
from pathlib import Path
from stream_rrvae.batch.analyse import analyse
from stream_rrvae.config import LearnSettings, Settings
from stream_rrvae.recording.frame_file import open_frames

for name in sys.argv[1:]:
    with open_frames(name) as frames:
        analyse(frames, Settings(learn=LearnSettings(mode="off")), Path(name).with_suffix(".h5"), lambda done: None)
    status = Path("/proc/self/status").read_text().splitlines()
    print(next(line.split()[1] for line in status if line.startswith("VmHWM")))
"""


def test_peak_memory_hardly_grows_from_a_small_file_to_a_large_one(tmp_path: Path) -> None:
    names = []
    for lines in (32, 256):
        names.append(str(tmp_path / f"{lines}.npy"))
        # Of so many MiB, with holes instead of zeros on the disk.
        np.lib.format.open_memmap(names[-1], "w+", np.uint8, (lines, 4, 512, 512)).flush()
    shown = subprocess.run([sys.executable, "-c", PEAKS, *names], capture_output=True, text=True, check=True)
    small, large = (1024 * int(line) for line in shown.stdout.split())
    assert large - small < 64 << 20
