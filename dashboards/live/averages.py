"""The pattern that one session sees where it wished for a mean: of the scan, or of the latest few."""

from __future__ import annotations

from dashboards.feeds.live_feed import LiveFeed
from dashboards.feeds.pattern_means import PatternMeans, PatternSum
from dashboards.pictures.wishes import AVERAGES, LATEST, OF_SCAN, Wishes
from dashboards.views.pattern import LivePattern


class Averages:
    """A frozen page keeps the means of the moment at which it froze."""

    def __init__(self, feed: LiveFeed) -> None:
        self._feed = feed
        self._held: PatternMeans | None = None
        self._since: PatternSum | None = None

    def wish(self, before: Wishes, now: Wishes) -> None:
        """The page changed its wishes: it may want the scan's mean to begin anew."""
        if now.restarts != before.restarts:
            self._since = self._feed.patterns.so_far()

    def hold(self) -> None:
        self._held = self._feed.patterns.held()

    def release(self) -> None:
        self._held = None

    def pattern(self, wishes: Wishes) -> LivePattern | None:
        """The mean that is wished for; None where single patterns are, or there is none yet."""
        if wishes.average == LATEST or (self._held is not None and wishes.back):
            return None
        means = self._held or self._feed.patterns
        count = AVERAGES[wishes.average]
        mean = means.of_scan(self._since) if wishes.average == OF_SCAN else means.of_latest(count)
        return None if mean is None else LivePattern(mean.values, None, source="mean", seen=mean.patterns)
