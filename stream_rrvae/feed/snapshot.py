"""A snapshot of the service at this moment, from the scan store and what it knows of itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from stream_rrvae.calibration.origin import ORIGIN
from stream_rrvae.maps.products import ScanMaps, scan_maps
from stream_rrvae.messages import Calibration, Counters, Health, ModelStatus, Plain, ScanState, Snapshot
from stream_rrvae.scan_store import ScanStore

METADATA_LIMIT = 64
METADATA_TEXT_LIMIT = 256

Look = Callable[[ScanStore, Calibration], ScanMaps]


def build_snapshot(
    store: ScanStore | None,
    instrument: str,
    serial: int,
    health: Health,
    calibration: Calibration | None = None,
    look: Look | None = None,
) -> Snapshot:
    """What viewers get: every map of `store` as it is now, or an idle service without a store.

    `serial` counts the snapshots of one service, from 1; `calibration` None = as the scan began. `look` makes the
    maps, None = all of them anew: see `maps.growing`.
    """
    if store is None:
        return idle_snapshot(instrument, serial, health)
    account = store.read_account()
    calibration = calibration or store.start.calibration
    maps = look(store, calibration) if look else scan_maps(store, calibration=calibration)
    latest = store.read_pattern()
    mean = store.read_mean() if _is_wanted_by_mergers(store, account.state) else None
    return Snapshot(
        instrument=instrument,
        serial=serial,
        published_unix_s=time.time(),
        state=account.state,
        scan_id=store.start.scan_id,
        scan_shape=store.shape.scan_shape,
        calibration=calibration,
        counters=account.counters,
        health=health,
        model=store.read_status(),
        axes=maps.axes,
        maps=maps.maps,
        units=maps.units,
        pattern=None if latest is None else latest[1],
        pattern_position=None if latest is None else _position(latest[0], store.shape.scan_shape),
        metadata=shown_metadata(store.start.metadata),
        shard_id=store.start.shard_id,
        shard_count=store.start.shard_count,
        shard_lines=store.start.shard_lines,
        descan_removed=maps.descan,
        calibration_origin=store.features_info.get(ORIGIN, {}),
        path=store.start.path,
        not_made=maps.not_made,
        mean_pattern=None if mean is None else mean[1],
        mean_frames=0 if mean is None else mean[0],
    )


def _is_wanted_by_mergers(store: ScanStore, state: ScanState) -> bool:
    """The mean pattern is final when the scan is over, and every part's own: of whole scans it is in the results."""
    return store.start.shard_count > 1 and state is not ScanState.RUNNING


def shown_metadata(metadata: Mapping[str, Plain]) -> dict[str, Plain]:
    """What of a detector's metadata a viewer can show: short single values, not whole tables."""
    shown = {str(name): value for name, value in metadata.items() if _is_short(value)}
    return dict(list(shown.items())[:METADATA_LIMIT])


def _is_short(value: Plain) -> bool:
    if isinstance(value, str):
        return len(value) <= METADATA_TEXT_LIMIT
    return isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 2**63)


def _position(number: int, scan_shape: tuple[int, int]) -> tuple[int, int]:
    return number // scan_shape[1], number % scan_shape[1]


def idle_snapshot(instrument: str, serial: int, health: Health) -> Snapshot:
    """A service without a scan."""
    return Snapshot(
        instrument=instrument,
        serial=serial,
        published_unix_s=time.time(),
        state=ScanState.IDLE,
        scan_id="",
        scan_shape=(0, 0),
        calibration=Calibration(),
        counters=Counters(),
        health=health,
        model=ModelStatus(),
        axes="detector",
        maps={},
        units={},
    )
