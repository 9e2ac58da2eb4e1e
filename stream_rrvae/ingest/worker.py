"""The computing thread's work: one scan after another from the hand-over into scan stores."""

from __future__ import annotations

import contextlib
import logging
import threading
from pathlib import Path
from typing import Any, Protocol

from stream_rrvae.byte_queue import QueueClosedError
from stream_rrvae.config import Settings
from stream_rrvae.errors import StoreError, WireError
from stream_rrvae.ingest.disc_before import DiscBefore
from stream_rrvae.ingest.events import Closed, Ended, Opened
from stream_rrvae.ingest.frame_batch import FrameBatch
from stream_rrvae.ingest.hand_over import Batch, HandOver, Item
from stream_rrvae.ingest.keeping_hook import FrameKeeper
from stream_rrvae.ingest.leaving_out import LeavingOut
from stream_rrvae.ingest.meter import Meter
from stream_rrvae.ingest.packed_compute import Measured, PackedCompute
from stream_rrvae.ingest.recording_hook import FrameRecorder
from stream_rrvae.ingest.scan_work import ScanWork, Surroundings
from stream_rrvae.ingest.turning import Turning
from stream_rrvae.ingest.turns import Turns, TurnsFailedError
from stream_rrvae.log import event
from stream_rrvae.messages import Refusal, ScanState
from stream_rrvae.scan_store import ScanStore

log = logging.getLogger(__name__)


class ScanListener(Protocol):
    """Told of every scan, in the computing thread: what it does holds acquisition back."""

    def opened(self, store: ScanStore) -> None:
        """The scan's store is there; from now on it is the listener's to close."""
        ...

    def closed(self, store: ScanStore) -> None:
        """Nothing more will be written to it; its account says how the scan ended."""
        ...


class Worker:
    """`run` is the whole life of a computing thread; several may run it at once.

    They take turns at taking: a batch of messages is measured aside while the next thread takes, anything
    else is carried out by the thread that took it, once all before is done and while nobody else takes.
    """

    def __init__(
        self,
        hand_over: HandOver,
        settings: Settings,
        listener: ScanListener,
        meter: Meter,
        folder: Path,
        threads: int,
        recorder: FrameRecorder | None = None,
        keeper: FrameKeeper | None = None,
        leaving_out: LeavingOut | None = None,
        turning: Turning | None = None,
    ) -> None:
        self._recorder = recorder
        self._opened: Opened | None = None
        self._hand_over = hand_over
        self._listener = listener
        self._meter = meter
        self._turning = turning or Turning()
        self.before = DiscBefore()
        self._around = Surroundings(
            settings, meter, folder, listener.opened, self._refused, keeper, leaving_out, self.before
        )
        self._scan: ScanWork | None = None
        self._taking = threading.Lock()
        self._turns = Turns(ahead=2 * threads)

    def run(self) -> None:
        """Take items until the receiving side has finished; a scan left open is closed as aborted."""
        try:
            while True:
                self._take_one()
        except QueueClosedError:
            self._close_what_is_open()
        except TurnsFailedError:
            log.debug("another computing thread failed")
        except BaseException:
            self._turns.fail()
            self._hand_over.abandon()
            with self._taking:
                if self._scan is not None:
                    self._scan.abandon()
            raise
        finally:
            self._hand_over.abandon()

    def _close_what_is_open(self) -> None:
        with contextlib.suppress(TurnsFailedError), self._taking:
            self._turns.wait()
            self._close(ScanState.ABORTED)

    def _take_one(self) -> None:
        with self._taking:
            item = self._hand_over.get()
            packed = self._scan.packed if self._scan is not None else None
            if packed is None or not isinstance(item, FrameBatch):
                self._turns.wait()
                with self._turning.at_work():
                    self._handle(item)
                return
            turn = self._turns.begin()
        with self._turning.at_work():
            measured = packed.measure(item)
            self._turns.done(turn, lambda: self._keep(packed, measured))

    def _keep(self, packed: PackedCompute, measured: Measured) -> None:
        """In whichever thread is at it, which may be for long: each batch is one that it moved on by."""
        packed.keep(measured)
        self._turning.moved()

    def _handle(self, item: Item | None) -> None:
        try:
            self._carry_out(item)
        except StoreError as error:
            event("scan_not_measured", logging.ERROR, reason=str(error))
            self._scan = None
            self._meter.scan_closed(ScanState.ABORTED, 0)
        finally:
            if isinstance(item, FrameBatch):
                item.release()

    def _carry_out(self, item: Item | None) -> None:
        if isinstance(item, Opened):
            self._opened = item
            self._meter.scan_opened()
            self._scan = ScanWork(item, self._around)
            self._scan.begin()
        elif isinstance(item, Closed):
            self._close(item.state)
        elif self._scan is None:
            if isinstance(item, Batch | FrameBatch):
                self._meter.rejected(Refusal.NO_SCAN, len(item))
        elif isinstance(item, Batch):
            self._scan.take(item.items)
        elif isinstance(item, FrameBatch):
            self._scan.take_batch(item)
        elif isinstance(item, Ended):
            self._scan.end()

    def _close(self, state: ScanState) -> None:
        if self._scan is None:
            return
        scan, self._scan = self._scan, None
        store, missing = scan.close(state)
        self._meter.scan_closed(state, missing)
        self._listener.closed(store)

    def _refused(self, error: WireError, received_s: float) -> None:
        if self._recorder is not None and self._opened is not None and error.frame_number is not None:
            self._recorder.undecodable(self._opened.start, error.frame_number, received_s)
        told: dict[str, Any] = {"scan_id": self._opened.start.scan_id} if self._opened is not None else {}
        number, reason = error.frame_number, str(error.reason)
        event("frame_refused", logging.WARNING, **told, seq=number, reason=reason, detail=error.detail)
