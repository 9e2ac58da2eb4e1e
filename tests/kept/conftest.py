"""A scan's frames, packed as a detector packs them, and how they are given to be kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_rrvae.kept.frames import KeptFrames
from stream_rrvae.kernels.plan import make_plan
from stream_rrvae.messages import Calibration, Encoding, ScanStart
from stream_rrvae.wire.pixels import encode_bslz4, encode_raw

CENTER, RADIUS_PX, SATURATION = (11.0, 12.0), 8.0, 900.0
Pack = Callable[[NDArray[Any]], bytes]


@dataclass
class Scan:
    """Frames [n, ky, kx] of a scan (y, x), some pixels of which are not usable."""

    scan_shape: tuple[int, int]
    frames: NDArray[np.uint16]
    usable: NDArray[np.bool_]

    def begin(self, kept: KeptFrames, scan_id: str = "scan-1") -> None:
        shape = self.frames.shape[1:]
        start = ScanStart(
            scan_id, 1, (shape[0], shape[1]), "uint16", len(self.frames), self.scan_shape, SATURATION,
            calibration=Calibration(mrad_per_px=2.0), pixel_mask=self.usable,
        )  # fmt: skip
        plan = make_plan(start.frame_shape, CENTER, RADIUS_PX, None, self.usable, SATURATION)
        kept.begin(start, self.scan_shape, plan)

    def give(
        self, kept: KeptFrames, numbers: Sequence[int], pack: Pack = encode_bslz4, encoding: Encoding = Encoding.BSLZ4
    ) -> None:
        """The frames of these positions, with one that is not to be kept before each of them."""
        payloads = [np.frombuffer(part, np.uint8) for n in numbers for part in (b"not this", pack(self.frames[n]))]
        kept.keep(
            np.array([payload.ctypes.data for payload in payloads], np.uint64),
            np.array([payload.size for payload in payloads], np.int64),
            np.repeat(np.asarray(numbers, np.int64), 2),
            np.arange(1, 2 * len(numbers), 2),
            encoding,
        )

    def packed_bytes(self) -> int:
        """What all of them take."""
        return sum(len(encode_bslz4(frame)) for frame in self.frames)


@pytest.fixture
def scan() -> Scan:
    rng = np.random.default_rng(5)
    frames = rng.poisson(rng.uniform(0, 40, (24, 24)), (16 * 16, 24, 24)).astype(np.uint16)
    frames[7, 3, 4] = 65535  # no data
    usable = np.ones((24, 24), np.bool_)
    usable[10:12, 5] = False
    return Scan((16, 16), frames, usable)


@pytest.fixture
def raw() -> Pack:
    return encode_raw
