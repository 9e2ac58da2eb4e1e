"""Scans with flyback, serpentine or in several passes, over real sockets: the maps of a plain raster."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from stream_rrvae.config import ScanSettings, Settings
from stream_rrvae.ingest.acquisition import Acquisition
from stream_rrvae.messages import ScanState
from stream_rrvae.metrics import new_metrics
from stream_rrvae.scan_path import NOWHERE, ScanPath
from stream_rrvae.scan_store import Account, ScanStore
from tests.ingest.conftest import Listener, NativeDetector, Specimen, V2Detector, check_identities, make_specimen

MAPS = ("sum", "com_y", "com_x", "bright_field", "annular_dark_field", "detectors", "features")
PATHS_GONE = {
    "serpentine": ScanPath(serpentine=True),
    "flyback": ScanPath(line_flyback=3, frame_flyback=5),
    "three passes": ScanPath(passes=3),
    "all of it": ScanPath(2, 7, True, 2, (3, 4), (40, 40)),
}
DETECTORS = ({"name": "dpc", "shape": "quadrants", "outer": 1.0}, {"name": "abf", "inner": 0.5, "outer": 1.0})


@dataclass
class PathListener(Listener):
    """Looks at the identities alone: positions and frames are not the same here."""

    def _check_every_account(self, store: ScanStore) -> None:
        write = store.write_account

        def checked(account: Account) -> None:
            check_identities(account.counters)
            write(account)

        store.write_account = checked  # type: ignore[method-assign]  # looks on, changes nothing


@pytest.fixture
def watching() -> Iterator[PathListener]:
    kept = PathListener()
    yield kept
    for store in kept.stores:
        store.close()


def exposed(specimen: Specimen, path: ScanPath) -> Specimen:
    """The frames in the order in which the detector has them; bright nonsense where the beam flies back."""
    places = path.positions(np.arange(path.frames_due(specimen.scan_shape)), specimen.scan_shape)
    frames = specimen.frames[np.maximum(places, 0)]
    frames[places == NOWHERE] = 999
    return Specimen(specimen.scan_shape, frames)


def received(
    folder: Path, ingest: dict[str, Any], listener: PathListener, detector: Any, sent: Any, **settings: Any
) -> ScanStore:
    """The store of the scan that `sent` sends."""
    scheme = "dectris-v2" if isinstance(detector, V2Detector) else "native+pull"
    told = Settings(
        source=f"{scheme}://127.0.0.1:{detector.port}", ingest={"batch_frames": 37, **ingest}, detectors=DETECTORS,
        **settings,
    )  # fmt: skip
    with Acquisition(told, new_metrics(), listener, folder):
        sent()
        return listener.wait_closed(len(listener.finished) + 1)


@pytest.mark.parametrize("name", PATHS_GONE)
@pytest.mark.parametrize("path", ["python", "compiled, 3 threads"], indirect=True)
def test_maps_are_those_of_a_plain_raster(
    name: str, path: dict[str, Any], watching: PathListener, tmp_path: Path
) -> None:
    way, specimen = PATHS_GONE[name], make_specimen((9, 11))
    there = exposed(specimen, way)
    for number, each in enumerate((specimen, there), 1):
        detector = NativeDetector(zmq.PUSH)
        try:
            more = {"path": asdict(way), "v": 2} if each is there else {}
            received(tmp_path, path, watching, detector, lambda: detector.scan(each, number, **more))  # noqa: B023
        finally:
            detector.close()
    plain, gone = watching.finished
    counters = gone.read_account().counters
    assert gone.read_account().state is ScanState.COMPLETE
    assert (counters.received, counters.missing, counters.refused) == (there.n, 0, 0)
    assert counters.flyback == there.n - way.passes * specimen.n
    assert gone.shape.scan_shape == specimen.scan_shape and gone.start.path == way
    for which in MAPS:
        expected = np.asarray(getattr(plain, which), np.float64)
        if which not in ("com_y", "com_x", "features"):
            expected = way.passes * expected
        # float16, weighted anew with each pass
        close = 2e-3 if which == "features" and way.passes > 1 else 1e-6
        np.testing.assert_allclose(np.asarray(getattr(gone, which), np.float64), expected, rtol=close, atol=close)
    np.testing.assert_array_equal(gone.coverage, plain.coverage)


def test_settings_say_it_where_the_stream_does_not(watching: PathListener, tmp_path: Path) -> None:
    specimen, way = make_specimen((6, 8)), ScanPath(line_flyback=2, serpentine=True)
    there = exposed(specimen, way)
    # The last line's flyback is often not counted among the images.
    there = replace(there, frames=there.frames[:-2])
    detector = V2Detector(zmq.PUSH)
    try:
        said = ScanSettings(line_flyback=2, serpentine=True)
        store = received(tmp_path, {}, watching, detector, lambda: detector.scan(there), scan=said, scan_shape=(6, 8))
    finally:
        detector.close()
    assert store.read_account().state is ScanState.COMPLETE
    np.testing.assert_array_equal(store.sum, specimen.sums())


def test_a_path_that_cannot_be_costs_no_scan(watching: PathListener, tmp_path: Path) -> None:
    specimen = make_specimen((6, 8))
    detector = NativeDetector(zmq.PUSH)
    try:
        said = ScanSettings(offset=(9, 9), within=(10, 10))
        store = received(tmp_path, {}, watching, detector, lambda: detector.scan(specimen), scan=said)
    finally:
        detector.close()
    np.testing.assert_array_equal(store.sum, specimen.sums())
    assert "does not lie within" in store.start.metadata["scan_path_note"]
