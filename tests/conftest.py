"""Fixtures for every part: a small scan in a real scan store."""

from __future__ import annotations

import fcntl
import logging
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from time import monotonic

# Read once, when the libraries load: threads of linear algebra that spin take the cores from the processes under test.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import numpy as np
import pytest

from stream_rrvae.config import RecordingSettings
from stream_rrvae.messages import Calibration, Encoding, ReceivedFrames, ScanStart, ScanState
from stream_rrvae.metrics import new_metrics
from stream_rrvae.scan_store import ScanStore, StoreShape

REFERENCE = Path(__file__).resolve().parents[2] / "shared" / "data" / "graphene_60kV_31mrad_reference.npz"

StoreMaker = Callable[..., ScanStore]
Recording = Callable[..., Path]
MountDisk = Callable[[int], Path]
RoomFor = Callable[[int], AbstractContextManager[None]]
MEASURING = {"batch", "bench", "browser", "commands", "ingest", "integration", "kernels", "service"}


def pytest_collection_finish(session: pytest.Session) -> None:
    """Compile the kernels before any test's clock runs: a minute on a machine that has not done it yet."""
    if not session.config.option.collectonly and any(MEASURING & set(item.path.parts) for item in session.items):
        from stream_rrvae.kernels.warm_up import warm_up

        with _one_process_at_a_time(session.config.cache.mkdir("warm-up")):
            warm_up()


@contextmanager
def _one_process_at_a_time(folder: Path) -> Iterator[None]:
    """Of pytest-xdist's processes the first compiles and the others load what it compiled."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(autouse=True)
def log_as_it_was() -> Iterator[None]:
    """A command that is run in this process has its log sent to a stream that is gone when its test is over."""
    log = logging.getLogger("stream_rrvae")
    handlers, level, propagate = log.handlers[:], log.level, log.propagate
    yield
    log.handlers[:], log.propagate = handlers, propagate
    log.setLevel(level)


@pytest.fixture(scope="session")
def reference_path() -> Path:
    """The independent abTEM reference, where the checkout has it beside itself."""
    if not REFERENCE.exists():
        pytest.skip(f"NOT CHECKED against the independent reference: {REFERENCE} is not there")
    return REFERENCE


@pytest.fixture(scope="session")
def libertem_python() -> str:
    """The Python that has LiberTEM-live: this one, or STREAM_RRVAE_PEER_PYTHON."""
    python = os.environ.get("STREAM_RRVAE_PEER_PYTHON", sys.executable)
    if subprocess.run([python, "-c", "import libertem_live"], capture_output=True).returncode:
        pytest.skip(f"NOT CHECKED against LiberTEM-live: {python} does not have it (pip install libertem-live)")
    return python


@pytest.fixture(scope="session")
def record() -> Recording:
    """Records frames, as payloads with their numbers, by the service's recorder; gives the recording's folder."""

    def made(
        folder: Path, start: ScanStart, payloads: Sequence[bytes], numbers: Sequence[int], results: Path | None = None
    ) -> Path:
        from stream_rrvae.recording.recorder import Recorder

        assert start.scan_shape is not None
        recorder = Recorder(folder, RecordingSettings(), new_metrics())
        recorder.start()
        recorder.opened(start, start.scan_shape)
        sizes = np.array([len(payload) for payload in payloads])
        kept = np.frombuffer(b"".join(payloads), np.uint8)
        addresses = (kept.ctypes.data + np.cumsum(sizes) - sizes).astype(np.uint64)
        times_s, places = np.full(len(sizes), monotonic()), np.asarray(numbers)
        recorder.frames(ReceivedFrames(addresses, sizes, places, times_s, Encoding.BSLZ4, kept.size, lambda: None))
        recorder.closed(ScanState.COMPLETE)
        path = recorder.complete(start, start.calibration, results)
        recorder.stop()
        assert path is not None
        return path

    return made


@pytest.fixture
def make_store(tmp_path: Path) -> Iterator[StoreMaker]:
    """Makes scan stores (y, x) in a folder of the test's own; all are closed at its end."""
    stores: list[ScanStore] = []

    def make(
        scan_shape: tuple[int, int] = (4, 5), *, calibration: Calibration | None = None, reference: str = "beam_center"
    ) -> ScanStore:
        n = scan_shape[0] * scan_shape[1]
        start = ScanStart("scan-1", 1, (8, 8), "uint16", n, scan_shape)
        if calibration:
            start = replace(start, calibration=calibration)
        info = {"basis": {}, "com_reference": reference}
        store = ScanStore.create(start, StoreShape(scan_shape, (8, 8), 78, 2), info, folder=tmp_path)
        stores.append(store)
        return store

    yield make
    for store in stores:
        store.close()


@pytest.fixture
def filled_store(make_store: StoreMaker) -> ScanStore:
    """A calibrated 4x5 scan with every position measured but the last."""
    calibration = Calibration(
        mrad_per_px=2.0, semiangle_mrad=31.0, scan_step_nm=(0.1, 0.2), detector_rotation_rad=0.0, beam_energy_ev=60e3
    )
    store = make_store(calibration=calibration)
    n = store.shape.n_positions
    store.coverage[: n - 1] = 1
    store.sum[: n - 1] = np.arange(n - 1) + 100
    store.com_y[: n - 1] = np.linspace(-1, 1, n - 1)
    store.com_x[: n - 1] = 0.5
    store.bright_field[: n - 1] = 90
    store.annular_dark_field[: n - 1] = 10
    return store


@pytest.fixture
def mount_disk(tmp_path: Path) -> Iterator[MountDisk]:
    """Makes a file system of so many MiB, where this user may mount one."""
    with ExitStack() as stack:

        def mounted(size_mib: int) -> Path:
            disk = tmp_path / "disk"
            disk.mkdir()
            command = ["mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "tmpfs", str(disk)]
            if subprocess.run(command, capture_output=True).returncode:
                pytest.skip("NOT CHECKED on a full disk: this user may not mount one")
            stack.callback(subprocess.run, ["umount", str(disk)], check=True)
            return disk

        yield mounted


@pytest.fixture
def room_for() -> RoomFor:
    """While it is entered files become no larger than so many bytes: to who writes them it looks like a full disk."""

    @contextmanager
    def limited(size_bytes: int) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited
