"""Recordings are found by what lies in the folder; nothing that somebody asks for is ever a path."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from stream_rrvae.archive import listing
from stream_rrvae.archive.archive import Archive
from stream_rrvae.archive.listing import id_of, recordings_in, results_in
from stream_rrvae.arguments import Arguments
from stream_rrvae.commands.recordings_work import RecordingsWork
from stream_rrvae.errors import FileFormatError, RequestError

TRAVERSAL = [
    "", ".", "..", "../", "../../etc/passwd", "/etc/passwd", "/", "a", "a/../b", "./a", "a/", "..%2f..%2fetc",
    "%2e%2e/", "....//", "..\\..\\", "C:\\", "a\x00", "\x00", "a\n", "~", "~root", "$HOME", "*", "?", "[a]", "a;b",
    "|", "&", "a.part", "file:///etc/passwd", "\u2025/", "\uff0e\uff0e/", "é" * 40, "0" * 64, "f" * 16, "-rf",
    "--help", "a::/entry", "link", "outside", ".hidden", "segment-0000.h5", "analyses", "None", "null", "0",
    "%252e%252e%252fetc", "%c0%ae%c0%ae/", "..%00/", "..;/", "/proc/self/environ", "//etc/passwd", "\\\\host\\share",
    "../" * 2000, "a" * 100_000, "\u202e", "\u0430", "a\u0301", "\ud800", "\udcff", "\x7f", "\u2215etc", "%", "a%",
]  # fmt: skip


def test_only_recordings_of_the_folder_itself_are_listed(
    folder: Path, record_one: Callable[..., Path], tmp_path: Path
) -> None:
    record_one("a")
    outside = record_one("outside").rename(tmp_path / "outside")
    (folder / "link").symlink_to(outside)
    (folder / "inside-link").symlink_to(folder / "a")
    (folder / "empty").mkdir()
    (folder / "only-links").mkdir()
    (folder / "only-links" / "journal.jsonl").symlink_to(outside / "journal.jsonl")
    (folder / "file").write_text("no folder")
    (folder / ".hidden").mkdir()
    os.link(outside / "journal.jsonl", folder / ".hidden" / "journal.jsonl")
    (folder / "deeper").mkdir()
    (folder / "a").rename(folder / "deeper" / "a")
    record_one("b")
    entries, more = recordings_in(folder)
    assert ([entry.name for entry in entries], more) == (["b"], 0)
    assert entries[0].size_bytes == sum(path.stat().st_size for path in (folder / "b").iterdir())


def test_an_id_stays_when_a_recording_is_completed(folder: Path, record_one: Callable[..., Path]) -> None:
    whole = record_one("a")
    whole.rename(folder / "a.part")
    part = recordings_in(folder)[0]
    (folder / "a.part").rename(whole)
    complete = recordings_in(folder)[0]
    assert [(entry.id, entry.is_part) for entry in part + complete] == [(id_of("a"), True), (id_of("a"), False)]


def test_a_finished_recording_is_shown_and_not_its_remains(folder: Path, record_one: Callable[..., Path]) -> None:
    whole = record_one("a")
    part = record_one("b").rename(folder / "a.part")
    os.utime(part / "journal.jsonl", (2e9, 2e9))
    assert whole.is_dir()
    assert [(entry.name, entry.is_part) for entry in recordings_in(folder)[0]] == [("a", False)]


def test_a_folder_of_any_size_is_read_to_a_limit(
    folder: Path, record_one: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        path = record_one(f"run-{number}")
        for file in path.iterdir():
            os.utime(file, (1e9 + number, 1e9 + number))
    monkeypatch.setattr(listing, "MOST_LISTED", 2)
    entries, more = recordings_in(folder)
    assert ([entry.name for entry in entries], more) == (["run-3", "run-2"], 2)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="cannot be read"):
        recordings_in(tmp_path / "nowhere")
    assert results_in(tmp_path / "nowhere") == []


def test_whatever_is_no_id_of_the_list_names_nothing(
    folder: Path, record_one: Callable[..., Path], tmp_path: Path
) -> None:
    record_one("a")
    (folder / "outside").symlink_to(tmp_path)
    (folder / "analyses" / "a").mkdir(parents=True)
    archive = Archive(folder)
    entry = archive.entry(id_of("a"))
    named: list[object] = []
    for asked in [*TRAVERSAL, str(folder / "a"), str(tmp_path)]:
        for ask in (archive.entry, lambda asked: archive.holder(entry, asked or "x"), archive.checkpoint):
            with suppress(RequestError):
                named.append((asked, ask(asked)))
    assert not named
    archive.close()


def test_a_recording_that_became_a_link_is_not_opened(
    folder: Path, record_one: Callable[..., Path], tmp_path: Path
) -> None:
    path = record_one("a")
    archive = Archive(folder)
    archive.listed()
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RequestError):
        archive.entry(id_of("a"))
    archive.close()


def test_results_do_not_go_through_links(folder: Path, record_one: Callable[..., Path], tmp_path: Path) -> None:
    record_one("a")
    (tmp_path / "elsewhere" / "a").mkdir(parents=True)
    (tmp_path / "elsewhere" / "a" / "one.results.h5").write_bytes(b"")
    (folder / "analyses").symlink_to(tmp_path / "elsewhere")
    archive = Archive(folder)
    work = RecordingsWork(archive, tmp_path)
    assert archive.analyses(archive.entry(id_of("a"))) == []
    with pytest.raises(RequestError, match="link"):
        work.quick()["analyse"](Arguments({"id": id_of("a"), "mode": "off"}))
    work.stop()
    archive.close()
