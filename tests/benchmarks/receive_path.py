"""Where a frame's CPU time goes on its way from the socket into the scan store, by thread, and what memory it takes.

By hand: python tests/benchmarks/receive_path.py [--protocol native] [--shape 192] [--dtype uint8] [--scans 20] ...
A sender of ready messages in a process of its own, over TCP: a bright disc with Poisson counts. `stream-rrvae bench
ingest` compares rates with a bare receiver and the peer; this is for finding out what a change costs.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import zmq

from detector_sim.encoding import EncodedFrame, encode_frame
from detector_sim.message_format import MessageFormat
from detector_sim.send_dectris_v1 import DectrisV1Format
from detector_sim.send_dectris_v2 import DectrisV2Format
from detector_sim.send_native import NativeFormat
from stream_rrvae.config import IngestSettings, Settings
from stream_rrvae.ingest.acquisition import Acquisition
from stream_rrvae.messages import Calibration, Encoding, ScanStart
from stream_rrvae.metrics import new_metrics
from stream_rrvae.scan_store import DEFAULT_FOLDER, ScanStore

DISTINCT = 512  # frames; each is sent many times under other numbers
FORMATS: dict[str, type[MessageFormat]] = {
    "dectris-v2": DectrisV2Format,
    "dectris-v1": DectrisV1Format,
    "native": NativeFormat,
}
SCHEMES = {"dectris-v2": "dectris-v2", "dectris-v1": "dectris-v1", "native": "native+pull"}


@dataclass(frozen=True)
class Load:
    """What is sent: `scans` times a square scan of `side` positions."""

    protocol: str
    shape: int
    dtype: str
    dose: float
    encoding: str
    side: int
    scans: int

    @property
    def frames(self) -> int:
        return self.side * self.side * self.scans


def payloads(load: Load) -> list[EncodedFrame]:
    """Frames of a bright disc with `dose` electrons each."""
    ky, kx = np.indices((load.shape, load.shape)) - (load.shape - 1) / 2
    disc = np.hypot(ky, kx) < load.shape / 4
    expected = disc * load.dose / disc.sum() + 1e-4 * load.dose / disc.size
    rng = np.random.default_rng(0)
    frames = rng.poisson(expected, (DISTINCT, *disc.shape)).astype(load.dtype)
    return [encode_frame(number, frame, Encoding(load.encoding)) for number, frame in enumerate(frames)]


def messages(load: Load) -> list[list[bytes]]:
    """A scan's messages, ready to be sent."""
    form = FORMATS[load.protocol]()
    shape, n = (load.shape, load.shape), load.side * load.side
    known = Calibration(beam_center_px=((load.shape - 1) / 2,) * 2, disc_radius_px=load.shape / 4, semiangle_mrad=20.0)
    start = ScanStart("line-rate", 1, shape, load.dtype, n, (load.side, load.side), calibration=known)
    ready, some = [form.start(start)], payloads(load)
    step = form.largest_batch
    for first in range(0, n, step):
        batch = [some[i % DISTINCT] for i in range(first, min(first + step, n))]
        renumbered = [
            EncodedFrame(first + i, f.shape, f.pixel_type, f.encoding, f.payload) for i, f in enumerate(batch)
        ]
        ready.append(form.frames(renumbered))
    return [*ready, form.end()]


def send(load: Load, port: int, ready: threading.Event, spent: multiprocessing.Queue[float]) -> None:
    """The sender's process: binds, says so, sends everything, tells its CPU seconds."""
    scan = messages(load)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.PUSH)
    socket.sndhwm = 4000
    socket.bind(f"tcp://127.0.0.1:{port}")
    ready.set()
    before = time.process_time()
    for _ in range(load.scans):
        for parts in scan:
            if len(parts) == 1:
                socket.send(parts[0])
            else:
                socket.send_multipart(parts)
    socket.close()
    context.term()
    spent.put(time.process_time() - before)


