"""The scan store itself; see the package for what it is for."""

from __future__ import annotations

import json
import mmap
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.closing import Closing
from stream_rrvae.errors import StoreError
from stream_rrvae.messages import Counters, Float32Array, ModelStatus, ScanStart, ScanState
from stream_rrvae.plain import from_plain, to_plain
from stream_rrvae.scan_store.block import DEFAULT_FOLDER
from stream_rrvae.scan_store.layout import NAN_FIELDS, NOTE_BYTES, StoreShape, aligned, map_fields
from stream_rrvae.scan_store.room import HEADER_BYTES, PREAMBLE_BYTES, Room, RoomAhead, make_room
from stream_rrvae.scan_store.twin import Twin

MAGIC = b"SRRVAE01"
HEADER_LIMIT = 1 << 20
_TWINS = ("account", "status", "pattern", "maps", "mean")


@dataclass(frozen=True, slots=True)
class LearnerMaps:
    """One model version's maps of every position [n] and latents [n_latents, n]."""

    status: ModelStatus
    rotation: Float32Array  # rad, detector axes, counted like atan2(com_y, com_x)
    confidence: Float32Array  # 0..1
    latents: Float32Array  # [n_latents, n]
    misfit: Float32Array | None = None  # standard deviations of a usual position; None = not known


@dataclass(frozen=True, slots=True)
class Account:
    """Acquire's word on the scan: its state and counters."""

    state: ScanState
    counters: Counters


