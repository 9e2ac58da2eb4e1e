"""What a page orders, once each: a snapshot to be downloaded, the detector's rotation to be set or locked."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from dashboards.access.roles import Refusal
from dashboards.live.service_answers import ServiceAnswers
from dashboards.views.view import LiveView
from stream_rrvae.arguments import Arguments
from stream_rrvae.errors import RequestError

ORDER_LIMIT = 1024
ROTATION_ORDERS = ("set_rotation", "lock_rotation", "unlock_rotation")
MakeDownload = Callable[[LiveView, Callable[[str], None]], None]


class Orders:
    """`why_not` says why this page may change nothing now; "" = it may. Whoever looks on may take snapshots.

    `make_download` makes files of a view and calls back with the path where they are fetched, relative to the page.
    """

    def __init__(self, make_download: MakeDownload | None, why_not: Refusal = lambda: "") -> None:
        self._make_download = make_download
        self._why_not = why_not
        self.notice = ""
        self.download = ""  # the path of the latest snapshot
        self._last = 0

    @property
    def refusal(self) -> str:
        return self._why_not()

    def take(self, text: object, view: LiveView, answers: ServiceAnswers) -> None:
        """Do what the JSON `text` orders, if it is new."""
        if not isinstance(text, str) or len(text) > ORDER_LIMIT:
            return
        try:
            told = json.loads(text)
            given = Arguments(told if isinstance(told, dict) else {})
            number = given.whole("number", 0, 2**31, 0)
            if number > self._last:
                self._last = number
                self._do(given, view, answers)
        except (RequestError, ValueError, RecursionError) as error:
            self.notice = str(error)[:200]

    def _do(self, given: Arguments, view: LiveView, answers: ServiceAnswers) -> None:
        name = given.choice("do", ("snapshot", *ROTATION_ORDERS))
        self.notice = ""
        if name == "snapshot":
            if self._make_download is not None:
                self._make_download(view, self._made)
            return
        if refusal := self.refusal:
            raise RequestError(refusal)
        arguments: dict[str, Any] = {}
        if name == "set_rotation":
            arguments = {"degrees": given.number("degrees", -360, 360), "flip": given.flag("flip")}
        answers.order(name, arguments)

    def _made(self, path: str) -> None:
        self.download = path
