"""Faults times seeds: the simulator's own faults over real sockets into real acquisition, judged by the oracle."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from detector_sim.detector import detector_model
from detector_sim.faults import FRAME_FAULTS, SCAN_FAULTS, FaultInjector
from detector_sim.launch import FORMATS
from detector_sim.outlets import Outlets
from detector_sim.pacing import Pacer
from detector_sim.pool import FramePool
from detector_sim.sending import ScanSender
from detector_sim.settings import SimulationSettings
from detector_sim.simulation import Simulation
from stream_rrvae.bench.trust.fault_oracle import SentScan, Witness, problems_of
from stream_rrvae.config import Settings
from stream_rrvae.errors import StreamRrvaeError
from stream_rrvae.ingest.acquisition import Acquisition
from stream_rrvae.messages import Counters, Encoding
from stream_rrvae.metrics import new_metrics
from stream_rrvae.scan_store import ScanStore

FAULTS = (*FRAME_FAULTS, *SCAN_FAULTS, "everything")
SCAN_SHAPE, SIDE_PX = (12, 13), 24
FRAME_RATE_OF_FAULT, RATE_OF_EACH = 0.08, 0.02
END_GRACE_S, STALL_TIMEOUT_S, STALLS_S = 0.05, 1.0, (0.02, 1.6)
POOL_BYTES = 64 << 20
FREE_PORT = "tcp://127.0.0.1:*"
WAYS: tuple[dict[str, Any], ...] = (
    {"receive": "compiled", "compute_threads": 2},
    {"receive": "python", "compute_threads": 1},
)
SCHEMES = {"native": "native+pull", "dectris-v2": "dectris-v2", "dectris-v1": "dectris-v1"}
PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Combination:
    """How frames of a seed travel: seeds are dealt over all of these."""

    protocol: str
    way: dict[str, Any]
    encoding: Encoding
    pixel_type: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """One scan of the matrix; nothing in `problems` = as it has to be."""

    fault: str
    seed: int
    injected: int
    accounts: tuple[Counters, ...]
    holes: int
    problems: tuple[str, ...] = ()


class _Stores:
    """Keeps scans by their series; see ScanListener."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._opened: list[ScanStore] = []
        self.closed_ones: dict[int, ScanStore] = {}

    def opened(self, store: ScanStore) -> None:
        """See ScanListener."""
        self._opened.append(store)

    def closed(self, store: ScanStore) -> None:
        """See ScanListener."""
        with self._changed:
            self.closed_ones[store.start.series] = store
            self._changed.notify_all()

    def wait_for(self, series: int) -> None:
        """Until that scan is closed; those before it are by then. Raises StreamRrvaeError when it takes too long."""
        with self._changed:
            if not self._changed.wait_for(lambda: series in self.closed_ones, PATIENCE_S):
                raise StreamRrvaeError(f"scan {series} was not closed for {PATIENCE_S:.0f} s")

    def close(self) -> None:
        """Let go of all."""
        for store in self._opened:
            store.close()


