"""A replay page without a browser: what it shows when, and that viewers change nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dashboards.replay.models import ReplayModels
from dashboards.replay.recordings_client import RecordingsClient
from dashboards.replay.session import ReplaySession
from dashboards.replay.wish import ReplayWish
from stream_rrvae.arguments import Arguments
from stream_rrvae.errors import RequestError
from stream_rrvae.feed.request_server import RequestServer
from stream_rrvae.messages import Float32Array
from stream_rrvae.security import make_key

SHAPE = (4, 6)
RUNS = ("aa", "bb")


def ramp(gain: float = 1.0) -> Float32Array:
    return (np.arange(24, dtype=np.float32).reshape(SHAPE) * np.float32(gain)).astype(np.float32)


def opened(arguments: Arguments) -> dict[str, Any]:
    id_ = arguments.text("id")
    if id_ not in RUNS:
        raise RequestError("this recording is not there (any more)")
    names = ["com_magnitude", "com_direction", "rotation", "rotation_confidence", "bright_field"]
    return {
        "id": id_, "results": arguments.text("results", default=""), "name": f"run-{id_}", "is_part": False,
        "size_bytes": 1, "scan_id": f"run {id_}", "scan_shape": [4, 6], "frame_shape": [8, 8], "pixel_type": "uint16",
        "frames": 22, "notes": [], "maps": names, "units": dict.fromkeys(names, "mrad"), "axes": "scan", "quality": {},
        "calibration": {}, "made_by": {"version": 2, "mode": "apply", "model": {"decoder": "harmonic"}}, "analyses": [],
    }  # fmt: skip


def course(_arguments: Arguments) -> dict[str, Any]:
    due = ramp() + 1
    due[1, 2:4] = np.nan
    return {
        "due": due, "seconds": np.array([[1, 24], [0, 2.4]], np.float32), "gaps": np.array([[8, 10]], np.float32),
        "marks": np.array([[12, 4]], np.float32), "marks_left_out": 0, "flags": {"4": "undecodable"},
    }  # fmt: skip


def pattern(arguments: Arguments) -> dict[str, Any]:
    y, x = arguments.whole("y", 0, 3), arguments.whole("x", 0, 5)
    if (y, x) in ((1, 2), (1, 3)):
        raise RequestError("no good frame of this position was recorded")
    return {
        "pattern": np.full((8, 8), 6 * y + x + 1, np.float32),
        "binning": 1,
        "frame_number": 6 * y + x,
        "y": y,
        "x": x,
    }


class Service:
    """Answers as the recordings' process does, and notes what it was asked to change."""

    def __init__(self, folder: Path) -> None:
        self.analysed: list[str] = []
        key = make_key(folder / "key")
        slow = {
            "list": lambda _a, _w: {"recordings": [], "more": 0, "pending": 0, "folder": "x", "checkpoints": []},
            "open": lambda a, _w: opened(a), "course": lambda a, _w: course(a), "pattern": lambda a, _w: pattern(a),
            "map": lambda a, _w: {"map": ramp(2.0 if a.text("id") == "bb" else 1.0)},
        }  # fmt: skip
        self.server = RequestServer(f"ipc://{folder}/requests", key, {"job": self._job, "analyse": self._analyse}, slow)
        self.server.start()
        self.client = RecordingsClient(self.server.url, folder / "key")

    def _job(self, _arguments: Arguments) -> dict[str, Any]:
        return {"state": "none"}

    def _analyse(self, arguments: Arguments) -> dict[str, Any]:
        self.analysed.append(arguments.text("id"))
        return {"state": "running", "about": {"id": arguments.text("id")}}

    def close(self) -> None:
        self.client.close()
        self.server.stop()


class AtOnce:
    """A document whose next turn is now."""

    def add_next_tick_callback(self, callback: Callable[[], None]) -> None:
        callback()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path)
    yield made
    made.close()


def run(service: Service, story: Callable[[ReplaySession, ReplayModels], Awaitable[None]], **options: Any) -> None:
    async def told() -> None:
        models = ReplayModels()
        session = ReplaySession(AtOnce(), service.client, models, options.pop("wish", ReplayWish()), **options)
        session.ready()
        await quiet(session)
        await story(session, models)
        session.close()

    asyncio.run(told())


