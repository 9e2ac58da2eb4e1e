"""One scan on the computing side, from its announcement to its close.

Where the disc is not known, the first frames are held until there are enough of them to find it; then the scan store
is made and everything is measured. Which frames are looked at never depends on when they came: a replay at any speed
finds what was found live.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from stream_rrvae.calibration.disc import Disc
from stream_rrvae.calibration.origin import told_to_store
from stream_rrvae.calibration.site import SiteWord, site_word
from stream_rrvae.config import Settings
from stream_rrvae.detector_settings import DetectorSettings
from stream_rrvae.detectors.laid_out import LaidOut, OnFrames, lay_out
from stream_rrvae.errors import CalibrationError, WireError
from stream_rrvae.ingest.account import ScanAccount
from stream_rrvae.ingest.compute import OnRefused, ScanCompute
from stream_rrvae.ingest.disc_before import DiscBefore
from stream_rrvae.ingest.events import Accepted, Opened, Refused
from stream_rrvae.ingest.frame_batch import FrameBatch
from stream_rrvae.ingest.keeping_hook import FrameKeeper
from stream_rrvae.ingest.leaving_out import LeavingOut
from stream_rrvae.ingest.mean_pattern import MeanPattern
from stream_rrvae.ingest.meter import Meter
from stream_rrvae.ingest.packed_compute import PackedCompute
from stream_rrvae.ingest.settle import (
    BASIS,
    Settled,
    believable,
    is_told,
    needs_frames,
    plan_of,
    settle,
    settle_without_disc,
    usable_of,
)
from stream_rrvae.kernels.plan import FramePlan
from stream_rrvae.messages import ScanState
from stream_rrvae.plain import to_plain
from stream_rrvae.scan_store import RoomAhead, ScanStore, StoreShape
from stream_rrvae.wire.pixels import decode_pixels
from stream_rrvae.wire.shards import own_frames

MOST_REFUSALS_HELD = 256  # between the frames that are waited for

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Surroundings:
    """What every scan's work needs beside its frames."""

    settings: Settings
    meter: Meter
    folder: Path  # of the scan stores
    on_store: Callable[[ScanStore], None]
    on_refused: OnRefused
    keeper: FrameKeeper | None = None
    leaving_out: LeavingOut | None = None
    before: DiscBefore | None = None


