"""A running `stream-rrvae replay` that can be paused, made faster and sent elsewhere from the page."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from stream_rrvae.errors import RequestError
from stream_rrvae.feed.asker import Asker
from stream_rrvae.security import read_key

PATIENCE_S = 3.0


class ReplayControlClient:
    """Used in the loop's thread; `told` is how the replay stands, or why that is not known."""

    def __init__(self, url: str, key: Path) -> None:
        self._asker = Asker(url, read_key(key))
        self.told: dict[str, Any] = {"problem": "not asked yet"}
        self._is_looking = False

    def close(self) -> None:
        """Ask no more."""
        self._asker.close()

    async def look(self) -> None:
        """See how it stands; once at a time, however many pages ask."""
        if self._is_looking:
            return
        self._is_looking = True
        try:
            await self._ask("status", {})
        except RequestError as error:
            self.told = {"problem": str(error)}  # it may not run now, and that is no fault
        finally:
            self._is_looking = False

    async def do(self, what: str, value: float) -> None:
        """play, pause, speed (0 = as fast as it goes) or seek (a frame as it arrived). Raises RequestError."""
        values: dict[str, float] = {"speed": value, "seek": int(value)}
        await self._ask(what, {"value": values[what]} if what in values else {})

    async def _ask(self, what: str, arguments: dict[str, Any]) -> None:
        self.told = await asyncio.wrap_future(self._asker.ask(what, arguments, timeout_s=PATIENCE_S))
