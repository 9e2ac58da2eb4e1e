"""The recordings of one folder, what has been made of them, and the models that there are to make more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stream_rrvae.archive.listing import Entry, files_in, recordings_in, results_in, stem_of
from stream_rrvae.errors import FileFormatError, RequestError
from stream_rrvae.recording.looker import Looker
from stream_rrvae.recording.reader_messages import ReaderMessage

ANALYSES = "analyses"  # where results go, in the folder of recordings, when no other folder is named
LOOK_S = 1.0  # so long a listing looks into what it does not know yet; the rest is for the next
PRETRAINED = "pretrained"
GONE = "this recording is not there (any more)"


@dataclass(frozen=True, slots=True)
class Listed:
    """A recording with what was found in it: a message, or why there is none; both None = not looked at yet."""

    entry: Entry
    facts: ReaderMessage | None
    problem: str | None


class Archive:
    """Ids are those of the latest listing; anything else that is asked for is a RequestError."""

    def __init__(self, folder: Path, results: Path | None = None, checkpoints: Path | None = None) -> None:
        self.folder = folder
        self.results = folder / ANALYSES if results is None else results.resolve()
        self._checkpoints = checkpoints
        self._entries: dict[str, Entry] = {}
        self._looked: dict[tuple[Path, float], ReaderMessage | str] = {}
        self._looker = Looker()
        self._lock = threading.Lock()

    def close(self) -> None:
        """End the process that looks into files."""
        self._looker.close()

    def listed(self, wanted: Callable[[], bool] = lambda: True) -> tuple[list[Listed], int]:
        """All recordings, and how many more there are. Raises FileFormatError when the folder cannot be read."""
        entries, more = recordings_in(self.folder)
        with self._lock:
            self._entries = {entry.id: entry for entry in entries}
            known = {(entry.path, entry.changed_s) for entry in entries}
            self._looked = {key: told for key, told in self._looked.items() if key in known or self._is_results(key[0])}
        until_s = time.monotonic() + LOOK_S
        return [self._listed(entry, lambda: wanted() and time.monotonic() < until_s) for entry in entries], more

    def entry(self, id_: str) -> Entry:
        """The recording of that id as it is now. Raises RequestError."""
        if id_ not in self._entries:
            self.listed(lambda: False)
        entry = self._entries.get(id_)
        if entry is None or not entry.path.is_dir() or entry.path.is_symlink():
            raise RequestError(GONE)
        return entry

    def analyses(self, entry: Entry) -> list[Entry]:
        """The results files that were made of a recording."""
        return [] if self.results.is_symlink() else results_in(self.results_folder(entry))

    def results_folder(self, entry: Entry) -> Path:
        """Where results of a recording go."""
        return self.results / stem_of(entry)

    def holder(self, entry: Entry, results_id: str) -> Path:
        """What holds the maps: the recording itself, or one of its results files. Raises RequestError."""
        if not results_id:
            return entry.path
        for made in self.analyses(entry):
            if made.id == results_id:
                return made.path
        raise RequestError("these results are not there (any more)")

    def checkpoints(self) -> list[tuple[str, str]]:
        """Ids and names of the models that can be used."""
        found = files_in(self._checkpoints, ".safetensors")
        return [(PRETRAINED, "pretrained"), *((entry.id, entry.name.removesuffix(".safetensors")) for entry in found)]

    def checkpoint(self, id_: str) -> tuple[str, str]:
        """What `--checkpoint` is to be told, and the model's name. Raises RequestError."""
        if id_ == PRETRAINED:
            return PRETRAINED, PRETRAINED
        for entry in files_in(self._checkpoints, ".safetensors"):
            if entry.id == id_:
                return str(entry.path), entry.name.removesuffix(".safetensors")
        raise RequestError("this model is not there (any more)")

    def look(self, path: Path, changed_s: float) -> ReaderMessage:
        """What a recording or results file tells of itself, kept until it changes. Raises RequestError."""
        with self._lock:
            told = self._looked.get((path, changed_s))
        if told is None:
            try:
                told = self._looker.look(path)
            except FileFormatError as error:
                told = str(error)
            with self._lock:
                self._looked[path, changed_s] = told
        if isinstance(told, str):
            raise RequestError(told)
        return told

    def map(self, path: Path, name: str) -> Any:
        """A map [scan_y, scan_x]. Raises RequestError."""
        try:
            return self._looker.map(path, name).arrays["map"]
        except (FileFormatError, KeyError) as error:
            raise RequestError(str(error)) from error

    def _listed(self, entry: Entry, may_look: Callable[[], bool]) -> Listed:
        with self._lock:
            told = self._looked.get((entry.path, entry.changed_s))
        if told is None and not may_look():
            return Listed(entry, None, None)
        try:
            return Listed(entry, self.look(entry.path, entry.changed_s), None)
        except RequestError as error:
            return Listed(entry, None, str(error))

    def _is_results(self, path: Path) -> bool:
        return path.is_relative_to(self.results)
