"""A file of NaN, empty, equal or far too few frames is measured whole, says why there is no model, and is no crash."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_rrvae.batch.measure import measured
from stream_rrvae.config import LearnSettings, Settings
from stream_rrvae.ingest.meter import Meter
from stream_rrvae.ingest.scan_work import Surroundings
from stream_rrvae.maps.report_data import read_report_data
from stream_rrvae.maps.results import Provenance, write_results
from stream_rrvae.metrics import new_metrics
from stream_rrvae.recording.frame_file import open_frames
from stream_rrvae.rrvae.session import Session

SIDE = 16
DISC = (np.hypot(*(np.indices((SIDE, SIDE)) - 7.5)) < 5).astype(np.float32)


def of_equal(count: int, frame: NDArray[np.float32], kind: str) -> NDArray[Any]:
    return np.broadcast_to(frame, (count, 10, SIDE, SIDE)).astype(kind)


CASES = {
    "NaN": (of_equal(10, np.full_like(DISC, np.nan), "float32"), "0 positions"),
    "empty": (of_equal(10, 0 * DISC, "uint16"), "0 positions"),
    "without data": (of_equal(10, 65_535 * np.ones_like(DISC), "uint16"), "0 positions"),
    "equal": (of_equal(10, 90 * DISC, "uint16"), "do not differ"),
    "evenly lit": (of_equal(10, np.ones_like(DISC), "float32"), "do not differ"),
    "a single one": (of_equal(1, 90 * DISC, "uint16")[:, :1], "1 positions"),
    "fewer than a model needs": (of_equal(6, 90 * DISC, "uint16"), "60 positions"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_file_with_nothing_to_learn_is_measured_and_says_so(case: str, tmp_path: Path) -> None:
    frames, word = CASES[case]
    np.save(tmp_path / "scan.npy", frames)
    around = Surroundings(Settings(), Meter(new_metrics()), tmp_path, lambda _store: None, lambda *_told: None)
    with (
        open_frames(str(tmp_path / "scan.npy")) as file,
        measured(file, around, lambda _done: None) as store,
    ):
        assert Session(store, LearnSettings(), None).step() is None
        status = store.read_status()
        results = write_results(tmp_path / "a.h5", store, Provenance(0.0, 1.0, {}))
        account = store.read_account().counters
    assert (status.state, status.version) == ("failed", 0) and word in status.detail
    assert (account.expected, account.missing) == (frames.shape[0] * frames.shape[1], 0)
    data = read_report_data(results)
    assert data.manifold is None and data.latents == [] and np.isnan(data.maps["rotation"]).all()
