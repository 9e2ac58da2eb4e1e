"""A command that is killed with SIGKILL, which it cannot see coming, leaves none of its children behind."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

PARENT = """
import sys, time
from stream_rrvae.commands.children import Child
with Child("child", *sys.argv[1:]) as child:
    print(child.line_with("ready"), flush=True)
    time.sleep(1000)
"""
FILE = """
import subprocess, sys, time
other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
print("ready", sys.argv[1:], __name__, flush=True)
time.sleep(1000)
"""


def _all_gone(processes: list[psutil.Process]) -> bool:
    return not psutil.wait_procs(processes, timeout=30)[1]


def test_neither_a_file_nor_what_it_started_itself_lives_on(tmp_path: Path) -> None:
    (tmp_path / "file.py").write_text(FILE)
    command = [sys.executable, "-c", PARENT, str(tmp_path / "file.py"), "one", "two"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline().strip() == "['one', 'two'] __main__"
        started = psutil.Process(parent.pid).children(recursive=True)
        parent.kill()
    assert len(started) == 2
    assert _all_gone(started)


@pytest.mark.parametrize("children", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_a_killed_demo_leaves_nobody(tmp_path: Path, children: int) -> None:
    """At its very beginning, and with simulator, service and learner at work."""
    command = [sys.executable, "-m", "stream_rrvae", "demo", "--headless", "--scans", "0", "--out", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as demo:
        watched = psutil.Process(demo.pid)
        while len(started := watched.children(recursive=True)) < children:
            assert demo.poll() is None
            time.sleep(0.01)
        demo.kill()
    assert _all_gone(started)
