"""Dask: a scheduler that is there, or processes of our own on this machine.

Dask runs whatever a client sends it. Beyond this machine that takes TLS with certificates on all sides; the local
cluster is bound to loopback and has a certificate of its own, made for the run, which other users here do not have.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stream_rrvae.errors import ConfigError, SecurityError
from stream_rrvae.security import is_local

CONNECT_S = 30.0
LOOPBACK = "127.0.0.1"
WANTED = "analysing on several processes needs Dask: pip install 'stream-rrvae[dask]'"


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """Where to work: at `scheduler`, else in `workers` processes here (None: one a core)."""

    scheduler: str | None = None
    workers: int | None = None
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    allow_remote: bool = False  # a scheduler beyond this machine without TLS
    connect_s: float = CONNECT_S

    def check(self) -> None:
        """Raises ConfigError when its parts do not go together."""
        if self.scheduler is None and any(self.tls_files):
            raise ConfigError("--tls-ca, --tls-cert and --tls-key are for a --scheduler: say which")
        if self.scheduler is not None and self.workers is not None:
            raise ConfigError("--workers are processes here, --scheduler has its own: choose one of them")

    @property
    def wanted(self) -> bool:
        """Whether it was asked for."""
        return self.scheduler is not None or self.workers is not None

    @property
    def tls_files(self) -> tuple[Path | None, ...]:
        return self.tls_ca, self.tls_cert, self.tls_key


def dask_is_there() -> bool:
    """Whether Dask is installed with what it needs for TLS."""
    try:
        import cryptography  # noqa: F401
        import distributed  # noqa: F401
    except ImportError:
        return False
    return True


@contextmanager
def connected(options: ClusterOptions) -> Iterator[Any]:
    """A `distributed.Client` with at least one worker. Raises ConfigError or SecurityError that says what to do."""
    options.check()
    if not dask_is_there():
        raise ConfigError(WANTED)
    with _at_scheduler(options) if options.scheduler else _here(options.workers) as client:
        try:
            client.wait_for_workers(1, timeout=options.connect_s)
        except TimeoutError as error:
            raise ConfigError(
                f"no worker at {options.scheduler} within {options.connect_s:.0f} s: start dask worker"
            ) from error
        yield client


@contextmanager
def _here(workers: int | None) -> Iterator[Any]:
    import dask
    from distributed import Client, LocalCluster, Security

    # The web server of Dask cannot be left out; without routes it answers nothing, also to other users here.
    quiet: dict[str, list[str]] = {"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}
    with dask.config.set(quiet), ExitStack() as stack:
        with _interrupts_for_us_alone():
            cluster = LocalCluster(
                n_workers=workers or len(os.sched_getaffinity(0)),
                threads_per_worker=1,
                host=LOOPBACK,
                protocol="tls://",
                security=Security.temporary(),
                dashboard_address=f"{LOOPBACK}:0",
                scheduler_kwargs={"dashboard": False},
                silence_logs=logging.CRITICAL,
            )
            stack.enter_context(cluster)
            client = stack.enter_context(Client(cluster, timeout=CONNECT_S, set_as_default=False))
        yield client


@contextmanager
def _interrupts_for_us_alone() -> Iterator[None]:
    """Threads and processes that are started meanwhile never see Ctrl-C; one that comes meanwhile is told of after."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _at_scheduler(options: ClusterOptions) -> Iterator[Any]:
    from distributed import Client
    from distributed.utils import silence_logging_cmgr

    address = options.scheduler or ""
    address = address if "://" in address else f"tcp://{address}"
    security = _security(options)
    if security is None and not (is_local(address) or options.allow_remote):
        raise SecurityError(
            f"{address} is beyond this machine and runs whatever it is sent: use tls:// with --tls-ca, --tls-cert and "
            "--tls-key, or say --allow-remote on a closed network"
        )
    client, fault = None, ""
    try:
        client = Client(address, security=security, timeout=options.connect_s, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        fault = str(error)
    if client is None:
        gc.collect()  # now and here: half a client that ends in the thread of the next one stops that for ever
        raise ConfigError(f"cannot reach the Dask scheduler {address}: {fault}")
    with silence_logging_cmgr(logging.CRITICAL), client:  # what goes wrong there is told by us, in a line
        yield client


def _security(options: ClusterOptions) -> Any:
    from distributed import Security

    if not any(options.tls_files):
        return None
    for option, file in zip(("--tls-ca", "--tls-cert", "--tls-key"), options.tls_files, strict=True):
        if file is None or not file.is_file():
            raise ConfigError(f"TLS needs all three files: {option} is {'missing' if file is None else 'not there'}")
    ca, cert, key = (str(file) for file in options.tls_files)
    return Security(tls_ca_file=ca, tls_client_cert=cert, tls_client_key=key, require_encryption=True)