class ScanStore(Closing):
    """One scan's block; make it with `create`, join it with `attach`.

    Arrays (views of the shared memory, [n] = row-major positions):
    `coverage` 0 = not measured, 1 = measured, 2 = measured but empty (no counts);
    `visits` how many frames were added, of a scan of several passes;
    `sum`, `bright_field`, `annular_dark_field` in counts; `com_y`, `com_x` in px from the
    beam centre in detector axes; `detectors` [n, n_detectors] in counts; `features` float16 [n, n_features].
    """

    coverage: NDArray[np.uint8]
    visits: NDArray[np.uint8]
    sum: Float32Array
    com_y: Float32Array
    com_x: Float32Array
    bright_field: Float32Array
    annular_dark_field: Float32Array
    detectors: Float32Array
    features: NDArray[np.float16]

    def __init__(self, path: Path, memory: mmap.mmap, offset: int, header: dict[str, Any], owner: bool) -> None:
        self.path = path
        self.shape: StoreShape = from_plain(StoreShape, header["shape"])
        self.start: ScanStart = from_plain(ScanStart, header["start"])
        self.features_info: dict[str, Any] = header["features_info"]
        self._memory = memory
        self._owner = owner
        self._views = map_fields(memory, offset, self.shape)
        self._twins = {name: Twin(self._views["sequence"], index) for index, name in enumerate(_TWINS)}
        for name in ("coverage", "visits", *NAN_FIELDS[:6], "features"):
            setattr(self, name, self._views[name])

    @classmethod
    def create(
        cls,
        start: ScanStart,
        shape: StoreShape,
        features_info: dict[str, Any] | None = None,
        folder: Path = DEFAULT_FOLDER,
        ahead: RoomAhead | None = None,
    ) -> Self:
        """The store of a new scan, in the room that was made `ahead` if that is of its shape; else that is let go.

        Raises StoreError when memory is not to be had.
        """
        plain = {
            "shape": to_plain(shape),
            "start": to_plain(replace(start, pixel_mask=None)),
            "features_info": features_info or {},
        }
        try:
            header = json.dumps(plain).encode()
        except (TypeError, ValueError) as error:
            raise StoreError(f"the scan's metadata cannot be written as JSON: {error}") from error
        if len(header) > HEADER_LIMIT:
            raise StoreError(f"the scan's metadata is {len(header)} bytes long, more than {HEADER_LIMIT}")
        room = _room_for(header, shape, folder, ahead)
        header = header.ljust(room.header_bytes)  # blanks: to JSON they are nothing
        room.memory[: PREAMBLE_BYTES + len(header)] = MAGIC + len(header).to_bytes(8, "little") + header
        store = cls(room.path, room.memory, room.offset, plain, owner=True)
        store.write_account(Account(ScanState.RUNNING, Counters()))
        store.write_status(ModelStatus())
        return store

    @classmethod
    def attach(cls, path: Path) -> Self:
        """Map an existing block. Raises StoreError when it is gone or not one of ours."""
        try:
            with path.open("r+b") as file:
                memory = mmap.mmap(file.fileno(), 0)
        except (OSError, ValueError) as error:
            raise StoreError(f"cannot map the scan store {path}: {error}") from error
        if memory[: len(MAGIC)] != MAGIC:
            raise StoreError(f"{path} is not a scan store of this version")
        length = int.from_bytes(memory[len(MAGIC) : len(MAGIC) + 8], "little")
        try:
            header = json.loads(memory[len(MAGIC) + 8 : len(MAGIC) + 8 + min(length, HEADER_LIMIT)])
            return cls(path, memory, aligned(PREAMBLE_BYTES + length), header, owner=False)
        except (ValueError, TypeError, LookupError) as error:
            raise StoreError(f"{path} is damaged: {error}") from error

    # acquire's side

    def write_account(self, account: Account) -> None:
        with self._twins["account"].writing() as slot:
            self._write_note("account", slot, account)

    def write_pattern(self, number: int, pattern: NDArray[Any]) -> None:
        """Show `pattern` [ky, kx] of position `number` as the latest."""
        with self._twins["pattern"].writing() as slot:
            self._views["pattern"][slot] = pattern
            self._views["pattern_number"][slot] = number

    def write_mean(self, frames: int, pattern: NDArray[Any]) -> None:
        """Show `pattern` [ky, kx] as the mean of so many frames; NaN where a pixel has no data."""
        with self._twins["mean"].writing() as slot:
            self._views["mean_pattern"][slot] = pattern
            self._views["mean_frames"][slot] = frames

    # the learner's side

    def write_status(self, status: ModelStatus) -> None:
        with self._twins["status"].writing() as slot:
            self._write_note("status", slot, status)

    def write_maps(self, maps: LearnerMaps) -> None:
        """Publish the maps of one model version, whole."""
        with self._twins["maps"].writing() as slot:
            self._views["rotation"][slot] = maps.rotation
            self._views["confidence"][slot] = maps.confidence
            self._views["latents"][slot] = maps.latents
            self._views["misfit"][slot] = np.nan if maps.misfit is None else maps.misfit
            self._write_note("maps_status", slot, maps.status)
        self.write_status(maps.status)

    # everybody's side

    def read_account(self) -> Account:
        note = self._twins["account"].read(lambda slot: self._copy_note("account", slot))
        return from_plain(Account, json.loads(note))

    def read_status(self) -> ModelStatus:
        note = self._twins["status"].read(lambda slot: self._copy_note("status", slot))
        return from_plain(ModelStatus, json.loads(note))

    def read_maps(self) -> LearnerMaps:
        """The learner's latest maps, all of one version, with the latest status of that version; NaN where none."""
        note, arrays = self._twins["maps"].read(self._copy_maps)
        published, latest = from_plain(ModelStatus, json.loads(note)), self.read_status()
        return LearnerMaps(latest if latest.version == published.version else published, *arrays)

    @property
    def maps_published(self) -> int:
        """How often the learner has published maps: the same number, the same maps."""
        return self._twins["maps"].times_written

    def read_pattern(self) -> tuple[int, Float32Array] | None:
        """Latest pattern as (position, float32 [ky, kx]), or None before the first."""
        number, pattern = self._twins["pattern"].read(
            lambda slot: (int(self._views["pattern_number"][slot]), self._views["pattern"][slot].copy())
        )
        return None if number < 0 else (number, pattern)

    def read_mean(self) -> tuple[int, Float32Array] | None:
        """Mean pattern as (frames in it, float32 [ky, kx], NaN = no data), or None before the first."""
        frames, pattern = self._twins["mean"].read(
            lambda slot: (int(self._views["mean_frames"][slot]), self._views["mean_pattern"][slot].copy())
        )
        return (frames, pattern) if frames else None

    def close(self) -> None:
        """Let go of the block; the process that made it also removes its name."""
        if self._owner:
            self.path.unlink(missing_ok=True)
            self._owner = False

    def _copy_maps(self, slot: int) -> tuple[bytes, tuple[Float32Array, ...]]:
        arrays = tuple(self._views[name][slot].copy() for name in ("rotation", "confidence", "latents", "misfit"))
        return self._copy_note("maps_status", slot), arrays

    def _write_note(self, name: str, slot: int, value: Account | ModelStatus) -> None:
        text = json.dumps(to_plain(value)).encode()
        if len(text) > NOTE_BYTES - 4:
            raise StoreError(f"the {name} note is {len(text)} bytes long, more than {NOTE_BYTES - 4}")
        view = self._views[name][slot]
        view[:4] = np.frombuffer(len(text).to_bytes(4, "little"), np.uint8)
        view[4 : 4 + len(text)] = np.frombuffer(text, np.uint8)

    def _copy_note(self, name: str, slot: int) -> bytes:
        """The note's JSON; it may be torn until the twin says that it is whole, so it is parsed after that."""
        view = self._views[name][slot]
        length = int.from_bytes(view[:4].tobytes(), "little")
        return view[4 : 4 + length].tobytes() or b"{}"


def _room_for(header: bytes, shape: StoreShape, folder: Path, ahead: RoomAhead | None) -> Room:
    if ahead is not None and ahead.shape == shape and len(header) <= HEADER_BYTES:
        return ahead.take()
    if ahead is not None:
        ahead.drop()
    return make_room(shape, folder, max(len(header), HEADER_BYTES))
