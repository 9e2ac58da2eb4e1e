"""The simulator's endless series over every protocol, received the quick way: no frame is lost where scans meet."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from detector_sim.detector import detector_model
from detector_sim.launch import FORMATS
from detector_sim.message_format import MessageFormat
from detector_sim.outlets import Outlets
from detector_sim.pacing import Pacer
from detector_sim.pool import FramePool
from detector_sim.send_native import NativeFormat
from detector_sim.sending import ScanSender
from detector_sim.settings import SimulationSettings
from detector_sim.simulation import Simulation
from stream_rrvae.config import Settings
from stream_rrvae.ingest.acquisition import Acquisition
from stream_rrvae.ingest.line import Line
from stream_rrvae.messages import ScanState
from stream_rrvae.metrics import new_metrics
from stream_rrvae.scan_path import ScanPath
from tests.ingest.conftest import Listener

SCANS, SHAPE = 4, (7, 9)
N_FRAMES = SHAPE[0] * SHAPE[1]
SCENE = SimulationSettings(
    detector=detector_model("24x24:uint16"),
    dose_electrons=2000.0,
    scan_shape=SHAPE,
    path=ScanPath(endless=True),
)


@contextmanager
def sending(form: MessageFormat, endpoints: int) -> Iterator[tuple[list[str], FramePool]]:
    """A thread that sends the series to whoever connects."""
    simulation = Simulation(SCENE)
    pool = FramePool(simulation, 1 << 24)
    sender = ScanSender(simulation, pool, form, Pacer(None))
    with Outlets(["tcp://127.0.0.1:*"] * endpoints, "push", 1152 * form.largest_batch) as outlets:
        thread = threading.Thread(target=sender.run, args=(outlets, SCANS), name="simulator")
        thread.start()
        try:
            yield outlets.endpoints, pool
        finally:
            thread.join()
    assert (sender.sent.scans, sender.sent.frames) == (SCANS, SCANS * N_FRAMES)


@pytest.fixture
def taken_by_line(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many frames each call of the compiled loop took."""
    receive, taken = Line.receive, []

    def counted(line: Line, now_s: float) -> tuple[int, int, int]:
        stopped, count, first_seen = receive(line, now_s)
        taken.append(count)
        return stopped, count, first_seen

    monkeypatch.setattr(Line, "receive", counted)  # looks on, changes nothing
    return taken


@pytest.mark.parametrize("endpoints", [1, 3])
@pytest.mark.parametrize("name", FORMATS)
def test_every_scan_is_whole(
    name: str, endpoints: int, listener: Listener, taken_by_line: list[int], tmp_path: Path
) -> None:
    # Sent as they are, 64 native frames go into a message: most messages hold frames of two scans.
    form = NativeFormat() if name == "native" else FORMATS[name]()
    scheme = "native+pull" if name == "native" else name
    with sending(form, endpoints) as (bound, pool):
        source = ",".join(endpoint.replace("tcp", scheme) for endpoint in bound)
        settings = Settings(source=source, ingest={"receive": "compiled", "compute_threads": 2, "settle_frames": 4})
        with Acquisition(settings, new_metrics(), listener, tmp_path):
            listener.wait_closed(SCANS)
    for number, store in enumerate(listener.finished, 1):
        account = store.read_account()
        assert account.state is ScanState.COMPLETE
        assert (account.counters.processed, account.counters.missing) == (N_FRAMES, 0)
        assert store.start.scan_id.endswith("-000001" if number == 1 else f"-000001.{number}")
        np.testing.assert_array_equal(store.sum, listener.finished[0].sum)
    assert pool.complete and listener.finished[0].sum.min() > 1000
    if endpoints == 1 and name != "native":
        assert sum(taken_by_line) == SCANS * (N_FRAMES - 1), "all but each scan's first"
