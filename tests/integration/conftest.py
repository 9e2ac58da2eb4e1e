"""A Stream V2 detector written here, apart from detector_sim, and the service as a user runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import bitshuffle
import cbor2
import numpy as np
import pytest
import zmq
from numpy.typing import NDArray

from stream_rrvae.commands.children import Child
from stream_rrvae.feed.subscriber import Subscriber
from stream_rrvae.messages import Snapshot

TYPED_ARRAY_TAG = {"uint8": 64, "uint16": 69, "uint32": 70, "float32": 85}
BLOCK_BYTES = 8192


@dataclass
class Detector:
    """Binds PUSH like a DECTRIS control unit and sends series of frames."""

    context: zmq.Context[zmq.Socket[bytes]]
    series: int = 0
    socket: zmq.Socket[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.socket = self.context.socket(zmq.PUSH)
        self.socket.linger = 5000
        self.port = self.socket.bind_to_random_port("tcp://127.0.0.1")

    @property
    def url(self) -> str:
        return f"dectris-v2://127.0.0.1:{self.port}"

    def start(self, frames: NDArray[Any], **extra: Any) -> None:
        self.series += 1
        self._send(
            {
                "type": "start", "series_id": self.series, "series_unique_id": f"series-{self.series}",
                "number_of_images": len(frames), "image_size_x": frames.shape[2], "image_size_y": frames.shape[1],
                "image_dtype": frames.dtype.name, "channels": ["threshold_1"],
                "saturation_value": int(np.iinfo(frames.dtype).max) - 1, **extra,
            }
        )  # fmt: skip

    def image(self, number: int, frame: NDArray[Any], compressed: bool = True) -> None:
        self.raw(self.image_message(number, frame, compressed))

    def image_message(self, number: int, frame: NDArray[Any], compressed: bool = True) -> bytes:
        content: Any = frame.tobytes()
        if compressed:
            packed = bitshuffle.compress_lz4(frame, BLOCK_BYTES // frame.itemsize).tobytes()
            framing = frame.nbytes.to_bytes(8, "big") + BLOCK_BYTES.to_bytes(4, "big")
            content = cbor2.CBORTag(56500, ["bslz4", frame.itemsize, framing + packed])
        array = cbor2.CBORTag(40, [list(frame.shape), cbor2.CBORTag(TYPED_ARRAY_TAG[frame.dtype.name], content)])
        message = {
            "type": "image", "series_id": self.series, "series_unique_id": f"series-{self.series}", "image_id": number,
            "start_time": [number, 50_000_000], "data": {"threshold_1": array},
        }  # fmt: skip
        return cbor2.dumps(cbor2.CBORTag(55799, message))

    def end(self) -> None:
        self._send({"type": "end", "series_id": self.series, "series_unique_id": f"series-{self.series}"})

    def raw(self, message: bytes) -> None:
        if not self.socket.poll(20_000, zmq.POLLOUT):
            raise TimeoutError("nobody takes the frames")
        self.socket.send(message)

    def _send(self, message: dict[str, Any]) -> None:
        self.raw(cbor2.dumps(cbor2.CBORTag(55799, message)))


@pytest.fixture
def detector() -> Iterator[Detector]:
    with zmq.Context() as context:
        made = Detector(context)
        yield made
        made.socket.close(0)


@dataclass
class Serving:
    """`stream-rrvae serve` as a process, and its feed."""

    process: Child
    feed: Subscriber
    out: Path

    @classmethod
    def start(cls, source: str, folder: Path, *arguments: str) -> Self:
        feed = f"ipc://{folder}/feed"
        out = folder / "out"
        process = Child(
            "service", "stream_rrvae", "serve", "--source", source, "--feed", feed, "--out", str(out), *arguments
        )
        process.line_with("ready")
        return cls(process, Subscriber(feed), out)

    def until(self, wanted: Callable[[Snapshot], bool]) -> Snapshot:
        """The first snapshot that is as wanted; the suite's timeout ends a wait in vain."""
        while True:
            snapshot = self.feed.receive(1.0)
            self.process.check()
            if snapshot is not None and wanted(snapshot):
                return snapshot

    def stop(self) -> None:
        self.process.stop()
        self.feed.close()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Serving]]:
    started: list[Serving] = []

    def start(source: str, *arguments: str) -> Serving:
        started.append(Serving.start(source, tmp_path, *arguments))
        return started[-1]

    yield start
    for serving in started:
        serving.stop()


@dataclass(frozen=True)
class Specimen:
    """Frames [n, ky, kx] whose disc is brighter towards `direction` [n] (rad), more so where `strength` is large."""

    frames: NDArray[np.uint16]
    direction: NDArray[np.float64]
    strength: NDArray[np.float64]
    scan_shape: tuple[int, int]


@pytest.fixture(scope="session")
def specimen() -> Specimen:
    """16x16 positions around a point charge, 40x40 pixels, about 2e5 electrons a frame."""
    rng = np.random.default_rng(3)
    y, x = np.indices((16, 16)) - 7.5
    direction, strength = np.arctan2(-y, -x).ravel(), (0.3 * np.exp(-np.hypot(y, x) / 5)).ravel()
    ky, kx = np.indices((40, 40)) - 19.5
    disc = np.clip(13.5 - np.hypot(ky, kx), 0, 1)
    slope = (kx[None] * np.cos(direction)[:, None, None] + ky[None] * np.sin(direction)[:, None, None]) / 13
    mean = 350 * disc * (1 + strength[:, None, None] * slope)
    return Specimen(rng.poisson(mean).astype(np.uint16), direction, strength, (16, 16))
