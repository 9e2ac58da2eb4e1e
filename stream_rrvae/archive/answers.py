"""What is answered about recordings: which there are, their maps, how they went, the pattern of any position.

Requests name recordings, results and models by their ids alone; whatever else comes is an error of one line.
All of them read, so they are slow ones: one at a time, in one thread, at low priority.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from stream_rrvae.archive.archive import Archive
from stream_rrvae.archive.opened import Opened, OpenedRecordings
from stream_rrvae.archive.told import made_by, told_of
from stream_rrvae.arguments import Arguments
from stream_rrvae.errors import FileFormatError, RequestError, WireError
from stream_rrvae.feed.request_server import SlowAnswer
from stream_rrvae.kept.binned import binned
from stream_rrvae.maps.gaps import shown_frame
from stream_rrvae.plain import to_plain
from stream_rrvae.recording.formats.own_results import MOST_POSITIONS, THUMBNAILS
from stream_rrvae.recording.layout import Flag
from stream_rrvae.recording.reader_messages import ReaderMessage
from stream_rrvae.wire.pixels import decode_pixels

ID_CHARS = 64
SHOWN_SIDE_PX = 256
Wanted = Callable[[], bool]


class ArchiveAnswers:
    """Answers from one archive."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._opened = OpenedRecordings()

    def slow(self) -> dict[str, SlowAnswer]:
        """By name; see the methods."""
        return {
            "list": self._list,
            "thumbnail": self._thumbnail,
            "open": self._open,
            "map": self._map,
            "course": self._course,
            "pattern": self._pattern,
        }

    def close(self) -> None:
        """Let go of files; after the last answer."""
        self._opened.close()
        self._archive.close()

    def _list(self, _arguments: Arguments, wanted: Wanted) -> Mapping[str, Any]:
        """Every recording; `pending` of them were not looked into yet: ask again."""
        try:
            listed, more = self._archive.listed(wanted)
        except FileFormatError as error:
            raise RequestError(str(error)) from error
        pending = sum(one.facts is None and one.problem is None for one in listed)
        return {
            "recordings": [told_of(one) for one in listed], "more": more, "pending": pending,
            "folder": self._archive.folder.name, "checkpoints": [list(each) for each in self._archive.checkpoints()],
        }  # fmt: skip

    def _thumbnail(self, arguments: Arguments, _wanted: Wanted) -> Mapping[str, Any]:
        entry = self._archive.entry(arguments.text("id", ID_CHARS))
        name = arguments.choice("name", THUMBNAILS)
        arrays = self._archive.look(entry.path, entry.changed_s).arrays
        if name not in arrays:
            raise RequestError("there is no such map in this recording")
        return {"map": arrays[name]}

    def _open(self, arguments: Arguments, _wanted: Wanted) -> Mapping[str, Any]:
        """Facts of a recording, what its maps were made by, and which results there are of it."""
        entry = self._archive.entry(arguments.text("id", ID_CHARS))
        results = arguments.text("results", ID_CHARS, "")
        opened = self._frames_of(arguments)
        frames, holder = opened.frames, self._archive.holder(entry, results)
        facts = self._facts(holder, entry.changed_s if not results else holder.stat().st_mtime, opened)
        made = [(each, self._made(each.path, each.changed_s)) for each in self._archive.analyses(entry)]
        start = frames.start
        return {
            "id": entry.id, "results": results, "name": entry.name, "is_part": entry.is_part,
            "size_bytes": entry.size_bytes, "scan_id": start.scan_id, "scan_shape": list(frames.scan_shape),
            "frame_shape": list(frames.frame_shape), "pixel_type": frames.pixel_type,
            "frames": frames.n_arrivals, "notes": [note[:300] for note in frames.notes][:8],
            "maps": list(facts.fields.get("maps") or []), "units": dict(facts.fields.get("units") or {}),
            "not_made": dict(facts.fields.get("not_made") or {}),
            "axes": facts.fields.get("axes") or "detector", "quality": dict(facts.fields.get("quality") or {}),
            "calibration": _calibration(facts, to_plain(start.calibration)), "made_by": made_by(facts),
            "analyses": [{"id": each.id, "name": each.name, **told} for each, told in made],
        }  # fmt: skip

    def _map(self, arguments: Arguments, _wanted: Wanted) -> Mapping[str, Any]:
        """One map [scan_y, scan_x]; NaN = not measured."""
        entry = self._archive.entry(arguments.text("id", ID_CHARS))
        holder = self._archive.holder(entry, arguments.text("results", ID_CHARS, ""))
        return {"map": self._archive.map(holder, arguments.text("name", ID_CHARS))}

    def _course(self, arguments: Arguments, _wanted: Wanted) -> Mapping[str, Any]:
        """See `course.Course`; `flags` says what the numbers in `marks` mean."""
        course = self._frames_of(arguments).course()
        return {
            "due": course.due, "seconds": course.seconds, "gaps": course.gaps, "marks": course.marks,
            "marks_left_out": course.marks_left_out,
            "flags": {str(flag.value): str(flag.name).lower() for flag in Flag},
        }  # fmt: skip

    def _pattern(self, arguments: Arguments, _wanted: Wanted) -> Mapping[str, Any]:
        """The first good frame of a position, as a service answers `pattern`."""
        frames = self._frames_of(arguments).frames
        rows, columns = frames.scan_shape
        y, x = arguments.whole("y", 0, rows - 1), arguments.whole("x", 0, columns - 1)
        number = y * columns + x
        for arrival in frames.arrivals_at(number, number + 1):
            frame = frames.arrivals(int(arrival), int(arrival) + 1)[0]
            try:
                pixels = decode_pixels(frame)
            except WireError:
                continue  # a copy may be good
            shown = shown_frame(pixels, frames.start.pixel_mask, frames.start.saturation)
            pattern, side = binned(shown, SHOWN_SIDE_PX)
            return {"pattern": pattern, "binning": side, "frame_number": number, "y": y, "x": x}
        raise RequestError("no good frame of this position was recorded")

    def _frames_of(self, arguments: Arguments) -> Opened:
        entry = self._archive.entry(arguments.text("id", ID_CHARS))
        try:
            opened = self._opened.get(entry)
        except FileFormatError as error:
            raise RequestError(str(error).replace(str(entry.path), entry.name)) from error
        if opened.frames.n_frames > MOST_POSITIONS:
            raise RequestError(f"a scan of {opened.frames.n_frames} positions is too large to be shown")
        return opened

    def _facts(self, holder: Any, changed_s: float, opened: Opened) -> ReaderMessage:
        """A recording whose maps cannot be read still has frames to be seen."""
        try:
            return self._archive.look(holder, changed_s)
        except RequestError:
            return ReaderMessage({})

    def _made(self, path: Any, changed_s: float) -> dict[str, Any]:
        try:
            return made_by(self._archive.look(path, changed_s))
        except RequestError as error:
            return {"problem": str(error)[:200]}


def _calibration(facts: ReaderMessage, announced: Mapping[str, Any]) -> dict[str, Any]:
    """As it was settled when the maps were made, else as it was announced."""
    try:
        settled = json.loads(str(facts.fields.get("calibration") or "null"))
    except (ValueError, RecursionError):
        settled = None
    return settled if isinstance(settled, dict) else dict(announced)