async def quiet(session: ReplaySession) -> None:
    """Until nothing is asked any more, and everything has been painted."""
    while session._tasks:
        await asyncio.gather(*session._tasks)


async def say(session: ReplaySession, models: ReplayModels, **command: Any) -> None:
    number = models.reply.data["number"][0] + 1
    push = json.loads(models.sides["a"].maps.data["labels"][0])["push"]
    models.reply.data = {"push": [push], "number": [number], "command": [json.dumps(command)]}
    await quiet(session)
    session.tick()


def painted(models: ReplayModels) -> int:
    """The page paints until there is nothing more to paint; gives the last push."""
    while models.reply.data["push"] != [push := json.loads(models.sides["a"].maps.data["labels"][0])["push"]]:
        models.reply.data = {**models.reply.data, "push": [push]}
    return int(push)


def visible(models: ReplayModels, side: str = "a") -> Any:
    return models.sides[side].maps.data["magnitude"][0] > 0


def test_a_run_is_shown_whole_and_then_as_far_as_the_scan_had_got(service: Service) -> None:
    async def story(session: ReplaySession, models: ReplayModels) -> None:
        await say(session, models, do="open", id="aa")
        there = np.ones(SHAPE, np.bool_)
        there[1, 2:4] = False
        np.testing.assert_array_equal(visible(models), there)
        await say(session, models, do="seek", value=7)
        np.testing.assert_array_equal(visible(models).ravel(), np.arange(24) < 7)
        told = json.loads(models.sides["a"].pattern.data["labels"][0])
        assert told["position"] == [1, 0]  # the last one that had come
        await say(session, models, do="seek", value=10)
        assert json.loads(models.sides["a"].pattern.data["labels"][0])["position"] == [1, 1]
        assert session.status()["frame_text"] == "10 / 24"

    run(service, story)


def test_a_url_opens_a_run_where_it_says(service: Service) -> None:
    async def story(session: ReplaySession, models: ReplayModels) -> None:
        assert (session.state.player.place, session.state.sides["b"].id) == (7, "bb")
        assert json.loads(models.sides["b"].pattern.data["labels"][0])["position"] == [3, 5]

    run(service, story, wish=ReplayWish("aa", "", "bb", 7, (9, 9)))


def test_a_position_without_a_frame_says_so(service: Service) -> None:
    async def story(session: ReplaySession, models: ReplayModels) -> None:
        await say(session, models, do="probe", y=1, x=2)
        told = json.loads(models.sides["a"].pattern.data["labels"][0])
        assert (told["has_pattern"], "no good frame" in told["problem"]) == (False, True)
        await say(session, models, do="follow")
        assert json.loads(models.sides["a"].pattern.data["labels"][0])["has_pattern"]

    run(service, story, wish=ReplayWish("aa"))


def test_two_runs_are_compared_on_one_scale_or_on_their_own(service: Service) -> None:
    async def story(session: ReplaySession, models: ReplayModels) -> None:
        def ends(side: str) -> float:
            told = json.loads(models.sides[side].maps.data["labels"][0])
            return float(told["magnitude"]["high"])

        await say(session, models, do="contrast", text="0-100")
        assert ends("a") == ends("b") < 30
        await say(session, models, do="same", value=0)
        assert ends("b") > 1.8 * ends("a")
        await say(session, models, do="close", side="b")
        assert json.loads(models.runs.data["text"][0])["b"] is None

    run(service, story, wish=ReplayWish("aa", compare="bb"))


