from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from stream_rrvae import __version__


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stream_rrvae", *arguments], capture_output=True, text=True, timeout=100
    )


def test_version_and_help() -> None:
    assert run("--version").stdout.strip() == f"stream-rrvae, version {__version__}"
    for command in ("demo", "serve", "dashboard", "doctor"):
        shown = run(command, "--help")
        assert shown.returncode == 0
        assert "--" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["serve"], "--source"),
        (["serve", "--source", "tcp://127.0.0.1:1"], "native"),
        (["serve", "--source", "native+pull://127.0.0.1:1", "--scan-shape", "64"], "rows x columns"),
        (["serve", "--source", "native+pull://127.0.0.1:1", "--feed", "tcp://0.0.0.0:5"], "--allow-remote"),
        (["serve", "--config", "/nowhere.toml"], "nowhere.toml"),
        (["serve", "--mode", "guess"], "finetune"),
        (["nonsense"], "No such command"),
    ],
)
def test_wrong_usage_is_status_2_and_says_what_to_do(arguments: list[str], advice: str) -> None:
    ended = run(*arguments)
    assert ended.returncode == 2
    assert advice in ended.stderr
    assert "Traceback" not in ended.stderr


def test_doctor_reports_every_check_and_succeeds_here(tmp_path: Path) -> None:
    report = run("doctor", "--out", str(tmp_path))
    assert report.returncode == 0, report.stdout + report.stderr
    for name in (
        "Python",
        "CPU cores",
        "GPU",
        "shared memory",
        "socket buffers",
        "packet backlog",
        "disk",
        "clock",
        "time of day",
        "open files",
        "JIT kernels",
    ):
        assert name in report.stdout
    assert list(tmp_path.iterdir()) == []


def test_doctor_fails_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    report = run("doctor", "--out", str(tmp_path / "file" / "below"))
    assert report.returncode == 1
    assert "--out" in report.stdout


def test_light_commands_stay_light() -> None:
    code = (
        "import sys, stream_rrvae.cli; "
        "print([m for m in ('torch', 'bokeh', 'numba', 'h5py', 'zmq') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_acquiring_process_loads_neither_torch_nor_bokeh() -> None:
    code = "import sys, stream_rrvae.service; print([m for m in ('torch', 'bokeh') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
