"""Small messages and files that announce enormous ones: each is refused before anything is made for them."""

from __future__ import annotations

import json
import struct
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import cbor2
import h5py
import msgpack
from cbor2 import CBORTag

from detector_sim.launch import FORMATS
from stream_rrvae.bench.trust.fuzz_targets import announced
from stream_rrvae.errors import FileFormatError, WireError
from stream_rrvae.messages import Frame
from stream_rrvae.recording.formats.hdf5_checks import find_dataset, open_file
from stream_rrvae.wire.pixels import decode_pixels
from stream_rrvae.wire.registry import protocol

ENORMOUS = 1 << 40
MOST_SECONDS = 0.01
TURNS = 5
LONGEST_SIDE = 8192  # that any frame may have


@dataclass(frozen=True, slots=True)
class Bomb:
    """`set_off` has to raise WireError or FileFormatError."""

    name: str
    set_off: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Refused:
    """`seconds` of the quickest of several turns; `peak_bytes` of Python's and NumPy's memory."""

    name: str
    was_refused: bool
    seconds: float
    peak_bytes: int


def bombs(folder: Path) -> Iterator[Bomb]:
    """All of them; files go into `folder`."""
    for name, messages in _messages().items():
        for index, parts in enumerate(messages):
            yield _wire_bomb(name, index, parts)
    for kind, write in _FILES.items():
        path = folder / f"{kind}.h5"
        with h5py.File(path, "w") as file:
            write(file)
        yield Bomb(f"HDF5 {kind}", lambda path=path: _open(path))  # type: ignore[misc]  # bound now


def refused_all() -> list[Refused]:
    """Set off each, and see what it takes."""
    with TemporaryDirectory(prefix="stream-rrvae-trust-") as name:
        return [_refused(bomb) for bomb in bombs(Path(name))]


def _refused(bomb: Bomb) -> Refused:
    times_s, refusals = [], 0
    for _ in range(TURNS):
        begun_s = time.perf_counter()
        with suppress(WireError, FileFormatError):
            bomb.set_off()
            refusals -= 1
        refusals += 1
        times_s.append(time.perf_counter() - begun_s)
    tracemalloc.start()
    with suppress(WireError, FileFormatError):
        bomb.set_off()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return Refused(bomb.name, refusals == TURNS, min(times_s), peak)


def _wire_bomb(name: str, index: int, parts: Sequence[bytes]) -> Bomb:
    decoder = protocol(name)
    decoder.decode([memoryview(part) for part in FORMATS[name]().start(announced())])

    def set_off() -> None:
        for message in decoder.decode([memoryview(part) for part in parts]):
            if isinstance(message, Frame):
                decode_pixels(message)

    return Bomb(f"{name} {index}", set_off)


def _framing(size: int, block: int = 8192) -> bytes:
    return struct.pack(">QI", size, block) + bytes(52)


def _messages() -> dict[str, list[list[bytes]]]:
    largest = LONGEST_SIDE * LONGEST_SIDE * 2
    return {
        "native": [
            [b"\xdd\xff\xff\xff\xff"],  # an array of 2^32 - 1
            [b"\x91" * 60_000],  # nested
            [b"\xdf\xff\xff\xff\xff" + b"\xa1a\x91" * 1000],
            _native_frame([65536, 65536], b"\0" * 64),
            _native_frame([LONGEST_SIDE, LONGEST_SIDE], _framing(largest)),
            _native_frame([16, 12], _framing(ENORMOUS)),
            _native_frame([16, 12], b"\0" * 64, sizes=[ENORMOUS]),
            [msgpack.packb({**_NATIVE, "t": "start", "scan_id": "a", "series": 1, "frame_shape": [16, 12],
                            "pixel_type": "uint16", "frames_expected": ENORMOUS})],
        ],
        "dectris-v2": [
            [b"\xd9\xd9\xf7\xbb" + b"\xff" * 8],  # a map of 2^64 - 1
            [b"\xd9\xd9\xf7" + b"\x81" * 60_000],
            [b"\xd9\xd9\xf7\xa1\x64type\x5b" + (ENORMOUS).to_bytes(8, "big")],
            _v2_image([65536, 65536], b"\0" * 64),
            _v2_image([LONGEST_SIDE, LONGEST_SIDE], CBORTag(56500, ["bslz4", 2, _framing(largest)])),
            _v2_image([16, 12], CBORTag(56500, ["bslz4", 2, _framing(ENORMOUS)])),
            _v2_image([16, 12], CBORTag(56500, ["lz4", 0, _framing(ENORMOUS, 1 << 31)])),
        ],
        "dectris-v1": [
            [b"[" * 60_000],
            [b'{"htype":"dimage-1.0","series":' + b"9" * 50_000 + b"}"],
            _v1_image([65536, 65536], "bs16-lz4<", b"\0" * 64),
            _v1_image([LONGEST_SIDE, LONGEST_SIDE], "bs16-lz4<", _framing(largest)),
            _v1_image([LONGEST_SIDE, LONGEST_SIDE], "lz4<", b"\0" * 64),
            _v1_image([12, 16], "bs16-lz4<", _framing(ENORMOUS)),
        ],
    }  # fmt: skip


_NATIVE = {"p": "stream-rrvae", "v": 1}


def _native_frame(shape: list[int], payload: bytes, sizes: list[int] | None = None) -> list[bytes]:
    described = {"series": 7, "numbers": [0], "shape": shape, "dtype": "uint16", "encoding": "bslz4"}
    return [msgpack.packb({**_NATIVE, "t": "frames", **described, "sizes": sizes or [len(payload)]}), payload]


def _v2_image(shape: list[int], content: object) -> list[bytes]:
    array = CBORTag(40, [shape, CBORTag(69, content)])
    return [
        cbor2.dumps(CBORTag(55799, {"type": "image", "series_id": 7, "image_id": 0, "data": {"threshold_1": array}}))
    ]


def _v1_image(shape: list[int], encoding: str, payload: bytes) -> list[bytes]:
    first = {"frame": 0, "hash": "", "htype": "dimage-1.0", "series": 7}
    told = {"encoding": encoding, "htype": "dimage_d-1.0", "shape": shape, "size": len(payload), "type": "uint16"}
    return [json.dumps(first).encode(), json.dumps(told).encode(), payload, b"{}"]


def _declared(file: h5py.File) -> None:
    file.create_dataset("found", (6000, 6000, 1000, 1000), "u1", chunks=(1, 1, 1000, 1000), compression="gzip")


def _packed(file: h5py.File) -> None:
    made = file.create_dataset("found", (1000, 1000, 64, 64), "u2", chunks=(1, 1, 64, 64), compression="gzip")
    made[0, 0] = 1


def _huge_chunk(file: h5py.File) -> None:
    file.create_dataset("found", (1, 9, 8192, 8192), "u4", chunks=(1, 9, 8192, 8192), compression="gzip")


_FILES: dict[str, Callable[[h5py.File], None]] = {
    "declared": _declared,
    "packed": _packed,
    "huge chunk": _huge_chunk,
}


def _open(path: Path) -> None:
    with open_file(path) as file:
        find_dataset(file, "/found")
