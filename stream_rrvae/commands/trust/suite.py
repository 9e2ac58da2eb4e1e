"""Checks that tests of this checkout make: run by pytest, in a process of its own, and counted."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

from stream_rrvae.bench.trust.table import Effort, Found, judged, not_run

CHECKOUT = Path(__file__).parents[3]
PATIENCE_S = 1800.0


def by_tests(*paths: str, wanted: str = "", what: str = "") -> Callable[[Effort], Found]:
    """A check that runs these tests, those whose name fits `wanted`; `what` is said of them when all pass."""

    def check(effort: Effort) -> Found:
        missing = [path for path in paths if not (CHECKOUT / path.partition("::")[0]).exists()]
        if missing:
            return not_run(f"{missing[0]} is not here: it takes a checkout")
        return _run(paths, wanted, what, effort)

    return check


def _run(paths: tuple[str, ...], wanted: str, what: str, effort: Effort) -> Found:
    with TemporaryDirectory(prefix="stream-rrvae-trust-") as folder:
        report = Path(folder) / "report.xml"
        told = ["-q", "-o", f"cache_dir={folder}/cache", f"--junitxml={report}", *(["-k", wanted] if wanted else [])]
        long = {"STREAM_RRVAE_LONG_CHECKS": "1"} if effort.long else {}
        subprocess.run(
            [sys.executable, "-m", "pytest", *told, *paths],
            cwd=CHECKOUT, env={**os.environ, **long}, capture_output=True, timeout=PATIENCE_S,
        )  # fmt: skip
        if not report.exists():
            return not_run("pytest is not installed here")
        return _counted(ElementTree.parse(report).getroot(), what)


def _counted(report: ElementTree.Element, what: str) -> Found:
    cases = list(report.iter("testcase"))
    failed = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    skipped = [case.find("skipped") for case in cases if case.find("skipped") is not None]
    passed = len(cases) - len(failed) - len(skipped)
    reasons = sorted({str(each.get("message"))[:90] for each in skipped if each is not None})
    if not passed and not failed:
        return not_run(reasons[0] if reasons else "no test fits")
    said = f"; {len(skipped)} skipped: {reasons[0]}" if reasons else ""
    if failed:
        return judged(
            False, f"{len(failed)} of {len(cases)} tests fail, first {failed[0].get('name')}{said}", len(failed)
        )
    return judged(True, f"{what}{': ' if what else ''}{passed} tests pass{said}", 0.0, "failed tests")
