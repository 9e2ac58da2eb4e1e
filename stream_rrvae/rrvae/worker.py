"""The learner process: told by its pipe which scan store to work on, answers in the store.

May be killed at any moment: all it knows of a scan is in the store and begins there again; only the
model of earlier scans is lost.
"""

from __future__ import annotations

import json
import logging
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from stream_rrvae.config import LearnSettings
from stream_rrvae.errors import CheckpointError, StreamRrvaeError
from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.log import event
from stream_rrvae.messages import ModelStatus
from stream_rrvae.rrvae import checkpoint
from stream_rrvae.rrvae.identity import Origin
from stream_rrvae.rrvae.model import Model
from stream_rrvae.rrvae.preparation import basis_of
from stream_rrvae.rrvae.session import FAILED, READY, Session
from stream_rrvae.scan_store import ScanStore


def run_worker(control: Connection, settings: LearnSettings, level: Callable[[], int] = int) -> None:
    """Work until told to stop or the other end of `control` is gone. Messages are JSON: see `Worker`.

    `level` says what is to be left out now (`messages.DegradeLevel`).
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the service, which tells us
    torch.set_num_threads(settings.threads)
    Worker(control, settings, level).run()


class Worker:
    """Takes {"scan": path} (work on this store from now on) and {"stop": true}; the newest counts."""

    def __init__(self, control: Connection, settings: LearnSettings, level: Callable[[], int] = int) -> None:
        self._control = control
        self._level = level
        self._settings = settings
        self._store: ScanStore | None = None
        self._session: Session | None = None
        self._model: Model | None = None
        self._origin = Origin()  # of the model

    def run(self) -> None:
        """The loop: a message when there is one, else the session's next step when it is due."""
        wait_s: float | None = None
        try:
            while True:
                if self._control.poll(wait_s):
                    message = json.loads(self._control.recv_bytes())
                    if message.get("stop"):
                        return
                    self._begin(Path(message["scan"]))
                wait_s = self._step()
        except EOFError:
            event("learner_left_alone", logging.WARNING)
        finally:
            self._leave()

    def _begin(self, path: Path) -> None:
        self._leave()
        try:
            self._store = ScanStore.attach(path)
        except StreamRrvaeError as error:
            event("scan_not_found", logging.WARNING, detail=str(error))
            return
        if self._store.read_status().state == READY:
            return
        try:
            model = self._model_for(basis_of(self._store), self._store.shape.n_latents)
            self._session = Session(self._store, self._settings, model, self._origin, self._level)
        except (StreamRrvaeError, TypeError, ValueError) as error:
            self._refuse(str(error))

    def _model_for(self, basis: BasisSpec, latents: int) -> Model | None:
        """The model to begin with: that of the previous scan, else the checkpoint's, else none."""
        kept = self._model
        if kept is not None and (kept.basis, kept.latents) == (basis, latents):
            self._origin = self._origin.after_a_scan()
            return kept
        self._origin = Origin()
        if self._settings.checkpoint is None:
            if self._settings.mode == "apply":
                raise ValueError("mode apply needs a checkpoint: give one, or use mode finetune")
            return None
        stored = checkpoint.load(self._settings.checkpoint)
        checkpoint.require_fit(stored, basis)
        model = stored.model(self._settings.device)
        if model.latents != latents:
            raise CheckpointError(f"the checkpoint has {model.latents} latents, the scan is set up for {latents}")
        self._origin = Origin("checkpoint", checkpoint.content_hash(stored))
        return model

    def _step(self) -> float | None:
        """One step of the session; whatever goes wrong in it ends this scan's learning, not the process."""
        session = self._session
        if session is None:
            return None
        try:
            wait_s = session.step()
        except Exception as error:
            event("learning_failed", logging.ERROR, error=error)
            session.fail(f"{type(error).__name__}: {error}"[:1000])
            self._model = self._session = None
            return None
        self._model, self._origin = session.model, session.origin
        if wait_s is None:
            self._session = None
        return wait_s

    def _refuse(self, detail: str) -> None:
        event("scan_not_learnable", logging.ERROR, detail=detail)
        assert self._store is not None
        before = self._store.read_status()
        self._store.write_status(ModelStatus(before.version, FAILED, self._settings.mode, detail[:1000]))

    def _leave(self) -> None:
        self._session = None
        if self._store is not None:
            self._store.close()
            self._store = None
