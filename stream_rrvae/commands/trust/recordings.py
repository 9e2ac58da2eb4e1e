"""Checks 4, 8, 9 and 11: what is recorded survives slow disks, kill -9 and the loss of power."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import h5py
import hdf5plugin  # noqa: F401  for frames as they were packed
import numpy as np
from h5py._objects import phil

from stream_rrvae.bench.trust.loop_disk import LoopDisk, why_no_disk
from stream_rrvae.bench.trust.steady_sender import KINDS, SENDER_MARK, SteadySender
from stream_rrvae.bench.trust.table import Effort, Found, judged, not_run
from stream_rrvae.commands.trust.serving import PATIENCE_S, Serving
from stream_rrvae.config import RecordingSettings, Settings
from stream_rrvae.errors import FileFormatError, StreamRrvaeError
from stream_rrvae.ingest.acquisition import Acquisition
from stream_rrvae.messages import ScanState
from stream_rrvae.metrics import new_metrics
from stream_rrvae.recording.recorder import Recorder
from stream_rrvae.recording.recover import Recovered, is_empty, recover
from stream_rrvae.scan_store import ScanStore, sweep

KILLED_FPS = 2_000.0
UNACKNOWLEDGED_S = 0.2
RUN_S = 0.5
SLOWED = 0.9  # part of the time in which HDF5 may not write
SLOW_TURN_S = 0.02


@dataclass(slots=True)
class Kills:
    """What became of the recordings of killed services."""

    kills: int = 0
    acknowledged_lost: int = 0
    unrecoverable: int = 0
    differing: int = 0  # recordings that hold what was not sent
    in_flight: list[int] = field(default_factory=list)  # frames handed over and not recovered
    restarts_s: list[float] = field(default_factory=list)


_kills: dict[int, Kills] = {}  # by how many: rows 8, 9 and 10 look at the same ones


def kills_of(effort: Effort) -> Kills:
    """Services killed at random moments while they record; the next one takes the same detector over."""
    count = effort.either(5, 200)
    if count not in _kills:
        _kills[count] = _run_kills(count)
    return _kills[count]


def _run_kills(count: int) -> Kills:
    found, rng = Kills(), random.Random(count)
    with (
        TemporaryDirectory(prefix="stream-rrvae-trust-") as name,
        SteadySender((100, 100), KILLED_FPS, seed=count) as detector,
    ):
        for kill in range(count):
            folder = Path(name) / f"{kill:03d}"
            folder.mkdir()
            _one_kill(detector, folder, rng, found)
    sweep()  # what the last one left in memory
    return found


def _one_kill(detector: SteadySender, folder: Path, rng: random.Random, found: Kills) -> None:
    records = folder / "records"
    with Serving(detector.source, folder, "--mode", "off", "--record", str(records)) as service:
        found.restarts_s.append(service.start_s)
        service.until(lambda snapshot: snapshot.health.frames_recorded > 0)
        told, until_s = 0, time.monotonic() + rng.random() * RUN_S
        while (left_s := until_s - time.monotonic()) > 0:
            snapshot = service.look(left_s)
            told = max(told, snapshot.health.frames_recorded if snapshot else 0)
        handed_over = {scan: detector.handed_over(scan) for scan in list(detector.handed_over_s)}
        service.kill()
    found.kills += 1
    for part in records.glob("*.part"):
        if not is_empty(part):
            _look_at(part, detector, handed_over.get(part.stem, 0), found)


def _look_at(part: Path, detector: SteadySender, handed_over: int, found: Kills) -> None:
    try:
        recovered = recover(part)
    except FileFormatError:
        found.unrecoverable += 1
        return
    found.acknowledged_lost += recovered.lost
    found.differing += not _is_as_sent(recovered, detector)
    with h5py.File(recovered.folder / "master.h5") as file:
        numbers = file["entry/frames/frame_number"][()]
    # The service may have come in the middle of a scan: what was before that it never saw.
    found.in_flight.append(max(0, handed_over - int(numbers.max(initial=-1)) - 1))


def _is_as_sent(recovered: Recovered, detector: SteadySender) -> bool:
    with h5py.File(recovered.folder / "master.h5") as file:
        numbers = file["entry/frames/frame_number"][()]
        return bool(np.array_equal(file["entry/frames/data"][()], detector.frames[numbers % KINDS]))


def killed_acquire(effort: Effort) -> Found:
    """Nothing acknowledged is lost, every recording can be recovered."""
    found = kills_of(effort)
    bad = found.acknowledged_lost + found.unrecoverable + found.differing
    figure = (
        f"{found.kills} kills: {found.acknowledged_lost} acknowledged frames lost, "
        f"{found.unrecoverable} recordings that fail to recover, {found.differing} that differ from what was sent"
    )
    return judged(bad == 0, figure, bad, "frames or files")


def lost_in_flight(effort: Effort) -> Found:
    """Frames that had been handed over to the sender's socket and were not recovered."""
    found = kills_of(effort)
    most, allowed = max(found.in_flight, default=0), 64 + SENDER_MARK + UNACKNOWLEDGED_S * KILLED_FPS
    figure = (
        f"{most} frames at most, median {median(found.in_flight or [0]):.0f}, at {KILLED_FPS:,.0f} frames/s in "
        f"{found.kills} kills; allowed are 64 + a mark of {SENDER_MARK} + the {UNACKNOWLEDGED_S} s until frames are "
        f"acknowledged = {allowed:.0f}"
    )
    return judged(most <= allowed, figure, most, "frames")


