"""Analysing a recording again, and exporting its maps: what pages ask of the recordings' process beside reading."""

from __future__ import annotations

import re
import secrets
import shutil
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stream_rrvae.archive.archive import Archive
from stream_rrvae.archive.listing import Entry, id_of, stem_of
from stream_rrvae.arguments import Arguments
from stream_rrvae.commands.recordings_jobs import OneJob
from stream_rrvae.errors import RequestError
from stream_rrvae.feed.request_server import QuickAnswer
from stream_rrvae.recording.layout import MASTER_NAME

MODES = ("apply", "finetune", "off")
FORMATS = ("png", "csv", "hdf5", "hspy", "py4dstem")
EXPORTS_KEPT = 4
PIECE_BYTES = 4 << 20
ID_CHARS = 64


class RecordingsWork:
    """Made files: results go to the archive's folder of results, exports to `exports` until newer ones replace them."""

    def __init__(self, archive: Archive, exports: Path) -> None:
        self._archive = archive
        self._exports = exports
        self._files: dict[str, Path] = {}  # by token, the oldest first
        self._analysis, self._export_job = OneJob("analysis"), OneJob("export")

    def quick(self) -> dict[str, QuickAnswer]:
        """By name; see the methods."""
        return {
            "analyse": self._analyse,
            "cancel": lambda _arguments: self._analysis.cancel().plain(),
            "job": lambda _arguments: self._analysis.status.plain(),
            "export": self._export,
            "exported": self._exported,
            "file": self._file,
        }

    def stop(self) -> None:
        """End what runs."""
        self._analysis.stop()
        self._export_job.stop()

    def _analyse(self, arguments: Arguments) -> Mapping[str, Any]:
        """`id`, `mode`, `checkpoint` (an id; absent with mode off): results beside the recording's others."""
        entry = self._archive.entry(arguments.text("id", ID_CHARS))
        mode = arguments.choice("mode", MODES)
        path, name = ("", "") if mode == "off" else self._archive.checkpoint(arguments.text("checkpoint", ID_CHARS))
        out = self._new_results(entry, f"{mode}-{name}" if name else "measured")
        checkpoint = ("--checkpoint", path) if path else ()
        about = {"id": entry.id, "name": entry.name, "mode": mode, "model": name, "results": id_of(out.name)}
        command = ("analyse", str(entry.path), "--out", str(out), "--mode", mode, *checkpoint)
        return self._analysis.start(command, about, lambda: None).plain()

    def _new_results(self, entry: Entry, label: str) -> Path:
        """A name that is free; labelled with when and by what."""
        folder = self._archive.results_folder(entry)
        if self._archive.results.is_symlink() or folder.is_symlink():
            raise RequestError("results would go through a link, which is not followed; start it with --results DIR")
        stamp = time.strftime("%Y%m%d-%H%M%S")
        stem = f"{stamp}-{re.sub(r'[^A-Za-z0-9._-]+', '_', label)[:80]}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RequestError(f"results cannot be written: {error.strerror}; start it with --results DIR") from error
        path, number = folder / f"{stem}.results.h5", 1
        while path.exists():
            number += 1
            path = folder / f"{stem}-{number}.results.h5"
        return path

    def _export(self, arguments: Arguments) -> Mapping[str, Any]:
        """`id`, `results`, `format`: begins to write; `exported` says when it is done."""
        entry = self._archive.entry(arguments.text("id", ID_CHARS))
        format_ = arguments.choice("format", FORMATS)
        holder = self._archive.holder(entry, arguments.text("results", ID_CHARS, ""))
        holder = holder / MASTER_NAME if holder.is_dir() else holder
        token = secrets.token_urlsafe(16)
        folder = self._exports / token
        stem = stem_of(entry)
        file = folder / f"{stem}.{'zip' if format_ == 'png' else format_}"
        command = ("export", str(holder), "--to", str(folder / "made"), "--format", format_)
        about = {"token": token, "id": entry.id, "format": format_}
        status = self._export_job.start(command, about, lambda: self._pack(folder, file, token))
        return status.plain()

    def _pack(self, folder: Path, file: Path, token: str) -> None:
        """The one file that was made, or all of them in one."""
        made = sorted((folder / "made").iterdir())
        if len(made) == 1:
            file = folder / made[0].name.replace("master", file.stem)
            made[0].rename(file)
        else:
            with zipfile.ZipFile(file, "w") as packed:
                for path in made:
                    packed.write(path, path.name.replace("master.", "", 1))
        shutil.rmtree(folder / "made")
        self._files[token] = file
        while len(self._files) > EXPORTS_KEPT:
            shutil.rmtree(self._files.pop(next(iter(self._files))).parent, ignore_errors=True)

    def _exported(self, arguments: Arguments) -> Mapping[str, Any]:
        """`token`: how the export stands; with `name` and `size_bytes` when it is there."""
        token = arguments.text("token", ID_CHARS)
        status = self._export_job.status
        told = status.plain() if status.about.get("token") == token else {"state": "failed", "said": "it was given up"}
        file = self._files.get(token)
        if file is not None:
            told |= {"state": "done", "name": file.name, "size_bytes": file.stat().st_size}
        return told

    def _file(self, arguments: Arguments) -> Mapping[str, Any]:
        """`token`, `offset`: the next bytes of an export."""
        file = self._files.get(arguments.text("token", ID_CHARS))
        offset = arguments.whole("offset", 0, 1 << 50)
        try:
            if file is None:
                raise FileNotFoundError
            with file.open("rb") as content:
                content.seek(offset)
                return {"bytes": content.read(PIECE_BYTES)}
        except OSError as error:
            raise RequestError("this export is not there any more: export it again") from error
