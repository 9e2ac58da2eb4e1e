"""A detector that goes on whatever becomes of its receiver, and knows what it has handed over and when."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Any, Self

import numpy as np
import zmq

from stream_rrvae.messages import Calibration, Encoding, ScanEnd, ScanStart
from stream_rrvae.wire.native_encode import encode_end, encode_frames, encode_start
from stream_rrvae.wire.pixels import encode_bslz4

SIDE_PX, KINDS = 32, 64
WAIT_MS = 50
SENDER_MARK = 16  # messages that may wait in it
CALIBRATION = Calibration(beam_center_px=(15.5, 15.5), disc_radius_px=9.0, mrad_per_px=3.0)


class SteadySender:
    """Sends scans of `scan_shape` by the native protocol, one frame a message, `rate_fps` or as fast as it goes.

    Frame n of a scan is of kind n % KINDS. `together` frames go into one message.
    """

    def __init__(self, scan_shape: tuple[int, int], rate_fps: float | None, together: int = 1, seed: int = 0) -> None:
        ky, kx = np.indices((SIDE_PX, SIDE_PX)) - CALIBRATION.beam_center_px[0]  # type: ignore[index]  # it is given
        disc = np.hypot(ky, kx) < CALIBRATION.disc_radius_px
        self.frames = np.random.default_rng(seed).poisson(5.0 * disc, (KINDS, SIDE_PX, SIDE_PX)).astype(np.uint16)
        self.scan_shape, self.rate_fps = scan_shape, rate_fps
        self._together = together
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.PUSH)
        self._socket.sndhwm = SENDER_MARK
        self.port = self._socket.bind_to_random_port("tcp://127.0.0.1")
        self._over = threading.Event()
        self.series = 0
        self.blocked_s = 0.0
        self.frames_sent = 0
        self.handed_over_s: dict[str, list[float]] = {}  # by scan: of each message, monotonic
        self._thread = threading.Thread(target=self._run, name="detector", daemon=True)

    @property
    def source(self) -> str:
        """For `serve --source`."""
        return f"native+pull://127.0.0.1:{self.port}"

    def handed_over(self, scan_id: str) -> int:
        """How many frames of this scan were handed over to the socket."""
        return len(self.handed_over_s.get(scan_id, ())) * self._together

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self._context.destroy(0)

    def _run(self) -> None:
        payloads = [memoryview(encode_bslz4(frame)) for frame in self.frames]
        while not self._over.is_set():
            self._send_scan(payloads)

    def _send_scan(self, payloads: list[memoryview]) -> None:
        self.series += 1
        n = self.scan_shape[0] * self.scan_shape[1]
        shape, series, scan_id = (SIDE_PX, SIDE_PX), self.series, f"steady-{self.series}"
        start = ScanStart(scan_id, series, shape, "uint16", n, self.scan_shape, calibration=CALIBRATION)
        self._send(encode_start(start))
        times_s = self.handed_over_s[scan_id] = []
        due_s = time.monotonic()
        for seq, first in enumerate(range(0, n, self._together)):
            numbers = range(first, min(n, first + self._together))
            some = [payloads[number % KINDS] for number in numbers]
            self._send(encode_frames(series, list(numbers), some, shape, "uint16", Encoding.BSLZ4, seq))
            if self._over.is_set():
                return
            times_s.append(time.monotonic())
            self.frames_sent += len(numbers)
            if self.rate_fps is not None:
                due_s = max(due_s + len(numbers) / self.rate_fps, times_s[-1] - WAIT_MS / 1e3)
                self._over.wait(max(0.0, due_s - times_s[-1]))
        self._send(encode_end(ScanEnd(series, scan_id)))

    def _send(self, parts: Any) -> None:
        begun_s = time.monotonic()
        while not self._over.is_set():
            try:
                # Without waiting, which nothing would end: the peer may leave just after a look that saw room.
                self._socket.send_multipart(parts, zmq.NOBLOCK)
            except zmq.Again:
                self._socket.poll(WAIT_MS, zmq.POLLOUT)
            else:
                self.blocked_s += time.monotonic() - begun_s
                return
