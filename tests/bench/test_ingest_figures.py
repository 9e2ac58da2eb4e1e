from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from stream_rrvae.bench.ingest import CASES, Case, Contestant, Standing, Turn, head, rows_of, table
from stream_rrvae.bench.process_cpu import tree_cpu_s
from stream_rrvae.commands.bench_ingest import HOW_TO_INSTALL, IngestOptions, run_case
from stream_rrvae.commands.children import Child

SMALL = Case("48x48 u8", "48x48:uint8", 300, peer=False)


def standing(*rates: float, cpu_us: float = 10.0, lost: int = 0) -> Standing:
    return Standing([Turn(fps, cpu_us, 1000, lost) for fps in rates])


def test_the_service_is_beside_the_bare_receiver_and_the_peer() -> None:
    standings = {
        Contestant.BARE: standing(500_000.0),
        Contestant.SERVICE: standing(90_000.0, 150_000.0, 120_000.0, lost=2),
        Contestant.BARE_V1: standing(200_000.0),
        Contestant.SERVICE_V1: standing(50_000.0),
        Contestant.PEER: standing(30_000.0, cpu_us=50.0),
    }
    rows = {row.name: row for row in rows_of(CASES[0], standings)}
    ours = rows[f"{CASES[0].name}: service"]
    assert (ours.value, ours.spread, ours.target) == (120_000.0, (90_000.0, 150_000.0), 150_000.0)
    assert ours.ratio == pytest.approx(0.24)
    assert rows[f"{CASES[0].name}: service, frames lost"].value == 6
    assert rows[f"{CASES[0].name}: service beside the peer"].ratio == pytest.approx(4.0)
    assert rows[f"{CASES[0].name}: CPU of the service"].target == pytest.approx(10.0)
    assert rows[f"{CASES[0].name}: service V1"].ratio == pytest.approx(0.25)
    lines = table(CASES[0], standings)
    assert len(lines) == 5
    assert len({len(line) for line in [head(), *lines]}) == 1


def test_a_peer_that_is_not_there_leaves_its_columns_empty() -> None:
    standings = {who: standing(1000.0) for who in CASES[0].contestants}
    standings[Contestant.PEER] = Standing(why_not=HOW_TO_INSTALL)
    assert HOW_TO_INSTALL in table(CASES[0], standings)[-1]
    beside = next(row for row in rows_of(CASES[0], standings) if row.name.endswith("beside the peer"))
    assert (beside.reference_value, beside.ratio) == (None, None)


def test_uncompressed_frames_are_to_reach_a_part_of_the_bare_receiver() -> None:
    plain = next(case for case in CASES if case.target_ratio)
    rows = list(rows_of(plain, {Contestant.BARE: standing(100_000.0), Contestant.SERVICE: standing(95_000.0)}))
    assert rows[0].target == pytest.approx(90_000.0)
    assert len(rows) == 2


def test_the_service_takes_every_frame_of_a_real_sender() -> None:
    options = IngestOptions(0.5, 1, (64, 64), sys.executable)
    standings = run_case(SMALL, options)
    assert list(standings) == [Contestant.BARE, Contestant.SERVICE]
    for found in standings.values():
        assert found.fps and found.cpu_us
    assert standings[Contestant.SERVICE].lost == 0
    assert standings[Contestant.SERVICE].turns[0].frames % (64 * 64) == 0


def test_cpu_time_counts_children(tmp_path: Path) -> None:
    burning = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1); [0 for _ in iter(int, 1)]'])"
    script = tmp_path / "burn.py"
    script.write_text(burning)
    with Child("burner", str(script)) as child:
        child.line_with("1")
        while tree_cpu_s(child.process.pid) < 0.3:
            pass
        pid = child.process.pid
    assert tree_cpu_s(pid) == 0.0


def test_what_a_child_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    script = tmp_path / "leave.py"
    script.write_text("import subprocess\nprint(subprocess.Popen(['sleep', '600']).pid, flush=True)\n")
    with Child("leaver", str(script)) as child:
        left = int(child.line_with(""))
        child.process.wait()
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(left)
        assert process.wait(60) is None or process.status() == psutil.STATUS_ZOMBIE
