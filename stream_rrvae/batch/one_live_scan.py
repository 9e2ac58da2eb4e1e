"""One scan from a detector, measured and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable

from stream_rrvae.config import Settings
from stream_rrvae.errors import CalibrationError
from stream_rrvae.ingest.acquisition import Acquisition
from stream_rrvae.metrics import new_metrics
from stream_rrvae.scan_store import ScanStore

LOOK_S = 0.1


class _FirstScan:
    """A ScanListener that keeps the first scan that ends and lets go of all others."""

    def __init__(self) -> None:
        self.store: ScanStore | None = None
        self.ended = threading.Event()

    def opened(self, store: ScanStore) -> None:
        """Nothing is done before it is whole."""

    def closed(self, store: ScanStore) -> None:
        """Keep it if it is the first."""
        if self.store is None:
            self.store = store
            self.ended.set()
        else:
            store.close()


def one_live_scan(settings: Settings, ready: Callable[[], None]) -> ScanStore:
    """The store of the first scan that ends at `settings.source`; `ready` is called when one may begin.

    Raises what ended acquisition before, CalibrationError where no scan came.
    """
    first = _FirstScan()
    with Acquisition(settings, new_metrics(), first) as acquisition:
        ready()
        while not first.ended.is_set() and not acquisition.join(LOOK_S):
            pass
    if first.store is None:
        raise CalibrationError("no scan came before the end")
    return first.store
