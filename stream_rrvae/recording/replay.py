"""Replay: a file of frames through the real protocol; whoever receives it cannot tell it from a detector."""

from __future__ import annotations

import threading
import time
import uuid

import zmq

from stream_rrvae.errors import ConfigError
from stream_rrvae.messages import Calibration, Encoding, ScanEnd, ScanStart
from stream_rrvae.recording.frame_file import FrameFile
from stream_rrvae.security import check_bind
from stream_rrvae.wire.native import encode_end, encode_frames, encode_start

MESSAGE_BYTES = 1 << 20
MESSAGE_FRAMES = 64
QUEUE_MESSAGES = 32
WAIT_MS = 200
LINGER_MS = 10_000
SCHEMES = ("native+pull", "native+push", "tcp")


def bind_address(url: str, allow_remote: bool = False) -> str:
    """The ZeroMQ address to bind for `url`, which may be just what the receiver's --source says."""
    scheme, _, address = url.partition("://")
    if scheme not in SCHEMES or not address:
        raise ConfigError(f"cannot replay to {url!r}: write native+pull://127.0.0.1:PORT, as the receiver's --source")
    return check_bind(f"tcp://{address}", allow_remote)


class Replay:
    """Sends one scan to whoever connects; `rate_fps` None = as fast as it goes."""

    def __init__(
        self, frames: FrameFile, address: str, rate_fps: float | None, calibration: Calibration | None = None
    ) -> None:
        self._frames = frames
        self._rate_fps = rate_fps
        self._calibration = calibration or Calibration()
        self._stopping = threading.Event()
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.PUSH)
        self._socket.set(zmq.SNDHWM, QUEUE_MESSAGES)
        self._socket.set(zmq.LINGER, LINGER_MS)
        self._socket.bind(address)
        self.address: str = self._socket.get_string(zmq.LAST_ENDPOINT)
        self.sent = 0

    def run(self) -> None:
        """Send start, frames and end; returns when all is handed over or `stop` was called."""
        start = self._start()
        whole = self._send(encode_start(start)) and self._send_frames(start.series)
        if whole:
            self._send(encode_end(ScanEnd(start.series, start.scan_id)))
        self._socket.close(LINGER_MS if whole else 0)

    def stop(self) -> None:
        """End `run` soon; what was not sent stays unsent."""
        self._stopping.set()

    def _start(self) -> ScanStart:
        frames = self._frames
        return ScanStart(
            scan_id=uuid.uuid4().hex,
            series=int(time.time()),
            frame_shape=frames.frame_shape,
            pixel_type=frames.pixel_type,
            frames_expected=frames.n_frames,
            scan_shape=frames.scan_shape,
            calibration=self._calibration,
            metadata={"replayed_from": frames.name},
        )

    def _send_frames(self, series: int) -> bool:
        frame_bytes = self._frames.frames(0, 1).nbytes
        step = max(1, min(MESSAGE_FRAMES, MESSAGE_BYTES // frame_bytes))
        if self._rate_fps is not None:
            step = max(1, min(step, int(self._rate_fps / 20)))
        begin = time.monotonic()
        for first in range(0, self._frames.n_frames, step):
            block = self._frames.frames(first, min(first + step, self._frames.n_frames))
            if self._rate_fps is not None:
                self._stopping.wait(max(0.0, begin + first / self._rate_fps - time.monotonic()))
            numbers = list(range(first, first + len(block)))
            payloads = [frame.data.cast("B") for frame in block]
            shape, pixel_type = self._frames.frame_shape, self._frames.pixel_type
            if not self._send(encode_frames(series, numbers, payloads, shape, pixel_type, Encoding.NONE)):
                return False
            self.sent += len(block)
        return True

    def _send(self, parts: list[bytes]) -> bool:
        """Wait for room (the receiver sets the pace); False when stopped meanwhile."""
        while not self._stopping.is_set():
            if self._socket.poll(WAIT_MS, zmq.POLLOUT):
                self._socket.send_multipart(parts)
                return True
        return False
