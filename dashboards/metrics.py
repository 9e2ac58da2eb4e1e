"""Every metric of a dashboard server, in Prometheus' terms; read from what is there when somebody asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from dashboards.control.wall import Wall
from dashboards.feeds.live_feed import LiveFeed
from dashboards.sessions import Sessions
from stream_rrvae.operations.health_server import METRICS_TYPE

PREFIX = "stream_rrvae_dashboard"
CONTENT_TYPE = METRICS_TYPE


class DashboardCollector(Collector):
    """Instruments are told by their place on the wall: names that services give themselves are no labels."""

    def __init__(self, feeds: Sequence[LiveFeed], sessions: Sessions, wall: Wall, unsent: Callable[[], int]) -> None:
        self._feeds, self._sessions, self._wall, self._unsent = feeds, sessions, wall, unsent

    def collect(self) -> Iterator[Metric]:
        yield self._of_sessions()
        yield CounterMetricFamily(
            f"{PREFIX}_pages_refused", "Pages beyond the limit of viewers", self._sessions.refused
        )
        text = "Encoded for live pages that have not taken it yet"
        yield GaugeMetricFamily(f"{PREFIX}_unsent_bytes", text, self._unsent())
        yield self._of_feeds("snapshots", "Snapshots received", "counter")
        yield self._of_feeds("malformed", "Messages that were no snapshot", "counter")
        yield self._of_feeds("snapshot_age_seconds", "Since the latest snapshot; absent before the first", "gauge")
        yield from self._of_alarms()

    def _of_sessions(self) -> Metric:
        family = GaugeMetricFamily(f"{PREFIX}_sessions", "Pages open now", labels=["page"])
        for page, count in sorted(self._sessions.alive.items()):
            family.add_metric([page], count)
        return family

    def _of_feeds(self, name: str, text: str, kind: str) -> Metric:
        family_of = CounterMetricFamily if kind == "counter" else GaugeMetricFamily
        family = family_of(f"{PREFIX}_{name}", text, labels=["place"])
        for place, feed in enumerate(self._feeds, start=1):
            value = _value(feed, name)
            if value is not None:
                family.add_metric([str(place)], value)
        return family

    def _of_alarms(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(f"{PREFIX}_alarms", "Alarms that are kept", labels=["severity", "acknowledged"])
        kept = [(each.condition.severity.name.lower(), each.acknowledged) for each in self._wall.alarms]
        for severity in ("minor", "major", "invalid"):
            for acknowledged in (False, True):
                family.add_metric([severity, str(acknowledged).lower()], kept.count((severity, acknowledged)))
        yield family


def _value(feed: LiveFeed, name: str) -> float | None:
    if name == "snapshots":
        return feed.received
    if name == "malformed":
        return feed.malformed
    return None if feed.newest is None else feed.clock() - feed.newest.received_s


class DashboardMetrics:
    """The text that `/metrics` answers; `unsent` gives the bytes that wait for live pages to take them."""

    def __init__(
        self, feeds: Sequence[LiveFeed], sessions: Sessions, wall: Wall, unsent: Callable[[], int] = lambda: 0
    ) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(DashboardCollector(feeds, sessions, wall, unsent))

    def text(self) -> bytes:
        return generate_latest(self._registry)
