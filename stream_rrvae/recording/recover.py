"""Makes whole what a crash left of a recording: a new folder beside it; the old one stays as it is.

Segments that were closed are linked, the one that was being written is written again from what is readable.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stream_rrvae.calibration.override import NOTHING_SAID, site_of
from stream_rrvae.config import CalibrationSettings
from stream_rrvae.errors import FileFormatError
from stream_rrvae.log import event
from stream_rrvae.messages import ScanStart, ScanState
from stream_rrvae.recording import layout
from stream_rrvae.recording.finish import finish
from stream_rrvae.recording.journal import read_journal
from stream_rrvae.recording.master import Facts
from stream_rrvae.recording.salvage import Mark, Salvaged
from stream_rrvae.recording.salvage_process import salvage_apart
from stream_rrvae.recording.start_json import start_from_json

RECOVERED = "-recovered"
CRASHED = "the recording process ended before it could finish"
_OWN = re.compile(rf".*{RECOVERED}(-\d+)?{re.escape(layout.PART_SUFFIX)}")


@dataclass(frozen=True, slots=True)
class Recovered:
    """What could be made of an unfinished recording."""

    folder: Path  # the new one
    frames: int
    acknowledged: int
    lost: int  # acknowledged, and not there: a damaged disk, not a crash
    damaged: int  # flagged, since they are not what was written
    unreadable: tuple[str, ...] = ()  # segments of which nothing could be had, and why

    def __str__(self) -> str:
        told = [f"{self.frames} frames", f"{self.acknowledged} had been acknowledged, {self.lost} of them are lost"]
        if self.damaged:
            told.append(f"{self.damaged} are damaged and flagged")
        return f"{self.folder}: {'; '.join([*told, *self.unreadable])}"

    @property
    def is_whole(self) -> bool:
        """Whether everything that was promised is there."""
        return not (self.lost or self.damaged or self.unreadable)


def unfinished(folder: Path) -> list[Path]:
    """The recordings in `folder` that were not finished, or `folder` itself if it is one."""
    if folder.suffix == layout.PART_SUFFIX:
        return [folder]
    return sorted(
        path for path in folder.glob(f"*{layout.PART_SUFFIX}") if path.is_dir() and not _OWN.fullmatch(path.name)
    )


def recovered_before(part: Path) -> Path | None:
    """Where this recording was made whole already."""
    done = part.with_name(part.stem + RECOVERED)
    return done if (done / layout.MASTER_NAME).is_file() else None


def is_empty(part: Path) -> bool:
    """Whether the crash came before anything was recorded."""
    return not (_journal(part) or any(part.glob("segment-*.h5")))


def recover(part: Path) -> Recovered:
    """Make `part` whole in a new folder. Raises FileFormatError when that cannot be."""
    with _left_alone(part):
        lines = _journal(part)
        target = _new_folder(part)
        try:
            return _recover(part, target, lines)
        except (OSError, FileFormatError) as error:
            shutil.rmtree(target, ignore_errors=True)
            raise FileFormatError(f"{part} cannot be recovered: {error}") from error


def _recover(part: Path, target: Path, lines: Sequence[dict[str, Any]]) -> Recovered:
    done, unreadable = _salvage_all(part, target, lines)
    marks = {index: _marks(lines, index) for index in _segments(lines)}
    acknowledged = sum(found[-1].frames for found in marks.values() if found)
    present = sum(salvaged.frames for salvaged in done.values())
    lost = sum(salvaged.lost for salvaged in done.values())
    lost += sum(found[-1].frames for index, found in marks.items() if found and index not in done)
    damaged = sum(salvaged.damaged for salvaged in done.values())
    facts = _facts(lines, [salvaged.start for salvaged in done.values()], bool(lost or damaged or unreadable))
    with suppress(FileNotFoundError):
        shutil.copyfile(part / layout.JOURNAL_NAME, target / layout.JOURNAL_NAME)
    folder = finish(target, facts)
    return Recovered(folder, present, acknowledged, lost, damaged, tuple(unreadable))


def _salvage_all(part: Path, target: Path, lines: Sequence[dict[str, Any]]) -> tuple[dict[int, Salvaged], list[str]]:
    """Segment by segment; those that cannot be read are told of."""
    done: dict[int, Salvaged] = {}
    unreadable = []
    paths = sorted(part.glob("segment-*.h5"))
    tasks = [(path, target / path.name, _marks(lines, _index(path))) for path in paths]
    for path, answer in zip(paths, salvage_apart(tasks), strict=True):
        if isinstance(answer, str):
            if _marks(lines, _index(path)):  # else nothing of it was promised
                unreadable.append(answer)
            (target / path.name).unlink(missing_ok=True)
            continue
        done[_index(path)] = answer
        if answer.is_whole:
            _link(path, target / path.name)
    return done, unreadable


def _index(segment: Path) -> int:
    return int(segment.stem.partition("-")[2])


def _journal(part: Path) -> list[dict[str, Any]]:
    try:
        return read_journal(part / layout.JOURNAL_NAME)
    except FileFormatError:
        return []


def _segments(lines: Sequence[dict[str, Any]]) -> list[int]:
    return sorted({int(line["segment"]) for line in lines if "segment" in line})


def _marks(lines: Sequence[dict[str, Any]], index: int) -> list[Mark]:
    return [Mark(int(line["frames"]), str(line["checksum"])) for line in lines if line.get("segment") == index]


def _facts(lines: Sequence[dict[str, Any]], announced: Sequence[str], has_holes: bool) -> Facts:
    opened = lines[0] if lines and "opened" in lines[0] else {}
    texts = [opened["start"]] if opened else announced[:1]
    if not texts:
        raise FileFormatError("neither journal nor segments say what was recorded")
    start = start_from_json(texts[0])
    shape = opened.get("scan_shape")
    closed = next((line for line in lines if "closed" in line), None)
    fault = "" if closed is None else str(closed["fault"])
    if closed is None or has_holes:
        fault = "; ".join(filter(None, (fault, CRASHED)))
    return Facts(
        start=start,
        scan_shape=(int(shape[0]), int(shape[1])) if shape else _guessed_shape(start),
        state=ScanState(closed["closed"]) if closed else ScanState.ABORTED,
        fault=fault,
        opened_unix_s=float(opened.get("unix_s", 0.0)),
        closed_unix_s=float(lines[-1].get("unix_s", 0.0)) if lines else 0.0,
        undecodable=[(int(n), float(s)) for line in lines for n, s in line.get("undecodable", ())],
        recovered=True,
        site=_site(opened),
    )


def _site(opened: dict[str, Any]) -> CalibrationSettings:
    """What the site had set, as far as this program knows it: frames matter more."""
    try:
        return site_of(opened.get("site", {}))
    except FileFormatError as error:
        event("site_settings_unread", logging.WARNING, reason=str(error))
        return NOTHING_SAID


def _guessed_shape(start: ScanStart) -> tuple[int, int]:
    return start.scan_shape or (1, start.frames_expected)


def _new_folder(part: Path) -> Path:
    """`<scan id>-recovered.part`, numbered when that is taken."""
    number, stem = 1, part.stem + RECOVERED
    while True:
        try:
            target = part.with_name(stem + layout.PART_SUFFIX)
            target.mkdir()
        except FileExistsError:
            number += 1
            stem = f"{part.stem}{RECOVERED}-{number}"
        except OSError as error:
            raise FileFormatError(f"cannot write beside {part}: {error}") from error
        else:
            return target


def _link(source: Path, target: Path) -> None:
    """The same file under another name; a copy where the file system has no such thing."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


@contextmanager
def _left_alone(part: Path) -> Iterator[None]:
    """Nobody records into `part`. Raises FileFormatError when somebody does, or when it is not there."""
    try:
        handle = os.open(part / layout.JOURNAL_NAME, os.O_RDONLY)
    except FileNotFoundError:
        if not part.is_dir():
            raise FileFormatError(f"{part} is not there") from None
        yield  # a crash before the first line
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise FileFormatError(f"{part} is being recorded right now") from None
    finally:
        os.close(handle)
