"""Certificates: made once, private, never overwritten, read only when nobody else can have changed them."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from zmq.auth import load_certificate

from stream_rrvae.cli import cli
from stream_rrvae.curve import client_keys, client_keys_each, key_pair, make_certificate, public_key, server_keys
from stream_rrvae.errors import ConfigError, SecurityError


def test_keygen_makes_private_files_that_others_tools_read(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    done = CliRunner().invoke(cli, ["keygen", str(folder), "service", "dashboard"])
    assert done.exit_code == 0 and done.output.count(str(folder)) == 4
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    secret = {"service.key_secret": 0o600, "dashboard.key_secret": 0o600}
    assert modes == {"service.key": 0o644, "dashboard.key": 0o644, **secret}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    pair = key_pair(folder / "service.key_secret")
    assert (pair.public, pair.secret) == load_certificate(folder / "service.key_secret")
    assert public_key(folder / "service.key") == pair.public != public_key(folder / "dashboard.key")
    assert pair.secret.decode() not in repr(pair)


@pytest.mark.parametrize("left", [".key", ".key_secret"])
def test_keygen_never_overwrites(tmp_path: Path, left: str) -> None:
    for made in make_certificate(tmp_path, "a"):
        if not made.name.endswith(left) or made.suffix != left:
            made.unlink()
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ConfigError, match="there already"):
        make_certificate(tmp_path, "a")
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("name", ["", ".", "..", "../a", "a/b", "/a", "a\x00", "a\n", "-rf", "é", "a" * 65])
def test_a_name_leads_nowhere_else(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="no name"):
        make_certificate(tmp_path / "keys", name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o666, 0o610])
def test_a_secret_that_others_reach_is_refused(tmp_path: Path, mode: int) -> None:
    _, secret = make_certificate(tmp_path, "a")
    secret.chmod(mode)
    with pytest.raises(SecurityError, match="chmod 600"):
        key_pair(secret)


def test_who_may_connect_is_not_for_others_to_say(tmp_path: Path) -> None:
    _, own = make_certificate(tmp_path / "own", "own")
    public, _ = make_certificate(tmp_path / "clients", "a")
    keys = server_keys(own, public.parent)
    assert keys is not None and keys.allowed() == {public_key(public): "a"}
    public.chmod(0o664)
    with pytest.raises(SecurityError, match="chmod 644"):
        keys.allowed()
    public.chmod(0o644)
    public.parent.chmod(0o777)
    with pytest.raises(SecurityError, match="chmod go-w"):
        keys.allowed()


def _secret_of(public: Path) -> Path:
    return public.with_suffix(".key_secret")


NONSENSE: dict[str, Callable[[Path], object]] = {
    "no own key for clients": lambda public: server_keys(None, public.parent),
    "no own key for a server": lambda public: client_keys(None, public),
    "a public key for a secret one": lambda public: client_keys(public, public),
    "no such file": lambda public: client_keys(public.with_name("nowhere"), public),
    "no such folder": lambda public: server_keys(_secret_of(public), public.with_name("nowhere")),
    "a folder without keys": lambda public: server_keys(_secret_of(public), public.parent.parent),
    "two keys for three feeds": lambda public: client_keys_each(_secret_of(public), (public, public), 3),
}


@pytest.mark.parametrize("wrong", NONSENSE)
def test_what_cannot_work_is_told_at_once(tmp_path: Path, wrong: str) -> None:
    public, secret = make_certificate(tmp_path / "keys", "a")
    public.chmod(0o600)
    assert secret == _secret_of(public)
    with pytest.raises(ConfigError):
        NONSENSE[wrong](public)


NO_CERTIFICATES = ["", 'curve\n public-key = "short"\n', 'public-key = "' + "\\" * 40 + '"', "\0" * 99]


@pytest.mark.parametrize("text", NO_CERTIFICATES)
def test_what_is_no_certificate_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.key"
    path.write_text(text)
    path.chmod(0o600)
    for read in (public_key, key_pair):
        with pytest.raises(ConfigError, match="no CURVE certificate"):
            read(path)


def test_nothing_told_means_no_keys() -> None:
    assert server_keys(None, None) is None
    assert client_keys(None, None) is None
    assert client_keys_each(None, (), 3) == [None] * 3
