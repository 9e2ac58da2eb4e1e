"""Detectors and listeners for the receive path's tests: real sockets, frames with a known answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import cbor2
import msgpack
import numpy as np
import pytest
import zmq
from numpy.typing import NDArray

from stream_rrvae.config import Settings
from stream_rrvae.ingest.acquisition import Acquisition
from stream_rrvae.messages import Counters
from stream_rrvae.metrics import Metrics, new_metrics
from stream_rrvae.scan_store import Account, ScanStore

PATIENCE_S = 60.0
CENTER_PX, RADIUS_PX = (9.25, 10.5), 5.0
_DTYPE_TAGS = {"uint8": 64, "uint16": 69, "uint32": 70, "float32": 85}


@dataclass(frozen=True)
class Specimen:
    """A scan's frames [n, ky, kx] and what they must come to."""

    scan_shape: tuple[int, int]
    frames: NDArray[Any]

    @property
    def n(self) -> int:
        return len(self.frames)

    @property
    def frame_shape(self) -> tuple[int, int]:
        return self.frames.shape[1], self.frames.shape[2]

    def sums(self) -> NDArray[np.float64]:
        return np.asarray(self.frames.sum(axis=(1, 2), dtype=np.float64))

    def com(self, axis: int, center_px: tuple[float, float] = CENTER_PX) -> NDArray[np.float64]:
        """First moments [n] along ky (0) or kx (1) from `center_px`; NaN for an empty frame."""
        at = np.indices(self.frame_shape)[axis] - center_px[axis]
        with np.errstate(invalid="ignore"):
            return np.asarray((self.frames * at).sum(axis=(1, 2)) / self.sums())

    def bright_field(self) -> NDArray[np.float64]:
        ky, kx = np.indices(self.frame_shape)
        disc = np.hypot(ky - CENTER_PX[0], kx - CENTER_PX[1]) < RADIUS_PX
        return np.asarray(self.frames[:, disc].sum(axis=1, dtype=np.float64))


def make_specimen(scan_shape: tuple[int, int] = (5, 6), pixel_type: str = "uint16", seed: int = 0) -> Specimen:
    """Poisson discs of 30 counts a pixel that lean a little differently at every position."""
    rng = np.random.default_rng(seed)
    ky, kx = np.indices((20, 24))
    dy, dx = ky - CENTER_PX[0], kx - CENTER_PX[1]
    disc = np.hypot(dy, dx) < RADIUS_PX
    lean = rng.uniform(-0.1, 0.1, (scan_shape[0] * scan_shape[1], 2, 1, 1))
    expected = 30.0 * disc * (1 + lean[:, 0] * dy + lean[:, 1] * dx) + 0.05
    return Specimen(scan_shape, rng.poisson(expected).astype(pixel_type))


@pytest.fixture
def specimen() -> Specimen:
    return make_specimen()


class Detector:
    """A sender that binds; `send` takes the parts of one message."""

    def __init__(self, kind: int) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.socket = self.context.socket(kind)
        self.socket.linger = 0
        self.socket.sndtimeo = int(PATIENCE_S * 1000)
        # Below the ports that the kernel gives to connecting sockets, so that it can be bound again.
        self.port = self.socket.bind_to_random_port("tcp://127.0.0.1", 20_000, 30_000)

    def send(self, *parts: bytes) -> None:
        self.socket.send_multipart(parts)

    def bind_again(self) -> None:
        """Bind to the port that was left before; libzmq leaves it a little later."""
        give_up_s = monotonic() + PATIENCE_S
        while True:
            try:
                self.socket.bind(f"tcp://127.0.0.1:{self.port}")
                return
            except zmq.ZMQError:
                assert monotonic() < give_up_s, "the port stays in use"

    def wait_for_subscriber(self) -> None:
        assert self.socket.poll(int(PATIENCE_S * 1000)), "nobody subscribed"
        self.socket.recv()

    def close(self) -> None:
        self.context.destroy(linger=0)


class NativeDetector(Detector):
    """The native protocol, written from its description and not with the service's encoder."""

    def header(self, kind: str, **fields: Any) -> bytes:
        return bytes(msgpack.packb({"p": "stream-rrvae", "v": 1, "t": kind, **fields}))

    def start(self, specimen: Specimen, series: int = 1, *more: bytes, **fields: Any) -> None:
        calibration = {"beam_center_px": list(CENTER_PX), "disc_radius_px": RADIUS_PX, "semiangle_mrad": 20.0}
        given = {
            "scan_id": f"scan-{series}",
            "series": series,
            "frame_shape": list(specimen.frame_shape),
            "pixel_type": specimen.frames.dtype.name,
            "frames_expected": specimen.n,
            "scan_shape": list(specimen.scan_shape),
            "calibration": calibration,
        }
        self.send(self.header("start", **{**given, **fields}), *more)

    def start_masked(self, specimen: Specimen) -> None:
        """A start that tells a pixel mask, in which all are good."""
        self.start(specimen, 1, bytes([1] * (specimen.frame_shape[0] * specimen.frame_shape[1])))

    def frame(self, specimen: Specimen, number: int, series: int = 1, **fields: Any) -> None:
        self.packed(specimen, [number], series, **fields)

    def packed(self, specimen: Specimen, numbers: list[int], series: int = 1, **fields: Any) -> None:
        payloads = [specimen.frames[number % specimen.n].tobytes() for number in numbers]
        given = {
            "series": series,
            "numbers": numbers,
            "sizes": [len(payload) for payload in payloads],
            "shape": list(specimen.frame_shape),
            "dtype": specimen.frames.dtype.name,
            "encoding": "none",
            "seq": numbers[0],
        }
        self.send(self.header("frames", **{**given, **fields}), b"".join(payloads))

    def end(self, series: int = 1) -> None:
        self.send(self.header("end", series=series, scan_id=f"scan-{series}"))

    def scan(self, specimen: Specimen, series: int = 1, **fields: Any) -> None:
        """A whole scan without a fault."""
        self.start(specimen, series, **fields)
        for number in range(specimen.n):
            self.frame(specimen, number, series)
        self.end(series)


