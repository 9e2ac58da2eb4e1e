"""A key is its owner's alone, or it is not used."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from stream_rrvae.errors import ConfigError, SecurityError
from stream_rrvae.security import KEY_FILE_BYTES, make_key, read_key


def test_a_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    key = make_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(key) >= 32
    assert make_key(path) == read_key(path) == key
    assert make_key(tmp_path / "another.key") != key


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644])
def test_a_key_that_others_may_read_or_change_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a.key"
    make_key(path)
    path.chmod(mode)
    for take in (make_key, read_key):
        with pytest.raises(SecurityError, match="chmod 600"):
            take(path)


@pytest.mark.parametrize("content", [b"", b"short", b" " * 40 + b"\n"])
def test_a_key_that_could_be_guessed_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.key"
    make_key(path)
    path.write_bytes(content)
    with pytest.raises(SecurityError, match="too short"):
        read_key(path)


def test_what_is_no_key_file_is_said_to_be_none(tmp_path: Path) -> None:
    binary = tmp_path / "binary.key"
    make_key(binary)
    binary.write_bytes(b"\xff" * 40)
    for path in (binary, tmp_path / "absent.key", tmp_path):
        with pytest.raises((ConfigError, SecurityError), match="key file"):
            read_key(path)
    with pytest.raises(ConfigError, match="cannot write the key file"):
        make_key(tmp_path / "nowhere" / "a.key")


def test_no_more_of_a_large_file_is_read_than_a_key_can_be(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    make_key(path)
    path.write_text("k" * (2 * KEY_FILE_BYTES))
    assert len(read_key(path)) == KEY_FILE_BYTES
