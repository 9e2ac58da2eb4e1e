from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


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
