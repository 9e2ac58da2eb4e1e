"""Checks 2, 17, 18 and 19: what comes over the stream, good and bad, is accounted for."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from detector_sim.second_consumer import SecondConsumer
from stream_rrvae.bench.trust.fault_matrix import FAULTS, Outcome, run_matrix
from stream_rrvae.bench.trust.steady_sender import SteadySender
from stream_rrvae.bench.trust.table import Effort, Found, judged
from stream_rrvae.commands.trust.serving import Serving, served, simulated
from stream_rrvae.messages import ScanState

SEEDS = 50
ALARM_S = 2.0
STORM_SCANS = 4
STORM_FPS = 5_000
MOST_LINES = 2
_MALFORMED = ("truncate", "corrupt", "oversize", "wrong_shape", "wrong_dtype")


def fault_matrix(effort: Effort) -> Found:
    """Every fault with seeds, judged by the oracle."""
    outcomes = run_matrix(FAULTS, range(effort.either(3, SEEDS)))
    effort.accounts += [account for outcome in outcomes for account in outcome.accounts]
    wrong = [outcome for outcome in outcomes if outcome.problems]
    injected = sum(outcome.injected for outcome in outcomes)
    figure = (
        f"{len(outcomes) - len(wrong)} of {len(outcomes)} runs ({len(FAULTS)} faults x {len(outcomes) // len(FAULTS)} "
        f"seeds, {injected} faults injected, {sum(o.holes for o in outcomes)} holes counted){_first(wrong)}"
    )
    return judged(not wrong, figure, 100.0 * (1 - len(wrong) / len(outcomes)), "%")


def _first(wrong: list[Outcome]) -> str:
    return f"; {wrong[0].fault}, seed {wrong[0].seed}: {wrong[0].problems[0]}" if wrong else ""


def identities(effort: Effort) -> Found:
    """Both identities of every account that the checks of this run have seen."""
    if not effort.accounts:
        fault_matrix(effort)
    lost = effort.unexplained
    return judged(not lost, f"{lost} unexplained frames in {len(effort.accounts)} accounts", lost, "frames")


def bad_frame_storm(effort: Effort) -> Found:
    """Half of all messages malformed: the good ones are kept, and the log stays readable."""
    scans = effort.either(STORM_SCANS, 20 * STORM_SCANS)
    rates = [word for name in _MALFORMED for word in ("--fault", f"{name}={0.5 / len(_MALFORMED)}")]
    told = ("--detector", "64x64:uint16", "--dose", "1000", "--rate", str(STORM_FPS), "--scans", str(scans))
    with (
        simulated(*told, "--scan-shape", "64x64", *rates) as source,
        served(source, "--mode", "off", "--scans", str(scans)) as service,
    ):
        lines = [json.loads(line) for line in service.child.lines() if line.startswith("{")]
    closed = [line for line in lines if line["event"] == "scan_closed"]
    lost = sum(line["missing"] for line in closed) + abs(
        sum(line["processed"] + line["refused"] for line in closed) - 64 * 64 * len(closed)
    )
    refused = sum(line["refused"] for line in closed)
    noted = [line for line in lines if line["event"].endswith("_refused")]
    most = _most_in_a_second(noted)
    # One line a second for each reason; what falls into one second of the clock may be one more.
    good = lost == 0 and refused > 0 and noted and most <= MOST_LINES
    figure = (
        f"{lost} good frames lost, {refused} refused in {len(closed)} scans; {len(noted)} lines tell of them, "
        f"at most {most} of one reason in a second"
    )
    return judged(bool(good) and len(closed) == scans, figure, lost, "frames")


def _most_in_a_second(noted: list[dict[str, Any]]) -> int:
    return max(Counter((line["event"], line["reason"], line["ts"][:19]) for line in noted).values(), default=0)


def second_consumer(effort: Effort) -> Found:
    """Somebody else connects to the detector: how long until it is known."""
    times_s = []
    for turn in range(effort.either(3, 20)):
        with SteadySender((400, 400), 2_000.0 * (1 + turn % 3)) as detector, _running(detector) as service:
            begun_s = time.monotonic()
            with SecondConsumer(f"tcp://127.0.0.1:{detector.port}"):
                service.until(lambda snapshot: snapshot.health.other_consumers == 1, 5 * ALARM_S)
                times_s.append(time.monotonic() - begun_s)
                shown = service.until(lambda snapshot: snapshot.counters.missing > 0)
        effort.accounts.append(shown.counters)
    figure = f"alarm after {max(times_s):.2f} s at most, in {len(times_s)} turns at 2,000 to 6,000 frames/s"
    return judged(max(times_s) <= ALARM_S, figure, max(times_s), "s")


@contextmanager
def _running(detector: SteadySender) -> Iterator[Serving]:
    """A service that is in the middle of a scan."""
    with served(detector.source, "--mode", "off") as service:
        service.until(lambda snapshot: snapshot.state is ScanState.RUNNING and snapshot.counters.processed > 500)
        yield service
