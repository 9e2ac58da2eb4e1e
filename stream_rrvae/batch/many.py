"""Several recorded scans, or a very large one: measured on a cluster, learnt and written here, a results file each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from stream_rrvae.batch.analyse import analyse, learn_and_write
from stream_rrvae.batch.inputs import Input
from stream_rrvae.batch.spread import Outcome, Told
from stream_rrvae.config import Settings
from stream_rrvae.errors import StreamRrvaeError

OutFor = Callable[[Input], Path]


@dataclass(frozen=True, slots=True)
class Analysed:
    """The results file of an input, or why there is none."""

    input: Input
    out: Path | None
    error: StreamRrvaeError | None = None


def learn_from(outcomes: Iterable[Outcome], settings: Settings, out_for: OutFor) -> Iterator[Analysed]:
    """Learn and write what was measured on a cluster, one scan at a time, while the next ones are being measured."""
    with ThreadPoolExecutor(1, thread_name_prefix="learning") as learning:
        before: Future[Analysed] | None = None
        for outcome in outcomes:
            if before is not None:
                yield before.result()  # a store is large: no more than one waits
            before = learning.submit(_finished, outcome, settings, out_for)
        if before is not None:
            yield before.result()


def one_by_one(inputs: Iterable[Input], settings: Settings, out_for: OutFor, told: Told) -> Iterator[Analysed]:
    """The same without a cluster, in this process."""
    for input_ in inputs:
        try:
            with input_.open() as frames:
                yield Analysed(input_, analyse(frames, settings, out_for(input_), _steps(told)))
        except StreamRrvaeError as error:
            yield Analysed(input_, None, error)


def _finished(outcome: Outcome, settings: Settings, out_for: OutFor) -> Analysed:
    if outcome.store is None:
        return Analysed(outcome.input, None, outcome.error)
    try:
        out = learn_and_write(
            outcome.store,
            outcome.settings or settings,
            outcome.input.source,
            out_for(outcome.input),
            outcome.began_unix_s,
        )
    except StreamRrvaeError as error:
        return Analysed(outcome.input, None, error)
    return Analysed(outcome.input, out)


def _steps(told: Told) -> Callable[[int], None]:
    """Progress of one file, which tells how many frames are done so far, as what is newly done."""
    before = 0

    def progress(done: int) -> None:
        nonlocal before
        told(done - before)
        before = done

    return progress
