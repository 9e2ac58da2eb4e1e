"""What is refused for safety's sake: sockets open to a network that nobody said to trust, keys that others may read."""

from __future__ import annotations

import ipaddress
import logging
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from stream_rrvae.errors import ConfigError, SecurityError
from stream_rrvae.log import event

LEAST_KEY_CHARS = 16
KEY_FILE_BYTES = 4096
_READ_IN_MORE_THAN_ONE_WAY = frozenset("@;,\\%?# \t\r\n\0")


def check_bind(url: str, allow_remote: bool = False, has_keys: bool = False) -> str:
    """`url` if binding it stays on this machine, asks for keys or was allowed, which is said loudly.

    Raises SecurityError.
    """
    if is_local(url) or has_keys:
        return url
    if allow_remote:
        event("open_to_the_network", logging.WARNING, url=url, reason="--allow-remote: no keys are asked for")
        return url
    raise SecurityError(
        f"{url} would be open to the network without keys: bind to 127.0.0.1, give keys where it takes them "
        "(--curve-key, --curve-clients), or say --allow-remote on a closed detector network"
    )


def is_local(url: str) -> bool:
    """Whether `url` (tcp, ipc or inproc) names this machine alone."""
    parts = urlsplit(url)
    if parts.scheme in ("ipc", "inproc"):
        return True
    if set(url) & _READ_IN_MORE_THAN_ONE_WAY:
        return False
    host = parts.hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def make_key(path: Path) -> str:
    """The key in the file, which is made if it is not there. Raises SecurityError as `read_key`, ConfigError."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return read_key(path)
    except OSError as error:
        raise ConfigError(f"cannot write the key file {path}: {error.strerror}") from error
    with os.fdopen(handle, "w") as file:
        key = secrets.token_urlsafe(32)
        file.write(key)
    return key


def _is_private(status: os.stat_result) -> bool:
    mode = stat.S_IMODE(status.st_mode)
    # As systemd hands out credentials: root's, with an access list for the one user of the service.
    is_credential = mode == 0o440 and status.st_uid == status.st_gid == 0
    return not mode & 0o077 or is_credential


def _is_ours_to_write(status: os.stat_result) -> bool:
    return not status.st_mode & 0o022


def read_private(path: Path) -> str:
    """A small file that is its owner's alone. Raises SecurityError when it is not, ConfigError."""
    return _read(path, _is_private, f"others may read the key file {path}: chmod 600 {path}")


def read_public(path: Path) -> str:
    """A small file that everybody may read. Raises SecurityError when others may write it, ConfigError."""
    return _read(path, _is_ours_to_write, f"others may write the key file {path}: chmod 644 {path}")


def _read(path: Path, is_safe: Callable[[os.stat_result], bool], otherwise: str) -> str:
    try:
        with path.open("rb") as file:
            # Of the file that was opened: another may lie under its name a moment later.
            if not is_safe(os.fstat(file.fileno())):
                raise SecurityError(otherwise)
            return file.read(KEY_FILE_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the key file {path}: {error}") from error


def read_key(path: Path) -> str:
    """The key in the file. Raises SecurityError when others may read it or it is too short, ConfigError."""
    key = read_private(path).strip()
    if len(key) < LEAST_KEY_CHARS:
        raise SecurityError(f"the key in {path} is too short: remove the file, and another is made")
    return key