class V2Detector(Detector):
    """DECTRIS Stream V2, by the vendor's description, uncompressed, two channels."""

    def message(self, kind: str, series: int, **fields: Any) -> bytes:
        given = {"type": kind, "series_id": series, "series_unique_id": f"unique-{series}"}
        return cbor2.dumps(cbor2.CBORTag(55799, {**given, **fields}))

    def array(self, frame: NDArray[Any]) -> cbor2.CBORTag:
        typed = cbor2.CBORTag(_DTYPE_TAGS[frame.dtype.name], frame.tobytes())
        return cbor2.CBORTag(40, [list(frame.shape), typed])

    def scan(self, specimen: Specimen, series: int = 3) -> None:
        ky, kx = specimen.frame_shape
        calibration = {"disc_radius_px": RADIUS_PX, "semiangle_mrad": 20.0}
        start = self.message(
            "start",
            series,
            number_of_images=specimen.n,
            image_size_x=kx,
            image_size_y=ky,
            image_dtype=specimen.frames.dtype.name,
            channels=["threshold_1", "threshold_2"],
            beam_center_x=CENTER_PX[1],
            beam_center_y=CENTER_PX[0],
            saturation_value=60000,
            user_data={"scan_shape": list(specimen.scan_shape), "calibration": calibration},
        )
        self.send(start)
        for number, frame in enumerate(specimen.frames):
            data = {"threshold_1": self.array(frame), "threshold_2": self.array(frame // 2)}
            self.send(self.message("image", series, image_id=number, data=data))
        self.send(self.message("end", series))


class V1Detector(Detector):
    """DECTRIS Stream V1, by the vendor's description: uncompressed unless it is given a payload."""

    def part(self, htype: str | None, **fields: Any) -> bytes:
        return json.dumps({**({"htype": htype} if htype else {}), **fields}, separators=(",", ":")).encode()

    def start(self, specimen: Specimen, series: int = 5, detail: str = "basic") -> None:
        """A header, without the detector's configuration for the detail "none"."""
        ky, kx = specimen.frame_shape
        config = {
            "beam_center_x": CENTER_PX[1],
            "beam_center_y": CENTER_PX[0],
            "bit_depth_image": 8 * specimen.frames.itemsize,
            "nimages": 1,
            "ntrigger": specimen.n,
            "trigger_mode": "exte",
            "x_pixels_in_detector": kx,
            "y_pixels_in_detector": ky,
        }
        calibration = {"beam_center_px": list(CENTER_PX), "disc_radius_px": RADIUS_PX, "semiangle_mrad": 20.0}
        appendix = self.part(None, scan_shape=list(specimen.scan_shape), calibration=calibration)
        head = self.part("dheader-1.0", header_detail=detail, series=series)
        self.send(head, *([] if detail == "none" else [self.part(None, **config)]), appendix)

    def image(
        self, specimen: Specimen, number: int, series: int = 5, payload: bytes | None = None, encoding: str = "<"
    ) -> list[bytes]:
        ky, kx = specimen.frame_shape
        blob = specimen.frames[number % specimen.n].tobytes() if payload is None else payload
        told = {"encoding": encoding, "shape": [kx, ky], "size": len(blob), "type": specimen.frames.dtype.name}
        return [
            self.part("dimage-1.0", frame=number, hash="2c68ca550c9ffa44e6beadad7e9be5fd", series=series),
            self.part("dimage_d-1.0", **told),
            blob,
            self.part("dconfig-1.0", real_time=1000, start_time=1000 * number, stop_time=1000 * number + 999),
        ]

    def end(self, series: int = 5) -> None:
        self.send(self.part("dseries_end-1.0", series=series))

    def scan(self, specimen: Specimen, series: int = 5, detail: str = "basic") -> None:
        """A whole scan without a fault."""
        self.start(specimen, series, detail)
        for number in range(specimen.n):
            self.send(*self.image(specimen, number, series))
        self.end(series)


def check_identities(counters: Counters) -> None:
    assert counters.expected == counters.received + counters.missing
    assert counters.received == counters.processed + counters.refused + counters.duplicate + counters.skipped
    assert counters.refused == sum(counters.refusals.values())
    assert counters.skipped == sum(counters.skips.values())
    assert min(counters.expected, counters.missing, counters.processed, counters.duplicate) >= 0


@dataclass
class Listener:
    """Keeps the stores, and checks every account at the moment it is written."""

    stores: list[ScanStore] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)
    finished: list[ScanStore] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def opened(self, store: ScanStore) -> None:
        self._check_every_account(store)
        with self.changed:
            self.stores.append(store)
            self.changed.notify_all()

    def closed(self, store: ScanStore) -> None:
        with self.changed:
            self.finished.append(store)
            self.changed.notify_all()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, PATIENCE_S), "it did not happen"

    def wait_closed(self, count: int = 1) -> ScanStore:
        """The store of the latest of `count` scans, once that is closed."""
        self.wait_for(lambda: len(self.finished) >= count)
        return self.finished[count - 1]

    def wait_processed(self, count: int) -> None:
        """Until the latest scan has processed `count` frames."""
        self.wait_for(lambda: bool(self.accounts) and self.accounts[-1].counters.processed >= count)

    def has_copies(self, count: int) -> bool:
        """Whether so many duplicates are counted in the latest scan."""
        return bool(self.accounts) and self.accounts[-1].counters.duplicate == count

    def _check_every_account(self, store: ScanStore) -> None:
        write = store.write_account

        def checked(account: Account) -> None:
            check_identities(account.counters)
            assert np.count_nonzero(store.coverage) == account.counters.processed
            write(account)
            with self.changed:
                self.accounts.append(account)
                self.changed.notify_all()

        store.write_account = checked  # type: ignore[method-assign]  # looks on, changes nothing


