"""Whatever way frames go and however many threads measure them: the same maps to the bit, and the same account."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import cbor2
import numpy as np
import pytest
import zmq
from numpy.typing import NDArray

from stream_rrvae.config import Settings
from stream_rrvae.ingest.acquisition import Acquisition
from stream_rrvae.ingest.frame_batch import FrameBatch
from stream_rrvae.ingest.libzmq import NoLibzmqError
from stream_rrvae.ingest.line import Line
from stream_rrvae.messages import Counters, FrameSkip
from stream_rrvae.metrics import new_metrics
from stream_rrvae.wire.pixels import encode_bslz4, encode_lz4_block
from tests.ingest.conftest import (
    PATHS,
    Detector,
    Listener,
    NativeDetector,
    Specimen,
    V1Detector,
    V2Detector,
    make_specimen,
)

MAPS = ("coverage", "sum", "com_y", "com_x", "bright_field", "annular_dark_field", "features")
SCAN_SHAPE = (30, 40)
Send = Callable[[Any, Specimen], None]


def native_scan(detector: NativeDetector, specimen: Specimen) -> None:
    """Many frames a message, some of them late, twice, damaged, before they come well, outside the scan, or rubbish."""
    rng = random.Random(1)
    numbers = [*range(specimen.n), *rng.choices(range(specimen.n), k=100)]
    rng.shuffle(numbers)
    missing = set(rng.sample(range(specimen.n), 20))
    detector.start(specimen)
    for first in range(0, len(numbers), 7):
        some = [number for number in numbers[first : first + 7] if number not in missing]
        payloads = [encode_bslz4(specimen.frames[number]) for number in some]
        if some and first % 5 == 0:
            payloads[0] = payloads[0][:-3] + b"\xff\xff\xff"
        if some:
            sizes = [len(payload) for payload in payloads]
            fields = {"series": 1, "numbers": some, "sizes": sizes, "shape": [20, 24], "dtype": "uint16"}
            detector.send(detector.header("frames", encoding="bslz4", seq=first, **fields), b"".join(payloads))
        if first % 70 == 0:
            detector.send(b"\xc1 rubbish")
            detector.frame(specimen, specimen.n + 3)
            detector.frame(specimen, some[-1] if some else 0)
    detector.end()


def dectris_scan(detector: V2Detector, specimen: Specimen) -> None:
    """One frame a message, in the order of a snake, some twice and some never."""
    rng = random.Random(2)
    numbers = [n if (n // 40) % 2 == 0 else 40 * (n // 40) + 39 - n % 40 for n in range(specimen.n)]
    user_data = {"scan_shape": list(specimen.scan_shape)}
    announced = {"number_of_images": specimen.n, "image_size_x": 24, "image_size_y": 20, "image_dtype": "uint16"}
    detector.send(detector.message("start", 3, channels=["threshold_1"], user_data=user_data, **announced))
    for number in numbers:
        packed = cbor2.CBORTag(56500, ["bslz4", 2, encode_bslz4(specimen.frames[number])])
        data = {"threshold_1": cbor2.CBORTag(40, [[20, 24], cbor2.CBORTag(69, packed)])}
        for _ in range(rng.choice((0, *[1] * 20, 2))):
            detector.send(detector.message("image", 3, image_id=number, data=data))
    detector.send(detector.message("end", 3))


V1_PACKED: dict[str, Callable[[NDArray[Any]], bytes]] = {"bs16-lz4<": encode_bslz4, "lz4<": encode_lz4_block}


def dectris_v1_scan(detector: V1Detector, specimen: Specimen, encoding: str = "bs16-lz4<") -> None:
    """Late, twice, never, damaged inside and outside, in other encodings, with an appendix, of another series."""
    rng = random.Random(3)
    numbers = [*range(specimen.n), *rng.choices(range(specimen.n), k=60)]
    rng.shuffle(numbers)
    missing = set(rng.sample(range(specimen.n), 20))
    detector.start(specimen)
    for step, number in enumerate(number for number in numbers if number not in missing):
        frame = specimen.frames[number]
        packed = V1_PACKED[encoding](frame)
        parts = detector.image(specimen, number, payload=packed, encoding=encoding)
        odd: dict[int, list[bytes]] = {
            11: [*parts, b'{"an": "appendix"}'],
            23: [*parts[:2], packed[:-3] + b"\xff\xff\xff", parts[3]],
            37: [*parts[:2], bytes(12) + packed[12:], parts[3]],
            41: detector.image(specimen, number),
            53: detector.image(specimen, number, payload=encode_lz4_block(frame), encoding="lz4<"),
            59: detector.image(specimen, number, payload=encode_bslz4(frame), encoding="bs16-lz4<"),
            67: parts[:3],
            79: [*parts[:3], b"cut"],
            83: detector.image(specimen, specimen.n + 3),
            97: detector.image(specimen, number, series=6),
            101: [parts[0].replace(b"frame", b"fram\\u0065"), *parts[1:]],
            103: [b"\xc1 rubbish"],
        }
        detector.send(*odd.get(step % 109, parts))
    detector.end()


def received(
    detector: Detector, scheme: str, send: Send, folder: Path, left_out: FrameSkip | None = None, **ingest: Any
) -> tuple[Counters, list[Any]]:
    """The account and the maps of one scan."""
    listener = Listener()
    source = f"{scheme}://127.0.0.1:{detector.port}"
    settings = Settings(source=source, ingest={"end_grace_s": 0.2, "settle_frames": 4, **ingest})
    with Acquisition(settings, new_metrics(), listener, folder) as acquisition:
        acquisition.leaving_out.reason = left_out
        send(detector, make_specimen(SCAN_SHAPE))
        store = listener.wait_closed()
        maps = [np.array(getattr(store, name)) for name in MAPS]
    assert acquisition.error is None
    store.close()
    return store.read_account().counters, maps


DETECTORS: dict[str, tuple[type[Detector], str, Send]] = {
    "native": (NativeDetector, "native+pull", native_scan),
    "dectris": (V2Detector, "dectris-v2", dectris_scan),
    "dectris-v1": (V1Detector, "dectris-v1", dectris_v1_scan),
    "dectris-v1, lz4": (V1Detector, "dectris-v1", partial(dectris_v1_scan, encoding="lz4<")),
}


@pytest.mark.parametrize("name", DETECTORS)
def test_every_path_and_number_of_threads_gives_the_same(name: str, tmp_path: Path) -> None:
    make, scheme, send = DETECTORS[name]
    outcomes: list[tuple[Counters, Sequence[NDArray[Any]]]] = []
    for ingest in [*PATHS.values(), {"receive": "compiled", "compute_threads": 4, "batch_frames": 5}]:
        detector = make(zmq.PUSH)
        try:
            outcomes.append(received(detector, scheme, send, tmp_path, **ingest))
        finally:
            detector.close()
    counters, maps = outcomes[0]
    assert counters.missing > 0 and counters.duplicate > 0 and counters.reordered > 0
    for other_counters, other_maps in outcomes[1:]:
        assert other_counters == counters
        for name, one, other in zip(MAPS, maps, other_maps, strict=True):
            np.testing.assert_array_equal(one, other, err_msg=name)


@pytest.mark.parametrize("left_out", [FrameSkip.EVERY_KTH, FrameSkip.RECORD_ONLY])
def test_frames_are_left_out_alike_on_every_path(native: NativeDetector, tmp_path: Path, left_out: FrameSkip) -> None:
    outcomes = [received(native, "native+pull", native_scan, tmp_path, left_out, **ingest) for ingest in PATHS.values()]
    counters, maps = outcomes[0]
    y, x = np.divmod(np.flatnonzero(maps[0]), SCAN_SHAPE[1])
    assert not (y % 2).any() and not (x % 2).any()
    assert (counters.processed > 250) == (left_out is FrameSkip.EVERY_KTH)
    assert counters.processed == y.size
    assert counters.skips == {str(left_out): counters.skipped}
    assert counters.missing == 20 - counters.refusals["header"], "what says nothing of itself explains a hole"
    for other_counters, other_maps in outcomes[1:]:
        assert other_counters == counters
        for name, one, other in zip(MAPS, maps, other_maps, strict=True):
            np.testing.assert_array_equal(one, other, err_msg=name)


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many frames each batch of messages had that went to be computed; looks on, changes nothing."""
    taken, take = list[int](), Line.take

    def looked_at(line: Line) -> FrameBatch | None:
        batch = take(line)
        if batch is not None:
            taken.append(len(batch))
        return batch

    monkeypatch.setattr(Line, "take", looked_at)
    return taken


@pytest.mark.parametrize(
    ("make", "scheme"), [(NativeDetector, "native+pull"), (V2Detector, "dectris-v2"), (V1Detector, "dectris-v1")]
)
def test_all_frames_but_the_first_go_the_compiled_way(
    make: type[Detector], scheme: str, tmp_path: Path, batches: list[int]
) -> None:
    detector = make(zmq.PUSH)
    try:
        counters, _ = received(detector, scheme, lambda sender, large: sender.scan(large), tmp_path, receive="compiled")
    finally:
        detector.close()
    assert counters == replace(counters, processed=1200, missing=0, refused=0)
    assert sum(batches) == 1199


def test_where_libzmq_hides_its_functions_frames_are_received_all_the_same(
    native: NativeDetector, tmp_path: Path, batches: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def hidden() -> None:
        raise NoLibzmqError("for this test they are hidden")

    monkeypatch.setattr("stream_rrvae.ingest.line.find_calls", hidden)
    counters, _ = received(native, "native+pull", lambda detector, large: detector.scan(large), tmp_path)
    assert counters.processed == 1200
    assert not batches
