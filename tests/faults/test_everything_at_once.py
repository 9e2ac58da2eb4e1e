"""What takes minutes: processes killed and stopped at random, and everything together for a while."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stream_rrvae.bench.trust.table import Effort, Verdict
from stream_rrvae.commands.trust.chaos import run_chaos
from stream_rrvae.commands.trust.soak import QUICK_S, judged_soak, soaked

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        "STREAM_RRVAE_LONG_CHECKS" not in os.environ,
        reason="NOT CHECKED with kills and stops at random, nor for long: set STREAM_RRVAE_LONG_CHECKS=1",
    ),
]


@pytest.mark.parametrize("seed", range(3))
def test_kills_and_stops_at_random_leave_no_wrong_value(tmp_path: Path, seed: int) -> None:
    found = run_chaos(tmp_path, 12, seed)
    assert found.killed + found.stopped > 0
    assert found.scans > 0
    assert found.problems == []


def test_nothing_grows_while_viewers_come_and_go() -> None:
    effort = Effort()
    found = judged_soak(*soaked(2 * QUICK_S, effort))
    assert found.verdict is Verdict.MET, found.figure
    assert effort.unexplained == 0
