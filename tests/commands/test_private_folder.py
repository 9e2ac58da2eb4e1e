"""Folders of processes: gone with them, or with the next."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from stream_rrvae.private_folder import JUST_MADE_S, private_folder

HOLDER = """
from stream_rrvae.private_folder import private_folder
with private_folder("test") as folder:
    print(folder, flush=True)
    input()
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def aged(folder: Path) -> Path:
    """As if it had been made long ago."""
    past_s = folder.stat().st_mtime - 2 * JUST_MADE_S
    os.utime(folder, (past_s, past_s))
    return folder


def test_folder_is_private_and_gone_at_the_end(temporary: Path) -> None:
    with private_folder("test") as folder:
        (folder / "content").write_text("x")
        assert folder.parent == temporary and folder.stat().st_mode & 0o777 == 0o700
    assert not folder.exists()


def test_what_a_killed_process_left_goes_with_the_next_and_what_is_held_stays(temporary: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout is not None
            theirs = Path(holder.stdout.readline().decode().strip())
            aged(theirs)
            with private_folder("test"):
                assert theirs.exists()
        finally:
            holder.kill()
    assert theirs.exists()
    with private_folder("test"):
        assert not theirs.exists()


@pytest.mark.parametrize("name", ["stream-rrvae-other-1", "mine"])
def test_other_folders_stay(temporary: Path, name: str) -> None:
    (temporary / name).mkdir()
    aged(temporary / name)
    with private_folder("test"):
        assert (temporary / name).exists()


def test_one_just_made_stays_for_it_may_not_be_held_yet(temporary: Path) -> None:
    (temporary / "stream-rrvae-test-1").mkdir()
    with private_folder("test"):
        assert (temporary / "stream-rrvae-test-1").exists()


def test_a_link_is_not_followed(temporary: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "content").write_text("x")
    aged(elsewhere)
    (temporary / "stream-rrvae-test-link").symlink_to(elsewhere)
    with private_folder("test"):
        assert (elsewhere / "content").exists()
