"""Two programs that have never met: we take the Stream V1 of LiberTEM-live's simulator."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from stream_rrvae.config import Settings
from stream_rrvae.ingest.acquisition import Acquisition
from stream_rrvae.metrics import Metrics
from tests.ingest.conftest import PATIENCE_S, Listener

pytestmark = [pytest.mark.peers]
FRAMES, PIXELS = 20, 512 * 512
THEIR_SIMULATOR = f"""
import libertem_dectris, sys
simulator = libertem_dectris.DectrisSim.new_mocked("tcp://127.0.0.1", {FRAMES}, random_port=True)
print(simulator.get_uri(), flush=True)
simulator.send_headers()
simulator.send_frames()
simulator.send_footer()
sys.stdin.read()
"""


def test_every_frame_has_the_value_that_it_was_made_of(
    listener: Listener, metrics: Metrics, libertem_python: str, tmp_path: Path
) -> None:
    command = [libertem_python, "-c", THEIR_SIMULATOR]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as simulator:
        assert simulator.stdout and simulator.stdin
        address = simulator.stdout.readline().strip().removeprefix("tcp://")
        settings = Settings(source=f"dectris-v1://{address}", scan_shape=(4, 5))
        with Acquisition(settings, metrics, listener, tmp_path):
            store = listener.wait_closed()
        simulator.stdin.close()
        assert simulator.wait(PATIENCE_S) == 0
    assert (store.start.series, store.start.frame_shape, store.start.pixel_type) == (34, (512, 512), "uint16")
    account = store.read_account()
    assert (account.counters.processed, account.counters.missing, account.counters.refused) == (FRAMES, 0, 0)
    np.testing.assert_array_equal(store.sum, np.arange(FRAMES) * PIXELS)  # all pixels of frame n are n