class ScanWork:
    """Raises StoreError from any method that makes the store, when there is no room for it."""

    def __init__(self, opened: Opened, around: Surroundings) -> None:
        self._announced = opened.start
        self._site = site_word(believable(opened.start), around.settings)
        self._start = self._site.start
        self._scan_shape = opened.scan_shape
        self._around = around
        n_frames = opened.start.path.frames_due(opened.scan_shape, opened.start.frames_expected)
        own = own_frames(opened.start, opened.scan_shape)
        self._account = ScanAccount(n_frames, own)
        self._held: list[Accepted | Refused] = []
        self._ahead: RoomAhead | None = None
        self._compute: ScanCompute | None = None
        self._packed: PackedCompute | None = None
        n_own = n_frames if own is None else max(1, int(own.sum()))
        self._wanted = min(around.settings.ingest.settle_frames, n_own)  # frames to find the disc on
        self._waits_for_frames = needs_frames(self._start, self._site.settings)

    @property
    def store(self) -> ScanStore | None:
        return self._compute.store if self._compute else None

    @property
    def compute(self) -> ScanCompute | None:
        """The scan's measuring, for who measures some of its frames elsewhere; None = the disc is not found yet."""
        return self._compute

    def begin(self) -> None:
        """Make the store at once if nothing has to be found first, else what does not depend on that."""
        if not self._waits_for_frames:
            self._open(MeanPattern(self._start))
            return
        channels = sum(len(each.channels) for each in self._around.settings.detectors)
        self._ahead = RoomAhead(self._store_shape(BASIS.n_features, channels), self._around.folder)
        if is_told(self._start, self._site.settings):
            _plan_ahead(self._site, self._around.settings.detectors)

    def take(self, items: Sequence[Accepted | Refused]) -> None:
        """Measure, or hold until the disc is found."""
        # No more at a time than are looked at: how many came at once must not change where the disc is found.
        while self._compute is None and items:
            room = self._frames_to_look_at
            self._hold(items[:room])
            items = items[room:]
        if self._compute is not None and items:
            self._compute.take(items, self._around.on_refused)

    @property
    def _frames_to_look_at(self) -> int:
        """More than are held: at least one."""
        return self._wanted - sum(isinstance(item, Accepted) for item in self._held)

    def _hold(self, items: Sequence[Accepted | Refused]) -> None:
        self._held.extend(items)
        n_frames = sum(isinstance(item, Accepted) for item in self._held)
        if n_frames >= self._wanted:
            self._look()
        elif not n_frames or len(self._held) > n_frames + MOST_REFUSALS_HELD:
            self._let_go()

    @property
    def packed(self) -> PackedCompute | None:
        """Where batches of messages may be measured as they are; None = not yet, `take` what is in them."""
        return self._packed

    def take_batch(self, batch: FrameBatch) -> None:
        """The same for a batch: one by one as many as are looked at, then as it is."""
        while self._packed is None and len(batch):
            self.take(batch.take_events(self._frames_to_look_at))
        if self._packed is not None and len(batch):
            self._packed.keep(self._packed.measure(batch))

    def end(self) -> None:
        """The end was announced."""
        self._account.end()
        if self._compute is None:
            self._look()
        if self._compute is not None:
            self._compute.write_account(ScanState.RUNNING)

    def abandon(self) -> None:
        """Leave what was measured as an aborted scan; for when nothing else can be relied on."""
        if self._compute is not None:
            self._account.end()
            self._compute.write_account(ScanState.ABORTED)
        elif self._ahead is not None:
            self._ahead.drop()

    def close(self, state: ScanState) -> tuple[ScanStore, int]:
        """The scan is over; gives its store, which a scan without a single frame has too, and what is missing."""
        self._account.end()
        if self._compute is None:
            self._look()
        compute = self._compute or self._open(MeanPattern(self._start))
        compute.write_account(state)
        return compute.store, self._account.counters().missing

    def _look(self) -> None:
        """Find the disc on the held frames; if none of them is any good, wait for others."""
        mean = MeanPattern(self._start)
        self._held = [self._looked_at(item, mean) for item in self._held]
        if mean.n_frames:
            held, self._held = self._held, []
            self._open(mean).take(held, self._around.on_refused)
        else:
            self._let_go()

    def _let_go(self) -> None:
        """Account for the refusals that are held: a storm of them must not be kept."""
        for item in self._held:
            if isinstance(item, Refused):
                self._account.refused(item.reason, item.number)
        self._held = [item for item in self._held if isinstance(item, Accepted)]

    def _looked_at(self, item: Accepted | Refused, mean: MeanPattern) -> Accepted | Refused:
        if isinstance(item, Refused):
            return item
        try:
            mean.add(decode_pixels(item.frame))
        except WireError as error:
            self._around.on_refused(error, item.received_s)
            return Refused(error.reason, item.frame.number)
        return item

    def _open(self, mean: MeanPattern) -> ScanCompute:
        settings = self._around.settings
        before = self._around.before.of(self._start) if self._around.before else None
        settled, plan, detectors = _planned(self._site, mean, settings.detectors, before)
        info = {"basis": to_plain(BASIS), "com_reference": settled.com_reference}
        info |= detectors.info | told_to_store(self._announced.calibration, self._site, settled.start.calibration)
        shape = self._store_shape(plan.n_features, plan.detectors.count)
        store = ScanStore.create(settled.start, shape, info, self._around.folder, self._ahead)
        keeper = self._around.keeper
        if keeper is not None:
            keeper.begin(settled.start, self._scan_shape, plan)
        self._compute = ScanCompute(
            store,
            plan,
            self._account,
            settings.ingest.batch_frames,
            self._around.meter,
            keeper,
            self._around.leaving_out,
        )
        self._packed = PackedCompute(self._compute, self._around.on_refused)
        self._around.on_store(store)
        return self._compute

    def _store_shape(self, n_features: int, n_detectors: int) -> StoreShape:
        latents = self._around.settings.learn.latents
        return StoreShape(self._scan_shape, self._start.frame_shape, n_features, latents, n_detectors)


def _planned(
    site: SiteWord, mean: MeanPattern, wanted: Sequence[DetectorSettings], before: Disc | None
) -> tuple[Settled, FramePlan, LaidOut]:
    values = mean.values if site.gain is None else mean.values * site.gain
    settled = settle(site.start, site.settings, values, before)
    try:
        return settled, *_laid_out(settled, site, wanted)
    except CalibrationError as error:
        settled = settle_without_disc(site.start, site.settings, str(error))
        return settled, *_laid_out(settled, site, wanted)


def _plan_ahead(site: SiteWord, wanted: Sequence[DetectorSettings]) -> None:
    """Make the plan that the scan will have if its first frames say nothing else: it is kept for when they do not."""
    with suppress(CalibrationError):
        _laid_out(settle(site.start, site.settings, MeanPattern(site.start).values), site, wanted)


def _laid_out(settled: Settled, site: SiteWord, wanted: Sequence[DetectorSettings]) -> tuple[FramePlan, LaidOut]:
    start, disc = settled.start, settled.disc
    frames = OnFrames(
        start.frame_shape, usable_of(start), disc.center_px, disc.radius_px, start.calibration.mrad_per_px
    )
    detectors = lay_out(wanted, frames)
    return plan_of(settled, detectors.masks, site.gain), detectors