Receive = Callable[..., Acquisition]


@pytest.fixture
def listener() -> Iterator[Listener]:
    kept = Listener()
    yield kept
    for store in kept.stores:
        store.close()


@pytest.fixture
def metrics() -> Metrics:
    return new_metrics()


PATHS: dict[str, dict[str, Any]] = {
    "python": {"receive": "python", "compute_threads": 1},
    "compiled": {"receive": "compiled", "compute_threads": 1},
    "compiled, 3 threads": {"receive": "compiled", "compute_threads": 3},
}


@pytest.fixture(params=PATHS)
def path(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Ingest settings for each way that frames can go; what comes of them must be the same."""
    return PATHS[request.param]


@pytest.fixture
def receive(path: dict[str, Any], listener: Listener, metrics: Metrics, tmp_path: Path) -> Iterator[Receive]:
    """Start acquisition from a source; at the end it must stop without an error."""
    running: list[Acquisition] = []

    def begin(source: str, **settings: Any) -> Acquisition:
        ingest = {**path, **settings.pop("ingest", {})}
        acquisition = Acquisition(Settings(source=source, ingest=ingest, **settings), metrics, listener, tmp_path)
        acquisition.start()
        running.append(acquisition)
        return acquisition

    yield begin
    for acquisition in running:
        assert acquisition.stop(PATIENCE_S), "acquisition did not stop"
        assert acquisition.error is None, acquisition.error


@pytest.fixture
def native() -> Iterator[NativeDetector]:
    detector = NativeDetector(zmq.PUSH)
    yield detector
    detector.close()


@pytest.fixture
def publisher() -> Iterator[NativeDetector]:
    """A native detector that publishes; XPUB, so that a test can wait for the subscription."""
    detector = NativeDetector(zmq.XPUB)
    yield detector
    detector.close()


@pytest.fixture
def dectris() -> Iterator[V2Detector]:
    detector = V2Detector(zmq.PUSH)
    yield detector
    detector.close()


@pytest.fixture
def dectris_v1() -> Iterator[V1Detector]:
    detector = V1Detector(zmq.PUSH)
    yield detector
    detector.close()


@pytest.fixture
def pull(native: NativeDetector, receive: Receive) -> Callable[..., Acquisition]:
    """Acquisition from the `native` detector."""
    return lambda **settings: receive(f"native+pull://127.0.0.1:{native.port}", **settings)


@pytest.fixture
def assert_measured() -> Callable[..., None]:
    """Maps equal the NumPy reference at `numbers` (None = everywhere) and are empty elsewhere."""

    def check(store: ScanStore, specimen: Specimen, numbers: list[int] | None = None) -> None:
        at = np.arange(specimen.n) if numbers is None else np.array(sorted(numbers))
        np.testing.assert_array_equal(np.flatnonzero(store.coverage), at)
        np.testing.assert_allclose(store.sum[at], specimen.sums()[at])
        np.testing.assert_allclose(store.com_y[at], specimen.com(0)[at], atol=1e-5)
        np.testing.assert_allclose(store.com_x[at], specimen.com(1)[at], atol=1e-5)
        np.testing.assert_allclose(store.bright_field[at], specimen.bright_field()[at])
        assert np.isfinite(store.features[at]).all()
        elsewhere = np.setdiff1d(np.arange(specimen.n), at)
        assert np.isnan(store.sum[elsewhere]).all()

    return check
