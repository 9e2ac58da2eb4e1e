"""What a benchmark says: rows of a value beside its reference, as a list for machines."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import zmq

from stream_rrvae import __version__
from stream_rrvae.errors import FileFormatError

DECISIVE = ("numpy", "numba", "pyzmq", "dectris-compression", "torch")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure; `reference` is what it is compared with, None where there is nothing to compare with."""

    name: str
    value: float | None  # None = not reached, or not measured
    unit: str
    reference: str | None = None
    reference_value: float | None = None
    target: float | None = None
    spread: tuple[float, float] | None = None  # least and largest of several turns

    @property
    def ratio(self) -> float | None:
        """Value over reference."""
        if self.value is None or not self.reference_value:
            return None
        return self.value / self.reference_value


def write_json(path: Path, rows: Sequence[Row]) -> None:
    """All of `rows` with their ratios and this machine. Raises FileFormatError when it cannot be written."""
    where = {"machine": this_machine(), "versions": versions()}
    content = [{**asdict(row), "ratio": row.ratio, **where} for row in rows]
    try:
        path.write_text(json.dumps(content, indent=1) + "\n")
    except OSError as error:
        raise FileFormatError(f"cannot write {path}: {error}") from error


def this_machine() -> str:
    """Processor, cores and how busy they are, in one line."""
    load = os.getloadavg()[0]
    return f"{_processor()}, {os.cpu_count()} cores, load {load:.1f}, Python {platform.python_version()}"


def versions() -> dict[str, str]:
    """Of ourselves and of what decides how fast frames are taken and measured."""
    return {"stream-rrvae": __version__, "libzmq": zmq.zmq_version(), **{name: version(name) for name in DECISIVE}}


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