class Stores:
    """Closes what is opened, and remembers the accounts."""

    def __init__(self, scans: int) -> None:
        self.left, self.over = scans, threading.Event()
        self.begun_s = 0.0
        self.processed = self.missing = 0
        self.resident_mb: list[float] = []

    def opened(self, store: ScanStore) -> None:
        self.begun_s = self.begun_s or time.perf_counter()

    def closed(self, store: ScanStore) -> None:
        counters = store.read_account().counters
        self.processed += counters.processed
        self.missing += counters.missing
        store.close()
        self.resident_mb.append(resident_mb())
        self.left -= 1
        if not self.left:
            self.over.set()


def threads_s() -> Iterator[tuple[int, float]]:
    """CPU seconds of every thread of this process, libzmq's own included."""
    tick = os.sysconf("SC_CLK_TCK")
    for task in Path("/proc/self/task").iterdir():
        fields = (task / "stat").read_text().rpartition(")")[2].split()
        yield int(task.name), (int(fields[11]) + int(fields[12])) / tick


def receive(load: Load, port: int, ingest: IngestSettings, folder: Path) -> None:
    """Our acquisition takes everything."""
    url = f"{SCHEMES[load.protocol]}://127.0.0.1:{port}"
    stores = Stores(load.scans)
    acquisition = Acquisition(Settings(source=url, ingest=ingest), new_metrics(), stores, folder)
    with acquisition:
        names = {thread.native_id: thread.name for thread in threading.enumerate()}
        before, memory = dict(threads_s()), resident_mb()
        stores.over.wait()
        seconds = time.perf_counter() - stores.begun_s
        after = dict(threads_s())
    micro = {tid: 1e6 * (spent - before.get(tid, 0.0)) / load.frames for tid, spent in after.items()}
    print(f"{stores.processed / seconds:,.0f} frames/s, {stores.processed} processed, {stores.missing} missing")
    print(f"  CPU us a frame: {sum(micro.values()):.2f} =", end=" ")
    print(", ".join(f"{names.get(tid, 'libzmq')} {us:.2f}" for tid, us in sorted(micro.items()) if us > 0.005))
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    after_scans = ", ".join(f"{mb:.0f}" for mb in stores.resident_mb[:: max(1, load.scans // 12)])
    print(f"  resident {memory:.0f} MB before, peak {peak_mb:.0f}; after scans: {after_scans}")


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--protocol", default="dectris-v2", choices=list(FORMATS))
    parser.add_argument("--shape", type=int, default=192)
    parser.add_argument("--dtype", default="uint8")
    parser.add_argument("--dose", type=float, default=2000.0)
    parser.add_argument("--encoding", default="bslz4")
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--scans", type=int, default=8)
    parser.add_argument("--receive", default="compiled")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=512)
    options = parser.parse_args()
    load = Load(
        options.protocol, options.shape, options.dtype, options.dose, options.encoding, options.side, options.scans
    )
    ingest = IngestSettings(
        receive=options.receive, compute_threads=options.threads, batch_frames=options.batch, settle_frames=1
    )
    print(f"{load}, {os.cpu_count()} cores")
    port, spawn = free_port(), multiprocessing.get_context("spawn")
    ready, spent = spawn.Event(), spawn.Queue()
    sender = spawn.Process(target=send, args=(load, port, ready, spent), daemon=True)
    sender.start()
    ready.wait()
    with tempfile.TemporaryDirectory(dir=DEFAULT_FOLDER) as folder:
        receive(load, port, ingest, Path(folder))
    print(f"  sender: CPU us a frame {1e6 * spent.get() / load.frames:.2f}")
    sender.join()


def free_port() -> int:
    with zmq.Context() as context, context.socket(zmq.PULL) as socket:
        return int(socket.bind_to_random_port("tcp://127.0.0.1"))


if __name__ == "__main__":
    main()
