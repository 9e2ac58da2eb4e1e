"""What a dashboard server has for `/replay`: whom it asks for recordings, and which running replay it may control."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bokeh.document import Document

from dashboards.access.roles import Refusal
from dashboards.options import DashboardOptions
from dashboards.replay.control import ReplayControlClient
from dashboards.replay.page import make_no_replay, make_replay
from dashboards.replay.recordings_client import RecordingsClient
from dashboards.replay.recordings_http import recordings_handlers


class ReplayPart:
    """Raises ConfigError or SecurityError when a key or an address of `options` is no good."""

    def __init__(self, options: DashboardOptions) -> None:
        at, control = options.recordings, options.replay_control
        self._recordings = RecordingsClient(at.url, at.key) if at else None
        self._control = ReplayControlClient(control.url, control.key) if control else None

    def close(self) -> None:
        """Ask nobody any more."""
        for asking in (self._recordings, self._control):
            if asking is not None:
                asking.close()

    @property
    def has_recordings(self) -> bool:
        return self._recordings is not None

    def page(self, document: Document, arguments: Mapping[str, Sequence[bytes]], assets: str, refusal: Refusal) -> None:
        """Fill `document`; `arguments` are those of its URL, `refusal` says why it may only look on now."""
        if self._recordings is None:
            make_no_replay(document, assets)
        else:
            make_replay(document, self._recordings, arguments, assets, refusal, self._control)

    def handlers(self) -> list[Any]:
        """URL patterns, without the prefix."""
        return [] if self._recordings is None else recordings_handlers(self._recordings)
