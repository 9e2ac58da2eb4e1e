"""A service as a process and what can be seen of it: its feed, its log, its memory."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

import psutil

from stream_rrvae.commands.children import Child
from stream_rrvae.errors import FeedError, StreamRrvaeError
from stream_rrvae.feed.subscriber import Subscriber
from stream_rrvae.messages import Snapshot

FREE_PORT = "tcp://127.0.0.1:*"
PATIENCE_S = 180.0
START_PATIENCE_S = 400.0  # a first start compiles the kernels
LOOK_S = 0.5


class Serving:
    """`stream-rrvae serve` with its feed in `folder`; ready when made. Raises StreamRrvaeError when it is not."""

    def __init__(self, source: str, folder: Path, *arguments: str) -> None:
        self.feed = f"ipc://{folder}/feed"
        begun_s = time.monotonic()
        self.child = Child(
            "service", "stream_rrvae", "serve", "--source", source, "--feed", self.feed, *arguments, log=True
        )
        try:
            self.child.line_with("ready", START_PATIENCE_S)
        except BaseException:
            self.child.stop()
            raise
        self.start_s = time.monotonic() - begun_s
        self.viewer = Subscriber(self.feed)
        self.process = psutil.Process(self.child.process.pid)

    def until(self, wanted: Callable[[Snapshot], bool], patience_s: float = PATIENCE_S) -> Snapshot:
        """The first snapshot that is as wanted. Raises StreamRrvaeError when none comes."""
        give_up_s = time.monotonic() + patience_s
        while time.monotonic() < give_up_s:
            snapshot = self.look()
            if snapshot is not None and wanted(snapshot):
                return snapshot
        raise StreamRrvaeError(f"the service did not come to what was waited for within {patience_s:.0f} s")

    def look(self, timeout_s: float = LOOK_S) -> Snapshot | None:
        """The newest snapshot. Raises StreamRrvaeError when the service has failed."""
        self.child.check()
        try:
            return self.viewer.receive(timeout_s)
        except FeedError as error:
            raise StreamRrvaeError(f"the service published what cannot be read: {error}") from error

    def watch(self, seconds: float) -> list[Snapshot]:
        """All snapshots that can be had in so long."""
        until_s, found = time.monotonic() + seconds, []
        while (left_s := until_s - time.monotonic()) > 0:
            snapshot = self.look(min(left_s, LOOK_S))
            if snapshot is not None:
                found.append(snapshot)
        return found

    def latest_after(self, seconds: float) -> Snapshot:
        """The last snapshot of so long, or the first after it. Raises StreamRrvaeError when none comes."""
        seen = self.watch(seconds)
        return seen[-1] if seen else self.until(lambda _: True)

    def next_event(self, name: str) -> dict[str, Any]:
        """The next event of this name in the log."""
        while True:
            line = json.loads("{" + self.child.line_with("{", PATIENCE_S))
            if line.get("event") == name:
                return dict(line)

    def kill(self) -> None:
        """SIGKILL, to it alone; what it started is left to end by itself."""
        self.child.process.kill()
        self.child.process.wait()

    @contextmanager
    def frozen(self, process: psutil.Process) -> Iterator[None]:
        """SIGSTOP, and SIGCONT at the end."""
        process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            process.send_signal(signal.SIGCONT)

    def learner(self) -> psutil.Process:
        """The learner's process."""
        return next(child for child in self.process.children() if "spawn_main" in " ".join(child.cmdline()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.viewer.close()
        self.child.stop()


@contextmanager
def served(source: str, *arguments: str) -> Iterator[Serving]:
    """A service for a while."""
    with TemporaryDirectory(prefix="stream-rrvae-trust-") as folder, Serving(source, Path(folder), *arguments) as made:
        yield made


@contextmanager
def simulated(*arguments: str, protocol: str = "dectris-v2") -> Iterator[str]:
    """A simulated detector; gives the source to serve from."""
    with Child("simulator", "detector_sim", "--protocol", protocol, "--bind", FREE_PORT, *arguments) as child:
        address = child.line_with("bound tcp://")
        yield f"{'native+pull' if protocol == 'native' else protocol}://{address}"
