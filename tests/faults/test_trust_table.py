"""The table of checks: what is shown, counted and passed on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stream_rrvae.bench.rows import write_json
from stream_rrvae.bench.trust.slopes import Sample, least_of, slopes_of
from stream_rrvae.bench.trust.table import Check, Effort, Found, Verdict, judged, not_run
from stream_rrvae.commands.bench_trust import CHECKS, measure_trust
from stream_rrvae.commands.trust.soak import judged_soak
from stream_rrvae.commands.trust.suite import by_tests
from stream_rrvae.errors import ConfigError, StreamRrvaeError
from stream_rrvae.messages import Counters


def check(number: int, found: Found | Exception) -> Check:
    def run(effort: Effort) -> Found:
        effort.accounts.append(Counters(2, 1, 0, 1))
        if isinstance(found, Exception):
            raise found
        return found

    return Check(number, f"check {number}", "somehow", "0", run)


def test_every_row_of_the_design_is_there_once() -> None:
    assert [each.number for each in CHECKS] == list(range(1, 27))


def test_a_check_that_fails_is_not_met_and_the_others_go_on() -> None:
    shown: list[str] = []
    checks = [
        check(1, judged(True, "3 of 3", 3.0)),
        check(3, StreamRrvaeError("the service ended")),
        check(4, not_run("no loop device")),
    ]
    rows = measure_trust((), False, True, shown.append, checks)
    text = "\n".join(shown)
    assert [row.value for row in rows] == [3.0, None, None]
    assert "failed: the service ended" in text and "no loop device" in text
    assert "1 met, 1 NOT MET, 1 not run here" in text
    assert "| 1 | check 1 | 0 | 3 of 3 | met |" in text


def test_only_what_is_asked_for_is_run_and_what_there_is_not_is_told() -> None:
    shown: list[str] = []
    checks = [check(1, judged(True, "one")), check(3, judged(False, "three"))]
    (row,) = measure_trust((3,), False, False, shown.append, checks)
    assert "check 3" in row.name and str(Verdict.NOT_MET) in row.name
    with pytest.raises(ConfigError, match="no check 40"):
        measure_trust((40,), False, False, shown.append, checks)


def test_the_identities_look_at_all_accounts_of_the_run() -> None:
    shown: list[str] = []
    identity = next(each for each in CHECKS if each.number == 2)
    measure_trust((), False, False, shown.append, [identity, check(5, judged(True, "fine"))])
    assert "1 unexplained frames in 1 accounts" in "\n".join(shown)


def test_tests_are_counted_with_what_they_skipped(tmp_path: Path) -> None:
    some = tmp_path / "test_some.py"
    some.write_text(
        "import pytest\ndef test_good(): pass\ndef test_bad(): assert 0\n"
        "def test_elsewhere(): pytest.skip('NOT CHECKED here')\n"
    )
    found = by_tests(str(some))(Effort())
    assert found.verdict is Verdict.NOT_MET and "test_bad" in found.figure and "NOT CHECKED here" in found.figure
    assert by_tests("tests/nowhere")(Effort()).verdict is Verdict.NOT_RUN


def test_of_moments_close_together_the_least_counts() -> None:
    first, second = Sample(1.0, 50, 9, 4, 2, 0.1), Sample(2.0, 40, 10, 4, 2, 0.2)
    assert least_of([first, second]) == Sample(1.0, 40, 9, 4, 2, 0.1)


def sampled(seconds: float, bytes_an_hour: float, files: int = 0) -> list[Sample]:
    return [
        Sample(at_s, round(1e9 + bytes_an_hour * at_s / 3600), 50 + files * (at_s > seconds / 2), 9, 2, 0.004)
        for at_s in (seconds * part / 20 for part in range(21))
    ]


def test_slopes_are_what_grew() -> None:
    slopes = slopes_of(sampled(3600, 5e6))
    assert slopes.resident_bytes == pytest.approx(5e6, rel=1e-3)
    assert slopes.threads == pytest.approx(0, abs=1e-6) and slopes.drift == 0


@pytest.mark.parametrize(
    ("samples", "missing", "met"),
    [
        (sampled(7200, 5e5), 0, True),
        (sampled(7200, 5e6), 0, False),
        (sampled(60, 5e8), 0, True),  # in a minute caches still fill
        (sampled(60, 0, files=1), 0, False),
        (sampled(60, 0), 3, False),
    ],
)
def test_a_soak_is_judged_by_its_slopes(samples: list[Sample], missing: int, met: bool) -> None:
    assert (judged_soak(samples, missing).verdict is Verdict.MET) == met


def test_a_check_leaves_its_figure_for_machines(tmp_path: Path) -> None:
    figures, shown = tmp_path / "figures.json", list[str]()
    write_json(figures, measure_trust((16,), False, False, shown.append))
    assert shown[0].startswith("16 size bombs")
    (row,) = json.loads(figures.read_text())
    assert row["value"] is not None and row["unit"] == "ms"