def test_locked_limits_stay_for_other_runs_maps_and_positions(service: Service) -> None:
    async def story(session: ReplaySession, models: ReplayModels) -> None:
        def told(source: str) -> dict[str, Any]:
            return dict(json.loads(getattr(models.sides["a"], source).data["labels"][0]))

        def ends() -> list[float]:
            return [told("maps")["magnitude"]["high"], told("pattern")["pattern"]["high"]]

        await say(session, models, do="probe", y=0, x=1)
        before = ends()
        await say(session, models, do="hold", value=1)
        await say(session, models, do="probe", y=3, x=5)
        await say(session, models, do="open", id="bb")
        assert ends() == before, "of another run and another position"
        assert session.status()["held"] and "com_magnitude:" in session.status()["lock"]
        await say(session, models, do="choose", text="bright_field")
        painted(models)
        limits = told("maps")["chosen"]["high"]
        await say(session, models, do="open", id="aa")
        painted(models)
        assert told("maps")["chosen"]["high"] == limits, "a map that was chosen later is locked as it was then"
        shared = ReplayWish("bb", held=dict(session.state.wish.held), is_held=True)
        await say(session, models, do="hold", value=0)
        await say(session, models, do="open", id="bb")
        assert ends()[0] > 1.8 * before[0] and session.status()["lock"] == ""
        assert shared.held["com_magnitude"].high == before[0]

    run(service, story, wish=ReplayWish("aa"))


def test_what_is_not_there_is_told_and_nothing_else_is_shown(service: Service) -> None:
    async def story(session: ReplaySession, models: ReplayModels) -> None:
        await say(session, models, do="open", id="zz")
        assert "not there" in session.status()["notice"]
        assert json.loads(models.runs.data["text"][0])["a"] is None
        await say(session, models, do="open", id="bb")
        assert session.status()["notice"] == ""

    run(service, story, wish=ReplayWish("aa"))


def test_one_push_at_a_time(service: Service) -> None:
    async def story(session: ReplaySession, models: ReplayModels) -> None:
        await say(session, models, do="open", id="aa")
        before = painted(models)
        for place in (3, 4, 5):
            session.state.player.seek(place)
            session._moved()
            session.tick()
        assert json.loads(models.sides["a"].maps.data["labels"][0])["push"] == before + 1
        assert visible(models).sum() == 3
        models.reply.data = {**models.reply.data, "push": [before + 1]}
        assert visible(models).sum() == 5

    run(service, story)


def test_viewers_change_nothing_and_are_told_why(service: Service) -> None:
    async def story(session: ReplaySession, models: ReplayModels) -> None:
        for command in ("analyse", "cancel", "control"):
            text = {"analyse": "apply", "control": "play"}.get(command, "")
            await say(session, models, do=command, id="aa", text=text, results="pretrained")
            assert session.status()["notice"] == "only for operators"
        assert service.analysed == []

    run(service, story, wish=ReplayWish("aa"), refusal=lambda: "only for operators")


def test_operators_analyse_again(service: Service) -> None:
    async def story(session: ReplaySession, models: ReplayModels) -> None:
        await say(session, models, do="analyse", id="aa", text="apply", results="pretrained")
        assert (service.analysed, session.status()["job"]["state"]) == (["aa"], "running")

    run(service, story, wish=ReplayWish("aa"))


def test_what_was_analysed_is_shown_whichever_page_heard_of_it_first(service: Service) -> None:
    async def story(session: ReplaySession, models: ReplayModels) -> None:
        side = session.state.sides["a"]
        for number, id_, shown in ((1, "bb", ""), (2, "aa", "made")):
            about = {"id": id_, "results": "made"}
            service.client.job = {"number": number, "state": "done", "about": about}  # by the look of another page
            session._look()
            await quiet(session)
            assert side.results == shown
        await say(session, models, do="open", id="aa", side="a")
        session._look()
        await quiet(session)
        assert side.results == ""

    run(service, story, wish=ReplayWish("aa"))


def test_a_map_of_nothing_says_so(service: Service) -> None:
    async def story(session: ReplaySession, models: ReplayModels) -> None:
        def told() -> dict[str, Any]:
            return dict(json.loads(models.sides["a"].maps.data["labels"][0]))

        painted(models)
        assert told()["has_chosen"]
        view = session.state.sides["a"].view
        assert view is not None
        view.run.maps["bright_field"] = np.full(SHAPE, np.nan, np.float32)
        await say(session, models, do="choose", text="bright_field")
        painted(models)
        assert (told()["has_chosen"], told()["is_loaded"], told()["has_maps"]) == (False, True, True)

    run(service, story, wish=ReplayWish("aa"))
