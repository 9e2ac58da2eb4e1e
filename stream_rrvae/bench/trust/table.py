"""The table of checks: what each is to show, how it is looked at, what was found."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from stream_rrvae.bench.rows import Row
from stream_rrvae.bench.trust.fault_oracle import unexplained
from stream_rrvae.messages import Counters

WIDTH = 118


class Verdict(StrEnum):
    MET = "met"
    NOT_MET = "NOT MET"
    NOT_RUN = "not run here"


@dataclass(frozen=True, slots=True)
class Found:
    """What a check found; `value` is its figure for machines, None where it is no number."""

    verdict: Verdict
    figure: str  # or why it was not run
    value: float | None = None
    unit: str = "1"


def judged(met: bool, figure: str, value: float | None = None, unit: str = "1") -> Found:
    """A figure that meets its target or does not."""
    return Found(Verdict.MET if met else Verdict.NOT_MET, figure, value, unit)


def not_run(why: str) -> Found:
    """No figure, and why there is none."""
    return Found(Verdict.NOT_RUN, why)


@dataclass(slots=True)
class Effort:
    """How much is done; and the accounts of all scans that checks have seen so far."""

    long: bool = False
    accounts: list[Counters] = field(default_factory=list)
    peers_python: str = sys.executable  # which may have LiberTEM

    def either(self, quick: int, long: int) -> int:
        """How often something is done."""
        return long if self.long else quick

    @property
    def unexplained(self) -> int:
        """Frames that no account so far explains."""
        return sum(map(unexplained, self.accounts))


@dataclass(frozen=True, slots=True)
class Check:
    """One row: `how` it is looked at (quick and long), and the `target` of its figure."""

    number: int
    name: str
    how: str
    target: str
    run: Callable[[Effort], Found]


def lines_of(check: Check, found: Found) -> Iterator[str]:
    """A row for people, over as many lines as it takes."""
    head = f"{check.number:2d} {check.name:34s} {found.verdict:13s}"
    words, line = found.figure.split(), head
    for word in words:
        if len(line) + 1 + len(word) > WIDTH:
            yield line
            line = " " * len(head)
        line += f" {word}"
    yield line
    yield f"{'':3s}{check.how}; target: {check.target}"


def markdown(results: Sequence[tuple[Check, Found]]) -> Iterator[str]:
    """The table as README has it."""
    yield "| # | check | target | measured | |"
    yield "|---|---|---|---|---|"
    for check, found in results:
        yield f"| {check.number} | {check.name} | {check.target} | {found.figure} | {found.verdict} |"


def rows_of(results: Sequence[tuple[Check, Found]]) -> list[Row]:
    """For machines."""
    return [
        Row(f"trust {check.number}: {check.name}: {found.verdict}", found.value, found.unit) for check, found in results
    ]
