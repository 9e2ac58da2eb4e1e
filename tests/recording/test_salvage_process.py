"""The process that reads damaged files ends with the one that started it, and holds none of its pipes."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from subprocess import PIPE

import psutil
import pytest

from stream_rrvae.recording.salvage_process import Task, salvage_apart

PARENT = """
import sys
from pathlib import Path
from stream_rrvae.recording.salvage_process import salvage_apart
list(salvage_apart([(Path("damaged"), Path("new"), [])], sys.argv[1]))
"""


@pytest.fixture
def tasks(tmp_path: Path) -> list[Task]:
    return [(tmp_path / name, tmp_path / f"new-{name}", []) for name in ("one", "two")]


def _pipes_of(pid: int) -> set[str]:
    return {str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()}


def test_it_ends_when_its_parent_is_killed_and_holds_none_of_its_pipes(tmp_path: Path) -> None:
    (tmp_path / "hangs.py").write_text("import time; time.sleep(1000)")
    command = [sys.executable, "-c", PARENT, str(tmp_path / "hangs.py")]
    with subprocess.Popen(command, stdout=PIPE, stderr=PIPE) as parent:
        try:
            assert parent.stdout is not None
            assert parent.stderr is not None
            while not (children := psutil.Process(parent.pid).children()):
                assert parent.poll() is None
                time.sleep(0.01)
            while not any("tethered" in part for part in children[0].cmdline()):  # until then it is the parent's copy
                time.sleep(0.01)
            streams = (parent.stdout, parent.stderr)
            ours = {str(Path(f"/proc/self/fd/{stream.fileno()}").readlink()) for stream in streams}
            held = _pipes_of(children[0].pid)
        finally:
            parent.kill()
    assert len(ours) == 2
    assert not ours & held
    assert not psutil.wait_procs(children, timeout=30)[1]


def test_each_file_that_breaks_it_is_told_and_the_next_one_tried(tmp_path: Path, tasks: list[Task]) -> None:
    (tmp_path / "crashes.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    (tmp_path / "raises.py").write_text("raise RuntimeError('no such index')")
    crashed = list(salvage_apart(tasks, str(tmp_path / "crashes.py")))
    assert crashed == [f"{name}: reading it ended with SIGSEGV" for name in ("one", "two")]
    raised = list(salvage_apart(tasks, str(tmp_path / "raises.py")))
    assert raised == [
        f"{name}: reading it failed with status 1: RuntimeError: no such index" for name in ("one", "two")
    ]


def test_a_refused_file_says_why_by_the_same_process(tasks: list[Task]) -> None:
    tasks[0][0].write_bytes(b"not HDF5")
    first, second = salvage_apart(tasks)
    assert isinstance(first, str) and first.startswith("one: ") and "signature" in first
    assert isinstance(second, str) and "No such file" in second
