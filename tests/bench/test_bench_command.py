from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import psutil


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stream_rrvae", "bench", *arguments], capture_output=True, text=True, timeout=110
    )


def test_the_comparison_runs_on_simulated_frames_and_writes_its_figures(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    short = ("--scan-shape", "12x12", "--seconds", "0.5", "--peer-seconds", "1", "--peers-python", "/nowhere/python")
    ended = bench("rrvae", *short, "--json", str(figures))
    assert ended.returncode == 0, ended.stderr
    assert "/nowhere/python" in ended.stdout  # a peer that cannot run does not end the comparison
    rows = json.loads(figures.read_text())
    keys = {"name", "value", "unit", "reference", "reference_value", "ratio", "target", "spread", "machine", "versions"}
    assert all(set(row) == keys for row in rows)
    named = {row["name"]: row for row in rows}
    assert named["raw COM: |r| with the COM magnitude"]["value"] > 0.999
    for decoder in ("harmonic", "exact", "spatial"):
        assert named[f"stream-rrvae {decoder}: training"]["value"] > 0
        assert named[f"stream-rrvae {decoder}: encoding"]["value"] > 0
    assert named["AtomAI rVAE, tuned: training"]["value"] is None


def test_an_unknown_benchmark_is_wrong_usage() -> None:
    ended = bench("rvae")
    assert ended.returncode == 2
    assert "rrvae" in ended.stderr


def test_a_terminated_benchmark_leaves_no_process_behind() -> None:
    bench_ingest = [sys.executable, "-m", "stream_rrvae", "bench", "ingest", "--seconds", "60"]
    with subprocess.Popen(bench_ingest, stdout=subprocess.DEVNULL) as ended:
        waiting = psutil.Process(ended.pid)
        while not (started := waiting.children(recursive=True)):
            assert ended.poll() is None
        ended.terminate()
        assert ended.wait(60) == 0
    gone, alive = psutil.wait_procs(started, timeout=10)
    assert gone and not alive
