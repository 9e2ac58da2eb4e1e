"""What a dashboard server can be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from dashboards.feeds.thresholds import Thresholds
from stream_rrvae.errors import ConfigError
from stream_rrvae.security import check_bind

MOST_FEEDS = 12  # as many tiles as a wall can show


def host_text(address: str) -> str:
    """`address` as URLs have it."""
    return f"[{address}]" if ":" in address else address


@dataclass(frozen=True, slots=True)
class Keyed:
    """Whom to ask, and the file with the key to it."""

    url: str
    key: Path


@dataclass(frozen=True, slots=True)
class DashboardOptions:
    """`feeds` are the services' feed addresses, in the order in which they are shown.

    `allow_origins` are the public host:port names under which browsers reach this server
    through a proxy; `prefix` is the path that the proxy puts before ours. `operators_key` holds the
    passphrase that makes a viewer an operator; see `dashboards.access.roles` for what is without one.
    """

    feeds: tuple[str, ...]
    port: int = 5006  # 0 = any free one
    address: str = "127.0.0.1"
    prefix: str = ""
    allow_origins: tuple[str, ...] = ()
    allow_remote: bool = False
    max_sessions: int = 20
    operators_key: Path | None = None
    thresholds: Thresholds = field(default_factory=Thresholds)
    requests_keys: tuple[Path, ...] = ()  # key files of the services' back channels: none, one for all, or one a feed
    recordings: Keyed | None = None  # the process that reads recordings
    replay_control: Keyed | None = None  # a running replay
    curve_key: Path | None = None  # our certificate towards services that ask for keys
    curve_servers: tuple[Path, ...] = ()  # their keys: none, one for all, or one a feed

    def checked(self) -> DashboardOptions:
        """These options, if they make sense. Raises ConfigError or SecurityError."""
        if not 1 <= len(self.feeds) <= MOST_FEEDS:
            raise ConfigError(f"a dashboard shows 1 to {MOST_FEEDS} feeds, not {len(self.feeds)}")
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"{self.port} is no port between 0 and 65535")
        if self.max_sessions < 1:
            raise ConfigError("at least one viewer must be allowed")
        for origin in self.allow_origins:
            if "*" in origin or urlsplit(f"//{origin}").hostname is None:
                raise ConfigError(f"the origin {origin!r} must be one host:port, without wildcards")
        self.thresholds.checked()
        if len(self.requests_keys) not in (0, 1, len(self.feeds)):
            raise ConfigError("give one --requests-key for all feeds, or one for each")
        check_bind(f"tcp://{host_text(self.address)}:{self.port}", self.allow_remote)
        return self

    @property
    def path(self) -> str:
        """The prefix as paths begin with it: "" or "/something"."""
        inner = self.prefix.strip("/")
        return f"/{inner}" if inner else ""