@contextmanager
def _slow_hdf5() -> Iterator[None]:
    """HDF5 may write a tenth of the time: its lock is held for the rest."""
    over = threading.Event()

    def hold() -> None:
        while not over.is_set():
            with phil:
                time.sleep(SLOWED * SLOW_TURN_S)
            over.wait((1 - SLOWED) * SLOW_TURN_S)

    thread = threading.Thread(target=hold, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class _Closed:
    """Waits for whole scans; see ScanListener."""

    def __init__(self) -> None:
        self.stores: list[ScanStore] = []
        self.whole = threading.Event()

    def opened(self, store: ScanStore) -> None:
        """See ScanListener."""
        self.stores.append(store)

    def closed(self, store: ScanStore) -> None:
        """See ScanListener."""
        if store.read_account().state is ScanState.COMPLETE:
            self.whole.set()


def slow_recorder(effort: Effort) -> Found:
    """A disk that is ten times too slow holds the detector back and loses nothing."""
    side = effort.either(100, 400)
    settings = RecordingSettings(keep_free_bytes=0, queue_bytes=1 << 20)
    with (
        TemporaryDirectory(prefix="stream-rrvae-trust-") as name,
        SteadySender((side, side), None, together=16) as detector,
    ):
        recorder, listener = Recorder(Path(name) / "records", settings, new_metrics()), _Closed()
        recorder.start()
        ingest = {"queue_bytes": 1 << 20}
        acquisition = Acquisition(
            Settings(source=detector.source, ingest=ingest), new_metrics(), listener, Path(name), recorder
        )
        try:
            with _slow_hdf5(), acquisition:
                if not listener.whole.wait(3 * PATIENCE_S):
                    raise StreamRrvaeError("no scan was whole on the slow disk")
        finally:
            recorder.stop()
            accounts = [store.read_account() for store in listener.stores]
            for store in listener.stores:
                store.close()
        effort.accounts += [account.counters for account in accounts]
        whole = next(account.counters for account in accounts if account.state is ScanState.COMPLETE)
        blocked_s, fault = detector.blocked_s, recorder.fault
    figure = (
        f"{whole.missing + whole.refused} of {whole.expected:,} frames lost, recording {fault or 'without a fault'}; "
        f"the sender was held back for {blocked_s:.1f} s"
    )
    return judged(not (whole.missing or whole.refused or fault) and blocked_s > 0, figure, whole.missing, "frames")


def power_loss(effort: Effort) -> Found:
    """The service stopped, and the disk looked at as it is then: what the system had not written to it is gone."""
    if why := why_no_disk():
        return not_run(why)
    turns, settings = effort.either(2, 20), RecordingSettings()
    lost_s = [_seconds_lost(random.Random(turn)) for turn in range(turns)]
    allowed_s = settings.fsync_s + settings.flush_s
    figure = (
        f"{max(lost_s):.2f} s of data at most in {turns} turns, of {allowed_s:g} s that are allowed: a service that "
        f"records to ext4 on a loop device is stopped, the bytes of the device are copied and recovered elsewhere"
    )
    return judged(max(lost_s) <= allowed_s, figure, max(lost_s), "s")


def _seconds_lost(rng: random.Random) -> float:
    with (
        TemporaryDirectory(prefix="stream-rrvae-trust-") as name,
        LoopDisk(Path(name), "disk") as disk,
        SteadySender((400, 400), KILLED_FPS) as detector,
    ):
        folder = Path(name) / "service"
        folder.mkdir()
        kept_free = folder / "serve.toml"
        kept_free.write_text("[recording]\nkeep_free_bytes = 0\n")
        told = ("--mode", "off", "--record", str(disk.folder / "records"), "--config", str(kept_free))
        with Serving(detector.source, folder, *told) as service:
            service.until(lambda snapshot: snapshot.health.frames_recorded > KILLED_FPS)
            service.watch(2.0 + rng.random())
            with service.frozen(service.process):
                stopped_s = time.monotonic()
                handed_over_s = {scan: list(times) for scan, times in detector.handed_over_s.items()}
                disk.copy_to(Path(name) / "copy.img")
        with LoopDisk(Path(name), "copy", made=True) as copy:
            (part,) = (copy.folder / "records").glob("*.part")
            recovered = recover(part)
            with h5py.File(recovered.folder / "master.h5") as file:
                last = int(file["entry/frames/frame_number"][()].max())
        return stopped_s - handed_over_s[part.stem][last]
