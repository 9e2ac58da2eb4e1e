"""CURVE keys of our own links: who we are to the other end, and who may connect to what we bind.

A certificate is two files as pyzmq and czmq write them: NAME.key, which may be given away, and NAME.key_secret, which
is its owner's alone. See RFC 26 (CurveZMQ).
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import zmq
from zmq.auth import create_certificates
from zmq.utils import z85

from stream_rrvae.errors import ConfigError, SecurityError
from stream_rrvae.security import read_private, read_public

PUBLIC, SECRET = ".key", ".key_secret"
CLIENTS_LIMIT = 1000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_ENTRY = re.compile(r"""^\s*(public|secret)-key\s*=\s*["']([^"']*)["']\s*$""", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Z85 text, 40 characters each."""

    public: bytes
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ServerKeys:
    """Of who binds: `clients` is the folder with the NAME.key of everybody who may connect, read at each connection."""

    own: KeyPair
    clients: Path

    def allowed(self) -> dict[bytes, str]:
        """Public keys with the names of their files. Raises ConfigError, SecurityError when others may add to them."""
        try:
            files = sorted(path for path in self.clients.iterdir() if path.name.endswith(PUBLIC))
            is_open = bool(self.clients.stat().st_mode & 0o022)
        except OSError as error:
            raise ConfigError(f"cannot read the folder of clients' keys {self.clients}: {error.strerror}") from error
        if is_open:
            raise SecurityError(f"others may write into {self.clients}: chmod go-w {self.clients}")
        if len(files) > CLIENTS_LIMIT:
            raise ConfigError(f"{self.clients} holds more than {CLIENTS_LIMIT} keys")
        return {public_key(path): path.name.removesuffix(PUBLIC) for path in files}


@dataclass(frozen=True, slots=True)
class ClientKeys:
    """Of who connects, to the holder of `server`'s secret key and nobody else."""

    own: KeyPair
    server: bytes

    def use(self, socket: zmq.Socket[bytes]) -> None:
        """Have `socket` speak CURVE; before it is connected."""
        socket.curve_publickey, socket.curve_secretkey = self.own.public, self.own.secret
        socket.curve_serverkey = self.server


def make_certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A new certificate's public and secret file in `folder`, which is made. Raises ConfigError; never overwrites."""
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r} is no name of a key: letters, digits, dots, dashes, at most 64")
    public, secret = folder / f"{name}{PUBLIC}", folder / f"{name}{SECRET}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # In a folder of its own until nobody else may read it; a link, unlike a rename, takes no other file's place.
        with tempfile.TemporaryDirectory(dir=folder, prefix=".") as private:
            made = [Path(path) for path in create_certificates(private, name)]
            for path, mode in zip(made, (0o644, 0o600), strict=True):
                path.chmod(mode)
            _link_both(made, (public, secret))
    except FileExistsError as error:
        raise ConfigError(f"{public} or {secret} is there already; nothing was changed") from error
    except OSError as error:
        raise ConfigError(f"cannot write keys into {folder}: {error.strerror}") from error
    return public, secret


def _link_both(made: Sequence[Path], wanted: Sequence[Path]) -> None:
    wanted[0].hardlink_to(made[0])
    try:
        wanted[1].hardlink_to(made[1])
    except OSError:
        wanted[0].unlink()
        raise


def key_pair(path: Path) -> KeyPair:
    """The certificate in a NAME.key_secret. Raises ConfigError, SecurityError when others may read or write it."""
    entries = _entries(read_private(path), path)
    if "secret" not in entries:
        raise ConfigError(f"{path} holds no secret key: give the file that ends in {SECRET}")
    return KeyPair(entries["public"], entries["secret"])


def public_key(path: Path) -> bytes:
    """The key in a NAME.key. Raises ConfigError, SecurityError when others may write it."""
    return _entries(read_public(path), path)["public"]


def server_keys(key: Path | None, clients: Path | None) -> ServerKeys | None:
    """Of the two files that a server is told; None = neither was. Raises ConfigError or SecurityError."""
    if clients is None:
        return None
    if key is None:
        raise ConfigError("a folder of clients' keys needs our own: say --curve-key FILE, made by stream-rrvae keygen")
    made = ServerKeys(key_pair(key), clients)
    if not made.allowed():
        raise ConfigError(f"{clients} holds no {PUBLIC} file, so that nobody could connect")
    return made


def client_keys(key: Path | None, server: Path | None) -> ClientKeys | None:
    """Of the two files that a client is told; None = it is told of no server. Raises ConfigError or SecurityError."""
    if server is None:
        return None
    if key is None:
        raise ConfigError("a server's key needs our own: say --curve-key FILE, made by stream-rrvae keygen")
    return ClientKeys(key_pair(key), public_key(server))


def client_keys_each(key: Path | None, servers: Sequence[Path], count: int) -> list[ClientKeys | None]:
    """For each of `count` feeds: of one server's key for all, or one each, or none. Raises as `client_keys`."""
    if len(servers) not in (0, 1, count):
        raise ConfigError("give one --curve-server for all feeds, or one for each in their order")
    if len(servers) == count:
        return [client_keys(key, server) for server in servers]
    return [client_keys(key, servers[0] if servers else None)] * count


def _entries(text: str, path: Path) -> dict[str, bytes]:
    entries = {kind: value.encode() for kind, value in _ENTRY.findall(text)}
    if "public" not in entries or not all(map(_is_key, entries.values())):
        raise ConfigError(f"{path} is no CURVE certificate: make one with stream-rrvae keygen")
    return entries


def _is_key(text: bytes) -> bool:
    try:
        return len(text) == 40 and len(z85.decode(text)) == 32
    except (ValueError, KeyError):
        return False