def combination(fault: str, seed: int) -> Combination:
    """How the frames of this seed travel."""
    floats = fault == "nan" or (fault in ("nodata", "everything") and seed % 4 == 3)
    unfit = {"native"} if fault == "clock_jump" else {"dectris-v1"} if floats else set()  # it knows whole numbers alone
    protocols = [name for name in FORMATS if name not in unfit]
    pixel_type = "float32" if floats else ("uint16", "uint8", "uint32")[seed % 3]
    return Combination(
        protocols[seed % len(protocols)], WAYS[seed // 3 % 2], tuple(Encoding)[seed // 2 % 3], pixel_type
    )


def rates_of(fault: str, seed: int) -> dict[str, float]:
    """The simulator's rates for a fault of the matrix."""
    if fault != "everything":
        return {fault: 1.0 if fault in SCAN_FAULTS else FRAME_RATE_OF_FAULT}
    chosen = combination(fault, seed)
    unfit = {"clock_jump"} if chosen.protocol == "native" else set()
    unfit |= set() if chosen.pixel_type == "float32" else {"nan"}
    return {name: RATE_OF_EACH for name in FRAME_FAULTS if name not in unfit}


def run_matrix(
    faults: Sequence[str], seeds: Sequence[int], told: Callable[[Outcome], object] = lambda _outcome: None
) -> list[Outcome]:
    """Every fault with every seed; after each a scan without faults has to be whole."""
    outcomes = []
    for fault in faults:
        for seed in seeds:
            outcomes.append(run_one(fault, seed))
            told(outcomes[-1])
    return outcomes


def run_one(fault: str, seed: int) -> Outcome:
    """One scan with the fault, then one without. Raises StreamRrvaeError when acquisition does not go on."""
    chosen = combination(fault, seed)
    simulation, pool = _computed(chosen.pixel_type, chosen.encoding)
    form = Witness(FORMATS[chosen.protocol]())
    injector = FaultInjector(rates_of(fault, seed), form, seed)
    with _receiving(chosen, STALL_TIMEOUT_S if fault == "stall" else PATIENCE_S) as (outlets, stores):
        ScanSender(simulation, pool, form, Pacer(None), injector, stall_s=STALLS_S[seed % 2]).run(outlets, 1)
        faulty = SentScan(simulation.start(1, ""), form.sent, tuple(injector.injected))
        ScanSender(simulation, pool, form, Pacer(None)).run(outlets, 1, first=2)
        stores.wait_for(2)
        whole = SentScan(simulation.start(2, ""), form.sent, ())
        return _judged(fault, seed, stores.closed_ones, (faulty, whole))


@cache
def _computed(pixel_type: str, encoding: Encoding) -> tuple[Simulation, FramePool]:
    """A scan's frames, computed before they are sent: on a busy machine computing would look like a stall."""
    settings = SimulationSettings(
        detector=detector_model(f"{SIDE_PX}x{SIDE_PX}:{pixel_type}"),
        scan_shape=SCAN_SHAPE,
        dose_electrons=None if pixel_type == "float32" else 3000.0,
        encoding=encoding,
        nodata_pixels=2,
        dead_pixels=1,
    )
    simulation = Simulation(settings)
    pool = FramePool(simulation, POOL_BYTES)
    pool.fill()
    return simulation, pool


@contextmanager
def _receiving(chosen: Combination, stall_timeout_s: float) -> Iterator[tuple[Outlets, _Stores]]:
    """A bound sender, and acquisition connected to it. Raises what ended acquisition against its will."""
    stores = _Stores()
    message_bytes = 4 * SIDE_PX**2
    with TemporaryDirectory(prefix="stream-rrvae-trust-") as folder:
        outlets = Outlets((FREE_PORT,), "push", message_bytes)
        try:
            source = f"{SCHEMES[chosen.protocol]}://{outlets.endpoints[0].removeprefix('tcp://')}"
            settings = _settings(source, chosen, stall_timeout_s)
            with Acquisition(settings, new_metrics(), stores, Path(folder)) as acquisition:
                yield outlets, stores
            acquisition.join()
        finally:
            stores.close()
            outlets.__exit__(KeyboardInterrupt, None, None)  # what nobody takes any more is not waited for


def _settings(source: str, chosen: Combination, stall_timeout_s: float) -> Settings:
    ingest = {**chosen.way, "stall_timeout_s": stall_timeout_s, "end_grace_s": END_GRACE_S}
    middle = (SIDE_PX - 1) / 2  # as the simulator announces it; said here, it is not looked for
    return Settings(source=source, ingest=ingest, calibration={"beam_center_px": (middle, middle)})


def _judged(fault: str, seed: int, found: dict[int, ScanStore], sent: Sequence[SentScan]) -> Outcome:
    problems: list[str] = []
    for scan in sent:
        series = scan.start.series
        if series in found:
            problems += [f"scan {series}: {problem}" for problem in problems_of(found[series], scan)]
        elif not scan.numbers("restart"):  # which may take the announcement with it
            problems.append(f"scan {series} never came")
    accounts = tuple(store.read_account().counters for store in found.values())
    holes = sum(int((store.coverage == 0).sum()) for store in found.values())
    return Outcome(fault, seed, len(sent[0].faults), accounts, holes, tuple(problems))
