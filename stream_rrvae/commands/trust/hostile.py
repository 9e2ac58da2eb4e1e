"""Checks 15 and 16: bytes from anybody."""

from __future__ import annotations

import json
from pathlib import Path

from stream_rrvae.bench.trust.bombs import MOST_SECONDS, refused_all
from stream_rrvae.bench.trust.fuzz_targets import TARGETS
from stream_rrvae.bench.trust.table import Effort, Found, judged
from stream_rrvae.commands.children import Child
from stream_rrvae.errors import StreamRrvaeError

MOST_BYTES = 64 << 20
CORPUS = Path(__file__).parents[3] / "tests" / "fuzz" / "corpus"


def decoder_fuzz(effort: Effort) -> Found:
    """Every target for a while, each in a process of its own."""
    seconds = effort.either(4, 3600)
    told, crashes, most, guided = list[str](), 0, 0, set[str]()
    for name in TARGETS:
        corpus = [str(CORPUS / name)] if (CORPUS / name).is_dir() else []
        with Child("fuzzer", "stream_rrvae.bench.trust.fuzz", name, str(seconds), *corpus) as child:
            try:
                found = json.loads("{" + child.line_with("{", 60.0 + 2 * seconds))
            except StreamRrvaeError:
                found = {"executions": 0, "crashes": 1, "peak_bytes": 0, "guided": False, "contained": 0}
        crashes, most = crashes + found["crashes"], max(most, found["peak_bytes"])
        guided |= {name} if found["guided"] else set()
        contained = f" ({found['contained']} deaths of HDF5 contained)" if found["contained"] else ""
        told.append(f"{name} {found['executions']:,}{contained}")
    how = f"guided by coverage but {', '.join(set(TARGETS) - guided)}" if guided else "blind: atheris is not installed"
    tried = f"{', '.join(told)} executions, {how}"
    figure = f"{crashes} crashes in {seconds} s each ({tried}); at most {most / 2**20:.1f} MiB for one input"
    return judged(not crashes and most < MOST_BYTES, figure, crashes, "crashes")


def size_bombs(_effort: Effort) -> Found:
    """Headers, shapes, packed sizes and HDF5 files that announce what nobody could hold."""
    found = refused_all()
    slowest, largest = max(bomb.seconds for bomb in found), max(bomb.peak_bytes for bomb in found)
    taken = [bomb.name for bomb in found if not bomb.was_refused]
    figure = (
        f"{len(found) - len(taken)} of {len(found)} refused{': not ' + ', '.join(taken) if taken else ''}, "
        f"the slowest in {1e3 * slowest:.2f} ms, with at most {largest / 2**20:.2f} MiB"
    )
    return judged(not taken and slowest < MOST_SECONDS and largest < MOST_BYTES, figure, 1e3 * slowest, "ms")
