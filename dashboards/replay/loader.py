"""Gets what a replay page wants to show from the recordings' process."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from dashboards.replay.painter import ReplayPainter
from dashboards.replay.recordings_client import RecordingsClient
from dashboards.replay.state import ReplayState, Side
from dashboards.replay.view import ReplayView
from stream_rrvae.errors import RequestError

Start = Callable[[Coroutine[Any, Any, None]], None]


class ReplayLoader:
    """`start` runs a coroutine aside, `changed` is called when there is something new to send.

    Whatever is awaited here raises RequestError.
    """

    def __init__(
        self,
        state: ReplayState,
        recordings: RecordingsClient,
        painter: ReplayPainter,
        start: Start,
        changed: Callable[[], None],
    ) -> None:
        self._state, self._recordings, self._painter = state, recordings, painter
        self._start, self._changed = start, changed
        self._who = f"replay-{id(self):x}"

    async def refresh(self) -> None:
        """Read the list again; a long one comes bit by bit."""
        while True:
            listing = await self._recordings.ask("list", None, self._who)
            self._painter.show_list(listing)
            self._changed()
            if not listing["pending"]:
                return

    async def open(self, side: Side, id_: str, results: str, keep: bool = False) -> None:
        """Show a run; with `keep` where the page stands now, else whole."""
        side.id, side.results = id_, results
        try:
            run = await self._recordings.run(id_, results, f"{self._who}-{side.name}")
        except RequestError:
            if side.id == id_:
                side.forget()  # what was shown is not what was chosen
                self._painter.all_dirty()
                self._changed()
            raise
        if (side.id, side.results) != (id_, results):
            return  # another was chosen meanwhile
        side.view, side.pattern = ReplayView(run), None
        if side.name == "a":
            self._settle(side.view, keep)
        self._painter.all_dirty()
        await self.load(side)
        self.want_patterns()

    async def load(self, side: Side) -> None:
        """The maps that a side needs."""
        view = side.view
        for name in view.needed(self._state.wish.choice) if view is not None else ():
            assert view is not None
            await self._recordings.map(view.run, name, f"{self._who}-{side.name}")
            side.dirty()
            self._changed()

    def want_patterns(self) -> None:
        """Have the patterns of the position that is wanted now."""
        for side in self._state.shown:
            side.is_dirty = True
            if not side.is_asking:
                side.is_asking = True
                self._start(self._ask_patterns(side))

    def _settle(self, view: ReplayView, keep: bool) -> None:
        player, wish, run = self._state.player, self._state.wish, view.run
        place = player.place if keep and player.total == run.total else run.total
        if keep and wish.place is not None:
            place, wish.place = wish.place, None
        player.load(run.total, run.seconds)
        player.seek(place)
        if not keep:
            wish.probe = None
        wish.settle_choice(view)

    async def _ask_patterns(self, side: Side) -> None:
        """Until the pattern that is shown is the one that is wanted; never more than one on its way."""
        try:
            while (view := side.view) is not None:
                position = self._state.position(view)
                if side.pattern is not None and side.pattern.position == position:
                    return
                pattern = await self._recordings.pattern(view.run, position, f"{self._who}-{side.name}")
                if side.view is view:
                    side.pattern, view.probe = pattern, position
                    side.dirty()
                    self._changed()
        finally:
            side.is_asking = False
