"""The service: acquire, learn and publish, put together."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from stream_rrvae.allocator import fetch_memory
from stream_rrvae.back_channel import request_server
from stream_rrvae.calibration.found_rotation import rotation_to_use
from stream_rrvae.calibration.live_rotation import LiveRotation
from stream_rrvae.calibration.origin import ORIGIN, ROTATION
from stream_rrvae.calibration.site import site_word
from stream_rrvae.calibrator import Calibrator
from stream_rrvae.config import Settings
from stream_rrvae.curve import server_keys
from stream_rrvae.degradation import Degradation
from stream_rrvae.errors import FileFormatError
from stream_rrvae.feed.publisher import Publisher
from stream_rrvae.feed.snapshot import build_snapshot
from stream_rrvae.finisher import Ended, Finisher, Stopping, Surroundings
from stream_rrvae.found import CalibrationFound
from stream_rrvae.ingest.acquisition import Acquisition
from stream_rrvae.ingest.turning import Turning
from stream_rrvae.kept.copy_loop import warm_up_keeping
from stream_rrvae.kept.frames import KeptFrames
from stream_rrvae.kernels.frame_pass import despite_full_disk
from stream_rrvae.learner import PATIENCE_S, Learner
from stream_rrvae.log import event
from stream_rrvae.maps.live_maps import LiveMaps
from stream_rrvae.messages import (
    BoolArray,
    Counters,
    DegradeLevel,
    FrameSkip,
    Health,
    ModelStatus,
    ScanStart,
    ScanState,
    Snapshot,
)
from stream_rrvae.metrics import Metrics, new_metrics
from stream_rrvae.operations.health_server import HealthServer
from stream_rrvae.recording.recorder import Recorder
from stream_rrvae.scan_store import ScanStore, sweep
from stream_rrvae.wellbeing import Wellbeing

STATUS_LOOK_S = 0.1
DRAIN_S = 2.0  # to measure what was received, when stopping
LOOK_PATIENCE_S = 0.5  # for a look at the calibration, whose word nobody waits for any more
FIRST_LOOKS_BYTES = 96 << 20  # what the first snapshots of 512x512 positions take: pages for it cost 0.1 s


class Service:
    """One instrument's service; `wait` returns when it was stopped or did its number of scans.

    `turned` is told by the frame loop that it turns, and for how long (s) the slowest part of it has been at one thing.
    """

    def __init__(self, settings: Settings, turned: Callable[[float], object] = float) -> None:
        self._settings = settings
        self._metrics = new_metrics()
        self._recorder = _recorder(settings, self._metrics)
        self._rotation = LiveRotation(settings.calibration)
        self._kept = KeptFrames(settings.keep.bytes)
        keeper = self._kept if settings.requests.url else None  # else nobody could ask for them
        turning = Turning(turned, self._metrics.compute_busy_seconds.inc)
        self._acquisition = Acquisition(
            settings, self._metrics, self, recorder=self._recorder, keeper=keeper, turning=turning
        )

        def is_behind() -> bool:
            return self._acquisition.is_behind

        self._requests = request_server(settings, self._metrics, self._kept, self._rotation, self._recorder, is_behind)
        self._calibrator = Calibrator(settings.calibration.detector_flip, self._calibration_found, is_behind)
        self._learner = None if settings.learn.mode == "off" else Learner(settings.learn, self._metrics)
        feed, keys = settings.feed, server_keys(settings.curve.key, settings.curve.clients)
        self._maps = LiveMaps(feed.derived)  # for the publisher's thread
        self._publisher = Publisher(
            feed.url, settings.instrument, feed.rate_hz, self._counted_snapshot, settings.allow_remote, is_behind, keys,
            lambda: self._maps.changed,
        )  # fmt: skip
        self._current: ScanStore | None = None
        self._left: deque[ScanStore] = deque(maxlen=1)  # whose end the feed has not told; nobody else tells of a shard
        self._told_end_of: ScanStore | None = None
        self._opened_unix_s = 0.0
        self._stopping = Stopping()
        self._degradation = Degradation(settings, self._acquisition, self._learner, self._recorder, self._metrics)
        self._finisher = Finisher(settings, self._surroundings(), self._stopping)
        self._wellbeing = Wellbeing(settings, self._acquisition, self._learner, lambda: self._current)
        self._wellbeing.tell(self._metrics)
        self._health = None if settings.http is None else self._health_server(settings.http)
        self._serial = 0

    @property
    def learner_pid(self) -> int | None:
        """Process id of the learner, None in mode off."""
        return self._learner.pid if self._learner else None

    @property
    def http_url(self) -> str | None:
        """Where `/livez`, `/readyz` and `/metrics` are answered."""
        return self._health.url if self._health else None

    @property
    def level(self) -> DegradeLevel:
        """What is left out now, to keep up."""
        return self._degradation.level

    @property
    def counters(self) -> Counters:
        """The account of the latest scan."""
        store = self._current
        return Counters() if store is None else store.read_account().counters

    @property
    def scans_done(self) -> int:
        """Scans that are over, with all that is kept of them."""
        return self._finisher.scans_done

    @property
    def error(self) -> FileFormatError | None:
        """What kept results or a recording from being written."""
        recorder = self._recorder
        return self._finisher.error or (recorder.error if recorder else None)

    def check(self) -> None:
        """Raises the error that ended acquisition."""
        if self._acquisition.error is not None:
            raise self._acquisition.error

    def start(self) -> None:
        """Start everything; on return frames can be received."""
        if self._health:
            self._health.start()
        sweep()
        if self._learner:
            self._learner.start()
        if self._recorder:
            self._recorder.start()
        if self._requests:
            despite_full_disk(warm_up_keeping)
            self._requests.start()
        self._calibrator.start()
        self._finisher.start()
        self._publisher.start()
        self._acquisition.start()
        self._degradation.start()
        self._wellbeing.told_ready(self._metrics)

    def wait(self) -> None:
        """Until stopped, the wanted scans are done, or acquisition failed (its error is raised)."""
        while not self._stopping.is_asked and not self._acquisition.join(STATUS_LOOK_S):
            pass

    def request_stop(self) -> None:
        """End `wait`; a second time, leave out of `stop` all but what was received. Safe in a signal handler."""
        self._stopping.ask_again()

    def stop(self) -> None:
        """End acquisition first, so that what was received is finished and written."""
        self._stopping.ask()
        self._wellbeing.stopping.set()
        self._degradation.stop()
        self._drain()
        self._finisher.stop()
        if self._recorder:
            self._recorder.stop()
        self._publisher.stop()
        self._calibrator.stop(LOOK_PATIENCE_S)
        if self._requests:
            self._requests.stop()
        if self._learner:
            self._learner.stop(0.0 if self._stopping.is_hurried else PATIENCE_S)
        if self._current:
            self._current.close()
        if self._health:
            self._health.stop()

    def _drain(self) -> None:
        """Measure what was received, as far as there is time; recorded it is in any case."""
        if not self._acquisition.stop(0.0 if self._stopping.is_hurried else DRAIN_S):
            self._acquisition.leaving_out.reason = FrameSkip.STOPPING
            self._acquisition.stop()

    def _surroundings(self) -> Surroundings:
        return Surroundings(
            self._rotation,
            self._learner,
            self._recorder,
            self._last_calibration_of,
            self._degradation.since,
            lambda store: store is self._current,
        )

    def _health_server(self, address: str) -> HealthServer:
        told = self._wellbeing
        return HealthServer(address, self._metrics.registry, told.live, told.ready, self._settings.allow_remote)

    # ScanListener, called by acquisition

    def opened(self, store: ScanStore) -> None:
        """A scan begins: the learner and the feed turn to it."""
        self._rotation.begin(store.start, store.features_info.get(ORIGIN, {}).get(ROTATION, ""))
        previous, self._current = self._current, store
        if previous and previous.start.shard_count > 1 and self._told_end_of is not previous:
            self._left.append(previous)
        self._opened_unix_s = time.time()
        self._calibrator.work_on(store)
        if self._learner:
            # "off" would tell whoever waits for the last word that none will come.
            store.write_status(ModelStatus(state="waiting", mode=self._settings.learn.mode))
            self._learner.work_on(store.path)
        if previous and previous.read_account().state != "running":
            previous.close()
        event("scan_opened", scan_id=store.start.scan_id, scan_shape=store.shape.scan_shape)

    def closed(self, store: ScanStore) -> None:
        """A scan is over: its results are written as soon as the learner is done with it."""
        account = store.read_account()
        counts = {name: getattr(account.counters, name) for name in ("processed", "refused", "duplicate", "missing")}
        event("scan_closed", scan_id=store.start.scan_id, state=account.state, **counts)
        self._finisher.give(Ended(store, self._opened_unix_s, time.time()))

    def _last_calibration_of(self, store: ScanStore) -> CalibrationFound | None:
        found = self._calibrator.last_word_on(store)
        if found is not None:
            self._calibration_found(store, found)
        return found

    def _calibration_found(self, store: ScanStore, found: CalibrationFound) -> None:
        """Turn the maps as the scan shows it, where settings want that and nobody said anything else."""
        if found.pattern is not None:
            self._acquisition.remember_pattern(store.start, found.pattern)
        rotation = rotation_to_use(found, self._settings.calibration)
        if (
            rotation is not None
            and store is self._current
            and self._rotation.suggest(rotation.rotation_rad, rotation.flip)
        ):
            event("rotation_found", scan_id=store.start.scan_id, rotation_rad=rotation.rotation_rad, flip=rotation.flip)

    def _counted_snapshot(self) -> Snapshot:
        try:
            snapshot = self._snapshot()
        except BaseException:
            self._metrics.snapshots.labels("failed").inc()
            raise
        self._metrics.snapshots.labels("published").inc()
        return snapshot

    def _snapshot(self) -> Snapshot:
        self._serial += 1
        if self._serial == 1 and self._current is None:
            fetch_memory(FIRST_LOOKS_BYTES)
        degradation = self._degradation
        health: Health = replace(
            self._acquisition.health(), degrade_level=int(degradation.level), degrade_reason=degradation.reason
        )
        if self._learner:
            health = replace(health, learner_restarts=self._learner.restarts)
        if self._recorder:
            health = replace(health, frames_recorded=self._recorder.acknowledged, recording_fault=self._recorder.fault)
        store, rotation = self._left.popleft() if self._left else self._current, self._rotation.now
        calibration = None if store is None else self._rotation.of(store.start)
        snapshot = build_snapshot(store, self._settings.instrument, self._serial, health, calibration, self._maps.look)
        if snapshot.state is not ScanState.RUNNING:
            self._told_end_of = store
        return replace(
            snapshot,
            requests_url=self._requests.url if self._requests else None,
            rotation_origin=rotation.origin,
            rotation_locked=rotation.locked,
            found=None if store is None else self._calibrator.found(store),
        )


def _recorder(settings: Settings, metrics: Metrics) -> Recorder | None:
    """Where scans are to be recorded, with what the site says of each."""
    if settings.record is None:
        return None

    def usable(start: ScanStart) -> BoolArray | None:
        return site_word(start, settings).start.pixel_mask if settings.site else None

    return Recorder(
        settings.record, settings.recording, metrics, lambda start: site_word(start, settings).settings, usable
    )
