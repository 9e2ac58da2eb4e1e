"""The control room's wall, once for all who look at it: it looks once a second and keeps alarms when nobody looks."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from bokeh.application.application import ServerContext
from bokeh.application.handlers.handler import Handler
from bokeh.document import Document
from tornado.ioloop import PeriodicCallback

from dashboards.control.alarms import Alarm, Alarms, Severity
from dashboards.control.wall_instrument import WallInstrument
from dashboards.feeds.feed_state import clock_text
from dashboards.feeds.live_feed import LiveFeed
from dashboards.views.columns import Columns
from stream_rrvae.log import event

PERIOD_MS = 1000
ALARMS_SHOWN = 40
_SHAPES = {Severity.MINOR: "▲", Severity.MAJOR: "■", Severity.INVALID: "◆"}
_WORST_FIRST = ("invalid", "major", "minor", "live", "done", "idle")


class Wall:
    """All instruments and their alarms. `told` and `tiles` are new objects after each look, so they may be shared."""

    def __init__(self, feeds: Sequence[LiveFeed], now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._clock = feeds[0].clock
        self._alarms = Alarms(self._clock, now)
        self.instruments = [WallInstrument(place, feed) for place, feed in enumerate(feeds, start=1)]
        self.told: dict[str, Any] = {}
        self.tiles: Columns = {}
        self.look()

    def look(self) -> None:
        """Once a second."""
        for each in self.instruments:
            each.look()
            self._alarms.look(each.place, str(each.told["instrument"]), each.wrong)
        pictures = [each.pictures() for each in self.instruments]
        self.tiles = {
            "text": [json.dumps(each.told) for each in self.instruments],
            "direction": [direction for direction, _ in pictures],
            "pattern": [pattern for _, pattern in pictures],
        }
        self._tell()

    def acknowledge(self, serials: Iterable[int]) -> None:
        """An operator has seen these alarms."""
        count = self._alarms.acknowledge(serials)
        if count:
            event("alarms_acknowledged", count=count)
            self._tell()

    @property
    def alarms(self) -> list[Alarm]:
        """All that are kept, in the order in which they are shown."""
        return self._alarms.shown()

    def _tell(self) -> None:
        alarms = self.alarms
        self.told = {
            "clock": clock_text(self._now()),
            "count": len(self.instruments),
            "states": self._states(),
            "alarms": [_told(alarm) for alarm in alarms[:ALARMS_SHOWN]],
            "unacknowledged": sum(not alarm.acknowledged for alarm in alarms),
        }

    def _states(self) -> list[dict[str, Any]]:
        """How many instruments are in which state, worst first."""
        counts = Counter((each.told["kind"], each.told["shape"], each.told["word"]) for each in self.instruments)
        ordered = sorted(counts.items(), key=lambda item: (_WORST_FIRST.index(item[0][0]), item[0][2]))
        return [{"kind": kind, "shape": shape, "word": word, "count": n} for (kind, shape, word), n in ordered]


def _told(alarm: Alarm) -> dict[str, Any]:
    severity = alarm.condition.severity
    return {
        "serial": alarm.serial,
        "severity": severity.name,
        "shape": _SHAPES[severity],
        "kind": severity.name.lower(),
        "began": clock_text(alarm.began_unix_s),
        "over": "" if alarm.over_unix_s is None else clock_text(alarm.over_unix_s),
        "times": alarm.times,
        "instrument": alarm.instrument,
        "place": alarm.place,
        "text": alarm.condition.text,
        "acknowledged": alarm.acknowledged,
    }


class WallHandler(Handler):
    """The part of a Bokeh application that has the wall look for as long as the server runs."""

    def __init__(self, wall: Wall) -> None:
        super().__init__()
        self._turns = PeriodicCallback(wall.look, PERIOD_MS)

    def modify_document(self, doc: Document) -> None:
        """Nothing: the page itself is made elsewhere."""

    def on_server_loaded(self, server_context: ServerContext) -> None:
        self._turns.start()

    def on_server_unloaded(self, server_context: ServerContext) -> None:
        self._turns.stop()
