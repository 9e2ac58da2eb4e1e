"""What the pages ask of the process that reads recordings; runs that were opened are kept for all sessions together."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dashboards.replay.pattern import ShownPattern, no_pattern
from dashboards.replay.recorded_run import Run, run_of
from dashboards.views.pattern import LivePattern
from stream_rrvae.errors import RequestError
from stream_rrvae.feed.asker import Asker
from stream_rrvae.messages import Float32Array, Plain
from stream_rrvae.security import read_key

KEPT_RUNS = 8
OPEN_S = 60.0  # a large recording has much to read, and its disk may sleep
READ_S = 20.0
MAP_CHARS = 64


class RecordingsClient:
    """Used in the loop's thread. Everything that asks raises RequestError."""

    def __init__(self, url: str, key: Path) -> None:
        self._asker = Asker(url, read_key(key))
        self._runs: OrderedDict[tuple[str, str], Run] = OrderedDict()
        self.job: dict[str, Any] = {"state": "none"}  # of the analysis at hand or the latest, for all sessions

    def close(self) -> None:
        """Ask no more."""
        self._asker.close()

    async def ask(
        self, name: str, arguments: Mapping[str, Plain] | None = None, who: str = "", timeout_s: float = READ_S
    ) -> dict[str, Any]:
        """The answer; of the slow requests of one `who` only the newest is answered."""
        return await asyncio.wrap_future(self._asker.ask(name, arguments, who, timeout_s))

    async def run(self, id_: str, results: str, who: str) -> Run:
        """A recording with the maps of one of its results ("" = its own)."""
        asked = {"id": id_, "results": results}
        facts = await self.ask("open", asked, who, OPEN_S)
        known = self._runs.get((id_, results))
        if known is not None and _is_same(known, facts):
            self._runs.move_to_end((id_, results))
            return known
        run = run_of(facts, await self.ask("course", asked, who, OPEN_S))
        self._runs[id_, results] = run
        while len(self._runs) > KEPT_RUNS:
            self._runs.popitem(last=False)
        return run

    async def map(self, run: Run, name: str, who: str) -> Float32Array:
        """One of its maps, kept with it."""
        if name not in run.names:
            raise RequestError(f"this recording has no map {name[:MAP_CHARS]}")
        if name not in run.maps:
            asked = {"id": run.id, "results": run.results, "name": name}
            values = (await self.ask("map", asked, f"{who}:{name}"[:MAP_CHARS]))["map"]
            if values.shape != run.scan_shape:
                raise RequestError(f"the map {name} is {values.shape[0]} x {values.shape[1]}, and the scan is not")
            run.maps[name] = values
        return run.maps[name]

    async def pattern(self, run: Run, position: tuple[int, int], who: str) -> ShownPattern:
        """The pattern of a scan position (y, x); that there is none is no error."""
        asked = {"id": run.id, "y": position[0], "x": position[1]}
        try:
            answer = await self.ask("pattern", asked, who)
            return ShownPattern(position, LivePattern(answer["pattern"], position, int(answer["binning"])))
        except RequestError as error:
            return no_pattern(position, str(error))

    async def analyse(self, asked: Mapping[str, Plain]) -> None:
        """Begin an analysis; `job` says how it stands."""
        self.job = await self.ask("analyse", asked)

    async def cancel(self) -> None:
        """End the analysis at hand."""
        self.job = await self.ask("cancel")

    async def look_at_job(self) -> None:
        """See how the analysis stands."""
        self.job = await self.ask("job")


def _is_same(run: Run, facts: Mapping[str, Any]) -> bool:
    """A recording that has grown, or was analysed again since, is opened anew."""
    told = (run.size_bytes, run.frames, list(run.analyses), run.name)
    return told == (facts["size_bytes"], facts["frames"], facts["analyses"], facts["name"])
