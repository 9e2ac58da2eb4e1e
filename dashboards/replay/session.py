"""One browser's replay page: does what it says, and lets time pass.

Asking the recordings' process never holds the page up: an answer changes what is shown when it is there.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Protocol

from dashboards.access.roles import Refusal
from dashboards.replay.command import OPERATORS_ONLY, Command, command_of
from dashboards.replay.control import ReplayControlClient
from dashboards.replay.loader import ReplayLoader
from dashboards.replay.models import ReplayModels
from dashboards.replay.painter import ReplayPainter
from dashboards.replay.recordings_client import RecordingsClient
from dashboards.replay.state import ReplayState
from dashboards.replay.texts import replay_status
from dashboards.replay.wish import ReplayWish
from stream_rrvae.errors import RequestError
from stream_rrvae.feed.request_server import NEWER

STATUS_S = 0.25
LOOK_S = 1.0  # between two looks at a job that runs


class Schedules(Protocol):
    """What of a Bokeh document may be called without its lock."""

    def add_next_tick_callback(self, callback: Callable[[], None]) -> Any: ...


class ReplaySession:
    """Begins with `ready`; `tick` is called some ten times a second with the document's lock.

    `refusal` says why this page may only look on now; it is empty for operators.
    """

    def __init__(
        self,
        document: Schedules,
        recordings: RecordingsClient,
        models: ReplayModels,
        wish: ReplayWish,
        refusal: Refusal = lambda: "",
        control: ReplayControlClient | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._document, self._recordings, self._models, self._control = document, recordings, models, control
        self._clock = clock
        self.state = ReplayState(wish, clock)
        self._refusal = refusal
        self._painter = ReplayPainter(self.state, models, clock)
        self._loader = ReplayLoader(self.state, recordings, self._painter, self._start, self._schedule)
        self._tasks: set[asyncio.Task[None]] = set()
        self._done_number = self._busy = 0
        self._told_s = self._looked_s = -1e9
        self._taken_up = _done(recordings.job)
        self._is_scheduled = False
        models.reply.on_change("data", self._replied)

    def ready(self) -> None:
        """The browser is there."""
        self._start(self._loader.refresh())
        self._start(self._look_at_job(), is_quiet=True)
        wish = self.state.wish
        for name, id_, results in (("a", wish.run, wish.results), ("b", wish.compare, "")):
            if id_:
                self._start(self._loader.open(self.state.sides[name], id_, results, keep=True))

    def close(self) -> None:
        """The browser has gone."""
        for task in self._tasks:
            task.cancel()

    def tick(self) -> None:
        """Play on, push what is to be pushed, and say how things stand. Needs the document's lock."""
        if self.state.player.tick():
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
        return replay_status(self.state) | {
            "job": self._recordings.job, "control": self._control.told if self._control else None,
            "busy": self._busy > 0, "viewer": self._refusal(),
        }  # fmt: skip

    def do(self, command: Command) -> None:
        """Do what was asked for. Raises RequestError when that cannot be, or only by an operator."""
        if command.name in OPERATORS_ONLY and (refusal := self._refusal()):
            raise RequestError(refusal)
        self.state.notice = ""
        getattr(self, f"_do_{command.name}")(command)

    def _replied(self, attribute: str, old: Any, new: Any) -> None:
        """The page said something; a page may be anybody, so only what makes sense counts."""
        push, number, text = (_only(new.get(name)) for name in ("push", "number", "command"))
        self._painter.painted(push)
        if isinstance(number, int) and number != self._done_number:
            self._done_number = number
            try:
                self.do(command_of(text))
            except RequestError as error:
                self.state.notice = str(error)
        self._schedule()

    def _do_refresh(self, _command: Command) -> None:
        self._start(self._loader.refresh())

    def _do_open(self, command: Command) -> None:
        self._start(self._loader.open(self.state.sides[command.side], command.id, command.results))

    def _do_close(self, command: Command) -> None:
        side = self.state.sides[command.side]
        side.id = side.results = ""
        side.forget()
        self._painter.all_dirty()

    def _do_results(self, command: Command) -> None:
        side = self.state.sides[command.side]
        self._start(self._loader.open(side, side.id, command.results, keep=True))

    def _do_play(self, _command: Command) -> None:
        self.state.player.play()
        self._moved()

    def _do_pause(self, _command: Command) -> None:
        self.state.player.pause()

    def _do_seek(self, command: Command) -> None:
        self.state.player.seek(int(command.value))
        self._moved()

    def _do_step(self, command: Command) -> None:
        self.state.player.pause()
        self.state.player.seek(self.state.player.place + int(command.value))
        self._moved()

    def _do_speed(self, command: Command) -> None:
        self.state.player.set_speed(abs(command.speed))

    def _do_probe(self, command: Command) -> None:
        self.state.wish.probe = command.position
        self._loader.want_patterns()

    def _do_follow(self, _command: Command) -> None:
        self.state.wish.probe = None
        self._loader.want_patterns()

    def _do_choose(self, command: Command) -> None:
        if not any(side.view and command.text in side.view.choices for side in self.state.shown):
            raise RequestError("there is no such map here")
        self.state.wish.choice = command.text
        self._painter.all_dirty()
        for side in self.state.shown:
            self._start(self._loader.load(side))

    def _do_contrast(self, command: Command) -> None:
        self.state.wish.contrast = command.text
        self._hold(False)

    def _do_hold(self, command: Command) -> None:
        self._hold(bool(command.value))

    def _hold(self, is_held: bool) -> None:
        self.state.wish.is_held = is_held
        self.state.wish.held.clear()
        self._painter.all_dirty()

    def _do_same(self, command: Command) -> None:
        self.state.wish.is_same = bool(command.value)
        self._painter.all_dirty()

    def _do_analyse(self, command: Command) -> None:
        asked = {"id": command.id, "mode": command.text, "checkpoint": command.results}
        self._start(self._recordings.analyse(asked))

    def _do_cancel(self, _command: Command) -> None:
        self._start(self._recordings.cancel())

    def _do_control(self, command: Command) -> None:
        if self._control is None:
            raise RequestError("no running replay was named: start the dashboard with --replay-control")
        self._start(self._control.do(command.text, command.value))

    def _look(self) -> None:
        """At what goes on by itself in other processes."""
        if self._recordings.job.get("state") == "running":
            self._start(self._look_at_job(), is_quiet=True)
        else:  # another page's look may have come first
            self._take_up_job()
        if self._control is not None:
            self._start(self._control.look(), is_quiet=True)

    async def _look_at_job(self) -> None:
        await self._recordings.look_at_job()
        self._take_up_job()

    def _take_up_job(self) -> None:
        """Show what an analysis made that is done since this page was there or last looked."""
        job = self._recordings.job
        if _done(job) in (0, self._taken_up):
            return
        self._taken_up = _done(job)
        about = job.get("about", {})
        for side in self.state.shown:
            if side.id == about.get("id"):
                results = about.get("results", "") if side.name == "a" else side.results
                self._start(self._loader.open(side, side.id, results, keep=True), is_quiet=True)

    def _moved(self) -> None:
        for side in self.state.shown:
            side.is_dirty = True
        if self.state.wish.probe is None:
            self._loader.want_patterns()

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            self._document.add_next_tick_callback(self._push)

    def _push(self) -> None:
        self._is_scheduled = False
        self._painter.push()

    def _start(self, work: Coroutine[Any, Any, None], is_quiet: bool = False) -> None:
        task = asyncio.get_running_loop().create_task(self._guarded(work, 0 if is_quiet else 1))
        self._tasks.add(task)
        task.add_done_callback(lambda _task: work.close())  # one that was cancelled before its first step
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Awaitable[None], busy: int) -> None:
        """What cannot be had is told on the page; what was given up for something newer is no fault."""
        self._busy += busy
        try:
            await work
        except RequestError as error:
            if str(error) != NEWER:
                self.state.notice = str(error)
        finally:
            self._busy -= busy


def _done(job: Mapping[str, Any]) -> int:
    """Number of the analysis that is done; 0 = none is."""
    return int(job.get("number", 0)) if job.get("state") == "done" else 0


def _only(column: Any) -> Any:
    return column[0] if isinstance(column, list) and len(column) == 1 else None
