"""Fuzzing for a while, as a process: python -m stream_rrvae.bench.trust.fuzz TARGET SECONDS [CORPUS [NEW]].

With atheris in this Python it is guided by coverage, else inputs are mutated blindly. At its end it says in one line of
JSON what was done. New inputs that reach further are left in NEW.
"""

from __future__ import annotations

import json
import os
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FunctionType
from typing import Any

# Not all of the package: Numba cannot compile functions that are instrumented.
GUIDING = (
    "stream_rrvae.wire",
    "stream_rrvae.feed",
    "stream_rrvae.plain",
    "stream_rrvae.recording.journal",
    "stream_rrvae.recording.start_json",
)
BLIND = "segment"  # what reads it is another process, whose coverage is not seen here
LARGEST_INPUT_BYTES = 1 << 16
SLOWEST_INPUT_S = 60  # by the clock: where other work has the processors, one that takes no time may take ten
FORGET_PEAK = b"5"  # proc(5), clear_refs
_KIB = 1 << 10

Target = Callable[[bytes], object]


@dataclass(frozen=True, slots=True)
class Fuzzed:
    """`peak_bytes` is the most resident memory that one input took; `grown_bytes` what all left, and who guides."""

    target: str
    executions: int
    seconds: float
    crashes: int
    peak_bytes: int
    guided: bool
    grown_bytes: int = 0
    contained: int = 0  # deaths of the process that reads damaged files, as is meant
    first_crash: str = ""


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Some bytes changed, cut off, put in or repeated."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        at = rng.randrange(len(out) + 1)
        kind = rng.randrange(6)
        if kind == 0:
            out[at : at + 1] = bytes([rng.randrange(256)])
        elif kind == 1 and at < len(out):
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 2 and rng.random() < 0.2:
            del out[at:]
        elif kind == 3:
            out[at:at] = rng.randbytes(rng.randrange(1, 9))
        elif kind == 4:
            out[at:at] = out[at : at + rng.randrange(1, 40)]
        else:
            out[at : at + 4] = rng.choice((b"\xff" * 4, b"\x7f\xff\xff\xff", bytes(4), b"\x80\0\0\0"))
    return bytes(out[:LARGEST_INPUT_BYTES])


def peak_resident_bytes() -> int:
    """The most memory that this process had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIB


class MemoryOfOne:
    """The most memory that one input took, of many: the process's peak is forgotten before each (Linux)."""

    def __init__(self) -> None:
        self.most_bytes = 0
        self._forget, self._now = (
            os.open("/proc/self/clear_refs", os.O_WRONLY),
            os.open("/proc/self/statm", os.O_RDONLY),
        )
        self._first_bytes = self._resident_bytes()

    @property
    def grown_bytes(self) -> int:
        """What the process has more than when this was made."""
        return self._resident_bytes() - self._first_bytes

    def of(self, target: Target, data: bytes) -> None:
        """Give `data` to the target."""
        os.pwrite(self._forget, FORGET_PEAK, 0)
        before_bytes = self._resident_bytes()
        try:
            target(data)
        finally:
            self.most_bytes = max(self.most_bytes, peak_resident_bytes() - before_bytes)

    def _resident_bytes(self) -> int:
        return int(os.pread(self._now, 100, 0).split()[1]) * resource.getpagesize()


def fuzz_blindly(name: str, seconds: float, more: Sequence[bytes] = (), seed: int = 0) -> Fuzzed:
    """Mutations of the target's seeds and of `more`, for so long."""
    from stream_rrvae.bench.trust.fuzz_targets import target_of

    target, seeds = target_of(name)
    inputs, rng = [*seeds, *more], random.Random(seed)
    for data in inputs:
        target(data)
    memory, begun_s, executions, crashes, first = MemoryOfOne(), time.monotonic(), 0, 0, ""
    while time.monotonic() - begun_s < seconds:
        data = mutated(rng.choice(inputs), rng)
        executions += 1
        try:
            memory.of(target, data)
        except Exception as error:  # whatever it is, it is what is looked for
            crashes += 1
            first = first or f"{type(error).__name__}: {error} by {data[:200]!r}"
    taken_s, most, grown = time.monotonic() - begun_s, memory.most_bytes, memory.grown_bytes
    return Fuzzed(name, executions, taken_s, crashes, most, False, grown, getattr(target, "died", 0), first)


def fuzz_guided(
    name: str, seconds: float, corpus: Sequence[Path], new: Path, at_end: Callable[[], object] = int
) -> None:
    """Hand this process over to atheris; it ends with it. Its last lines say how it went; `at_end` is called then."""
    import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]  # optional

    from stream_rrvae.bench.trust.fuzz_targets import target_of

    for function in _functions_of(GUIDING):
        atheris.instrument_func(function)
    target, seeds = target_of(name)
    for data in seeds:
        target(data)
    memory, begun_s, executions = MemoryOfOne(), time.monotonic(), 0

    def counted(data: bytes) -> None:
        nonlocal executions
        executions += 1
        memory.of(target, data)
        if executions % 64 == 0 and time.monotonic() - begun_s > seconds:
            died = getattr(target, "died", 0)
            _say(Fuzzed(name, executions, seconds, 0, memory.most_bytes, True, memory.grown_bytes, died))
            at_end()
            os._exit(0)  # an exception would be taken for a finding

    for index, data in enumerate(seeds):
        (new / f"seed-{index}").write_bytes(data)
    limits = (f"-max_len={LARGEST_INPUT_BYTES}", f"-timeout={SLOWEST_INPUT_S}", "-rss_limit_mb=4096")
    atheris.Setup([sys.argv[0], *limits, f"-artifact_prefix={new}/", str(new), *map(str, corpus)], counted)
    atheris.Fuzz()


def _functions_of(modules: Sequence[str]) -> Iterator[FunctionType]:
    """All functions and methods of these modules and packages, as far as they are imported."""
    for name, module in list(sys.modules.items()):
        if any(name == wanted or name.startswith(f"{wanted}.") for wanted in modules):
            for owner in (module, *(each for each in vars(module).values() if isinstance(each, type))):
                yield from (
                    each for each in vars(owner).values() if isinstance(each, FunctionType) and each.__module__ == name
                )


def _say(fuzzed: Fuzzed) -> None:
    sys.stdout.write(json.dumps(asdict(fuzzed)) + "\n")
    sys.stdout.flush()


def has_atheris() -> bool:
    """Whether this Python can fuzz guided by coverage."""
    from importlib.util import find_spec

    return find_spec("atheris") is not None


def main(arguments: Sequence[str]) -> None:
    """See above."""
    name, seconds, *folders = arguments
    corpus = [Path(folder) for folder in folders[:1]]
    with ExitStack() as stack:
        new: Any = folders[1] if folders[1:] else stack.enter_context(TemporaryDirectory(prefix="stream-rrvae-fuzz-"))
        if has_atheris() and name != BLIND:
            fuzz_guided(name, float(seconds), corpus, Path(new), stack.close)
        else:
            more = [path.read_bytes() for folder in corpus for path in sorted(folder.glob("*")) if path.is_file()]
            _say(fuzz_blindly(name, float(seconds), more))


if __name__ == "__main__":
    main(sys.argv[1:])
