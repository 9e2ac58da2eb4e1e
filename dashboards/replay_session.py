"""One browser's replay page: what it shows of which runs, and what it asks of the recordings' process.

Asking never holds the page up: an answer changes what is shown at the next turn of the page's own clock. Images go out
one push at a time, the next when the page has painted the one before, with a watchdog as on the live page.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from dashboards.recordings_client import RecordingsClient
from dashboards.replay_command import OPERATORS_ONLY, Command, command_of
from dashboards.replay_control import ReplayControlClient
from dashboards.replay_models import SIDES, ReplayModels
from dashboards.replay_pattern import ShownPattern
from dashboards.replay_player import Player
from dashboards.replay_texts import replay_status, run_told
from dashboards.replay_view import ReplayView
from dashboards.replay_wish import ReplayWish
from stream_rrvae.errors import RequestError

WATCHDOG_S = 2.0
STATUS_S = 0.25
LOOK_S = 1.0  # between two looks at a job that runs


class Schedules(Protocol):
    """What of a Bokeh document may be called without its lock."""

    def add_next_tick_callback(self, callback: Callable[[], None]) -> Any: ...


@dataclass(slots=True)
class Side:
    """One of the two runs: what was asked for, and what is there of it."""

    name: str
    id: str = ""
    results: str = ""
    view: ReplayView | None = None
    pattern: ShownPattern | None = None
    is_asking: bool = False  # for a pattern
    is_dirty: bool = True
    is_pattern_dirty: bool = True


class ReplaySession:
    """Begins with `ready`; `tick` is called some ten times a second with the document's lock."""

    def __init__(
        self,
        document: Schedules,
        recordings: RecordingsClient,
        models: ReplayModels,
        wish: ReplayWish,
        viewer_reason: str = "",
        control: ReplayControlClient | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._document, self._recordings, self._models, self._control = document, recordings, models, control
        self._clock = clock
        self._who = f"replay-{id(self):x}"
        self.player = Player(clock)
        self.sides = {name: Side(name) for name in SIDES}
        self.wish = wish
        self.viewer_reason = viewer_reason  # why this page may only look on; empty for operators
        self.notice = ""
        self._tasks: set[asyncio.Task[None]] = set()
        self._busy = 0
        self._listing: dict[str, Any] | None = None
        self._is_list_dirty = self._is_runs_dirty = False
        self._pushes = self._done_number = 0
        self._unacknowledged_since_s: float | None = None
        self._told_s = self._looked_s = -1e9
        self._is_scheduled = False
        models.reply.on_change("data", self._replied)

    def ready(self) -> None:
        """The browser is there."""
        self._start(self._refresh())
        self._start(self._recordings.look_at_job())
        for name, id_, results in (("a", self.wish.run, self.wish.results), ("b", self.wish.compare, "")):
            if id_:
                self._start(self._open(self.sides[name], id_, results, keep=True))

    def close(self) -> None:
        """The browser has gone."""
        for task in self._tasks:
            task.cancel()

    def tick(self) -> None:
        """Play on, push what is to be pushed, and say how things stand. Needs the document's lock."""
        if self.player.tick():
            self._moved()
        self._push()
        now_s = self._clock()
        if now_s - self._looked_s >= LOOK_S:
            self._looked_s = now_s
            self._look()
        if now_s - self._told_s >= STATUS_S:
            self._told_s = now_s
            self._models.status.data = {"text": [json.dumps(self.status())]}

    def status(self) -> dict[str, Any]:
        """Everything small that the page shows."""
        return replay_status(self) | {
            "job": self._recordings.job, "control": self._control.told if self._control else None,
            "busy": self._busy > 0, "notice": self.notice,
        }  # fmt: skip

    # -- what the page says

    def _replied(self, attribute: str, old: Any, new: Any) -> None:
        push, number, text = (_only(new.get(name)) for name in ("push", "number", "command"))
        if push == self._pushes:
            self._unacknowledged_since_s = None
        if isinstance(number, int) and number != self._done_number:
            self._done_number = number
            try:
                self.do(command_of(text))
            except RequestError as error:
                self.notice = str(error)
        self._schedule()

    def do(self, command: Command) -> None:
        """Do what was asked for. Raises RequestError when that cannot be."""
        if command.name in OPERATORS_ONLY and self.viewer_reason:
            raise RequestError(self.viewer_reason)
        self.notice = ""
        getattr(self, f"_do_{command.name}")(command)

    def _do_refresh(self, _command: Command) -> None:
        self._start(self._refresh())

    def _do_open(self, command: Command) -> None:
        self._start(self._open(self.sides[command.side], command.id, command.results))

    def _do_close(self, command: Command) -> None:
        side = self.sides[command.side]
        side.id, side.results, side.view, side.pattern = "", "", None, None
        self._all_dirty()

    def _do_results(self, command: Command) -> None:
        side = self.sides[command.side]
        self._start(self._open(side, side.id, command.results, keep=True))

    def _do_play(self, _command: Command) -> None:
        self.player.play()
        self._moved()

    def _do_pause(self, _command: Command) -> None:
        self.player.pause()

    def _do_seek(self, command: Command) -> None:
        self.player.seek(int(command.value))
        self._moved()

    def _do_step(self, command: Command) -> None:
        self.player.pause()
        self.player.seek(self.player.place + int(command.value))
        self._moved()

    def _do_speed(self, command: Command) -> None:
        self.player.set_speed(abs(command.speed))

    def _do_probe(self, command: Command) -> None:
        self.wish.probe = command.position
        self._want_patterns()

    def _do_follow(self, _command: Command) -> None:
        self.wish.probe = None
        self._want_patterns()

    def _do_choose(self, command: Command) -> None:
        if not any(side.view and command.text in side.view.choices for side in self.sides.values()):
            raise RequestError("there is no such map here")
        self.wish.choice = command.text
        for side in self.sides.values():
            if side.view is not None:
                self._start(self._load(side, side.view))

    def _do_contrast(self, command: Command) -> None:
        self.wish.contrast = command.text
        self._all_dirty()

    def _do_same(self, command: Command) -> None:
        self.wish.is_same = bool(command.value)
        self._all_dirty()

    def _do_analyse(self, command: Command) -> None:
        asked = {"id": command.id, "mode": command.text, "checkpoint": command.results}
        self._start(self._recordings.analyse(asked))

    def _do_cancel(self, _command: Command) -> None:
        self._start(self._recordings.cancel())

    def _do_control(self, command: Command) -> None:
        if self._control is None:
            raise RequestError("no running replay was named: start the dashboard with --replay-control")
        self._start(self._control.do(command.text, command.value))

    # -- what is asked of the recordings' process

    async def _refresh(self) -> None:
        while True:
            self._listing = await self._recordings.ask("list", None, self._who)
            self._is_list_dirty = True
            self._schedule()
            if not self._listing["pending"]:
                return

    async def _open(self, side: Side, id_: str, results: str, keep: bool = False) -> None:
        """Show a run; with `keep` where the page stands now, else whole."""
        side.id, side.results = id_, results
        run = await self._recordings.run(id_, results, f"{self._who}-{side.name}")
        if (side.id, side.results) != (id_, results):
            return  # another was chosen meanwhile
        side.view, side.pattern = ReplayView(run), None
        if side.name == "a":
            place = self.player.place if keep and self.player.total == run.total else run.total
            if keep and self.wish.place is not None:
                place, self.wish.place = self.wish.place, None
            self.player.load(run.total, run.seconds)
            self.player.seek(place)
            if not keep:
                self.wish.probe = None
            self.wish.settle_choice(side.view)
        self._all_dirty()
        await self._load(side, side.view)
        self._want_patterns()

    async def _load(self, side: Side, view: ReplayView) -> None:
        for name in view.needed(self.wish.choice):
            await self._recordings.map(view.run, name, f"{self._who}-{side.name}")
            side.is_dirty = side.is_pattern_dirty = True
            self._schedule()

    def _want_patterns(self) -> None:
        for side in self.sides.values():
            if side.view is not None:
                side.is_dirty = True
                if not side.is_asking:
                    side.is_asking = True
                    self._start(self._ask_patterns(side))

    async def _ask_patterns(self, side: Side) -> None:
        """Until the pattern that is shown is the one that is wanted; never more than one on its way."""
        try:
            while side.view is not None and (side.pattern is None or side.pattern.position != self.position(side)):
                view, position = side.view, self.position(side)
                pattern = await self._recordings.pattern(view.run, position, f"{self._who}-{side.name}")
                if side.view is view:
                    side.pattern, view.probe = pattern, position
                    side.is_dirty = side.is_pattern_dirty = True
                    self._schedule()
        finally:
            side.is_asking = False

    def _look(self) -> None:
        """At what goes on by itself in other processes."""
        before = self._recordings.job
        if before.get("state") == "running":
            self._start(self._look_at_job(before))
        if self._control is not None:
            self._start(self._control.look())

    async def _look_at_job(self, before: dict[str, Any]) -> None:
        await self._recordings.look_at_job()
        job = self._recordings.job
        if job.get("state") == "done" and before.get("state") == "running":
            about = job.get("about", {})
            for side in self.sides.values():
                if side.id and side.id == about.get("id"):
                    results = about.get("results", "") if side.name == "a" else side.results
                    await self._open(side, side.id, results, keep=True)

    # -- what is pushed to the page

    def position(self, side: Side) -> tuple[int, int]:
        """The scan position (y, x) whose pattern a side shows: the probe's, else where the scan had got to."""
        assert side.view is not None
        rows, columns = side.view.run.scan_shape
        if self.wish.probe is not None:
            return min(self.wish.probe[0], rows - 1), min(self.wish.probe[1], columns - 1)
        last = max(0, min(self.place_of(side), rows * columns) - 1)
        return last // columns, last % columns

    def place_of(self, side: Side) -> int:
        """How far a side had got: both by the same share of their scans."""
        assert side.view is not None
        total = side.view.run.total
        return self.player.place if total == self.player.total else round(self.player.place * total / self.player.total)

    def _moved(self) -> None:
        for side in self.sides.values():
            side.is_dirty = True
        if self.wish.probe is None:
            self._want_patterns()

    def _all_dirty(self) -> None:
        self._is_runs_dirty = True
        for side in self.sides.values():
            side.is_dirty = side.is_pattern_dirty = True
        self._schedule()

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            self._document.add_next_tick_callback(self._push)

    def _push(self) -> None:
        self._is_scheduled = False
        if self._is_list_dirty:
            self._is_list_dirty = False
            self._models.listed.data = {"text": [json.dumps(self._listing)]}
        if self._is_runs_dirty:
            self._is_runs_dirty = False
            told = {side.name: run_told(side.view.run) if side.view else None for side in self.sides.values()}
            self._models.runs.data = {"text": [json.dumps(told)]}
        for side in self.sides.values():
            if side.is_pattern_dirty and side.view is not None:
                side.is_pattern_dirty = False
                self._models.sides[side.name].show_pattern(side.view.run, side.pattern)
        self._push_maps()

    def _push_maps(self) -> None:
        since_s = self._unacknowledged_since_s
        if since_s is not None and self._clock() - since_s < WATCHDOG_S:
            return
        dirty = [side for side in self.sides.values() if side.is_dirty and side.view is not None]
        if not dirty:
            return
        self._pushes += 1
        self._unacknowledged_since_s = self._clock()
        first = self.sides["a"].view
        for side in dirty:
            assert side.view is not None
            side.is_dirty = False
            models, like = self._models.sides[side.name], first if self.wish.is_same and side.name == "b" else None
            models.place(side.view.map_placement)
            models.colour_choice(self.wish.choice)
            models.maps.data = side.view.columns(
                self.place_of(side), self.wish.choice, self.wish.contrast, self._pushes, like
            )

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Awaitable[None]) -> None:
        """What cannot be had is told on the page."""
        self._busy += 1
        try:
            await work
        except RequestError as error:
            if "newer request" not in str(error):
                self.notice = str(error)
        finally:
            self._busy -= 1


def _only(column: Any) -> Any:
    return column[0] if isinstance(column, list) and len(column) == 1 else None
