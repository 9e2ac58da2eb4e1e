"""What the simulator's tests share."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from numpy.typing import NDArray

PATIENCE_S = 60.0


@dataclass(frozen=True)
class Reference:
    """Patterns by an independent code; see shared/data/README.md."""

    frames: NDArray[np.float32]  # [n, ky, kx]
    positions_angstrom: NDArray[np.float64]  # [n, 2] (y, x)
    com_mrad: NDArray[np.float64]  # [n, 2] (y, x)
    atoms_angstrom: NDArray[np.float64]  # [m, 2] (y, x)


@pytest.fixture(scope="session")
def reference(reference_path: Path) -> Reference:
    """The independent patterns; where the file is not, the test is skipped and says so."""
    data = np.load(reference_path)
    y, x = np.meshgrid(data["y_A"], data["x_A"], indexing="ij")
    return Reference(
        frames=data["frames"].reshape(-1, 48, 48),
        positions_angstrom=np.stack([y, x], -1).reshape(-1, 2),
        com_mrad=np.stack([data["com_y_mrad"], data["com_x_mrad"]], -1).reshape(-1, 2),
        atoms_angstrom=data["atoms_xy_A"][:, ::-1],
    )


@dataclass
class Simulator:
    """`python -m detector_sim` in a process of its own."""

    process: subprocess.Popen[str]
    lines: queue.SimpleQueue[str] = field(default_factory=queue.SimpleQueue)

    def endpoint(self) -> str:
        """Where it is bound."""
        while not (line := self.lines.get(timeout=PATIENCE_S)).startswith("bound "):  # a line for each --bind
            assert line, f"the simulator ended: {self.ended()}"
        return line.split()[1]

    def ended(self) -> tuple[int, str]:
        """Exit status and standard error."""
        assert self.process.stderr is not None
        return self.process.wait(PATIENCE_S), self.process.stderr.read()

    def read(self, stream: IO[str]) -> None:
        """Hand lines over; an empty one is the end."""
        for line in stream:
            self.lines.put(line)
        self.lines.put("")


Start = Callable[..., Simulator]


@pytest.fixture
def start_simulator() -> Iterator[Start]:
    """Starts simulators and leaves none behind."""
    started: list[tuple[Simulator, threading.Thread]] = []

    def start(*options: str) -> Simulator:
        command = [sys.executable, "-m", "detector_sim", "--bind", "tcp://127.0.0.1:*", *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        simulator = Simulator(process)
        assert process.stdout is not None
        reader = threading.Thread(target=simulator.read, args=(process.stdout,), daemon=True)
        reader.start()
        started.append((simulator, reader))
        return simulator

    yield start
    for simulator, reader in started:
        with suppress(ProcessLookupError):
            simulator.process.kill()
        simulator.process.wait()
        reader.join()
        for stream in (simulator.process.stdout, simulator.process.stderr):
            assert stream is not None
            stream.close()
