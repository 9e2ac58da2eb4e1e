"""Two services, each with a shard of every scan, and one feed of the whole: as processes, over real sockets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import h5py
import numpy as np
import pytest

from stream_rrvae.commands.children import Child
from stream_rrvae.feed.subscriber import Subscriber
from stream_rrvae.messages import Counters, ScanState, Snapshot

SCAN = ("--detector", "48x48:uint16", "--dose", "50000", "--scan-shape", "16x16")
TWO = ("--bind", "tcp://127.0.0.1:*") * 2
APPLY = ("--mode", "apply", "--checkpoint", "pretrained")


class Site:
    """A simulated detector, a service for each of its endpoints, and what merges their feeds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stack = ExitStack()
        self.endpoints: list[str] = []

    def start(self, name: str, module: str, *arguments: str) -> Child:
        return self.stack.enter_context(Child(name, module, *arguments))

    def simulate(self, *options: str) -> None:
        """`options` over those of two shards, two lines in turn."""
        shards = ("--protocol", "dectris-v2", *TWO, "--deal", "shards", "--shard-lines", "2")
        simulator = self.start("simulator", "detector_sim", *SCAN, *shards, *options)
        self.endpoints = [simulator.line_with("bound tcp://") for _ in range(2)]

    def serve(self, shard: int, *options: str) -> Child:
        """Start the service of `shard`; it may be started again."""
        source, out = f"dectris-v2://{self.endpoints[shard]}", str(self.folder / "out")
        service = self.start(
            f"service of shard {shard}", "stream_rrvae", "serve", "--source", source, "--feed", self.feed(shard),
            "--out", out, *options,
        )  # fmt: skip
        service.line_with("ready")
        return service

    def feed(self, shard: int) -> str:
        return f"ipc://{self.folder}/shard-{shard}"

    def merge(self) -> Subscriber:
        whole = f"ipc://{self.folder}/whole"
        feeds = ("--feed", self.feed(1), "--feed", self.feed(0))
        self.start("merge", "stream_rrvae", "merge", *feeds, "--to", whole).line_with("ready")
        subscriber = Subscriber(whole)
        self.stack.callback(subscriber.close)
        return subscriber


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    with made.stack:
        yield made


def until(feed: Subscriber, wanted: Callable[[Snapshot], bool]) -> Snapshot:
    """The first snapshot that is as wanted; the suite's timeout ends a wait in vain. All of them keep the account."""
    while True:
        snapshot = feed.receive(1.0)
        if snapshot is not None:
            counters = snapshot.counters
            assert counters.expected == counters.received + counters.missing
            assert counters.received == counters.processed + counters.refused + counters.duplicate
            if wanted(snapshot):
                return snapshot


def results(folder: Path) -> list[dict[str, np.ndarray]]:
    found = []
    for path in sorted(folder.glob("*.results.h5")):
        with h5py.File(path) as file:
            found.append({name: data[()] for name, data in file["entry/maps"].items() if data.ndim == 2})
    return found


def test_two_shards_make_one_scan_and_one_model_makes_one_map(site: Site, tmp_path: Path) -> None:
    site.simulate("--scans", "1")
    feed = site.merge()
    services = [site.serve(shard, "--scans", "1", *APPLY) for shard in (0, 1)]
    last = until(feed, lambda s: s.state is ScanState.COMPLETE and s.model.state == "ready")
    assert last.counters == Counters(256, 256, 0, 256, 0, 0, 0, {})
    assert [shard.state for shard in last.shards] == ["complete", "complete"]
    assert np.isfinite(last.maps["com_magnitude"]).all()
    assert np.isfinite(last.maps["rotation"]).all(), "one checkpoint applied: the shards' maps fit together"
    assert all(service.process.wait(60) == 0 for service in services)
    even, odd = results(tmp_path / "out")
    lines = np.arange(16) // 2 % 2 == 0
    for name in ("com_x", "sum", "rotation", "latent_1"):
        assert np.isnan(even[name][~lines]).all() and np.isnan(odd[name][lines]).all()
        together = np.where(lines[:, None], even[name], odd[name])
        if name == "latent_1":  # shards count it from where the checkpoint says, the scan from its mean
            together -= together.mean()
        np.testing.assert_allclose(last.maps[name], together, atol=1e-5)


@pytest.mark.slow
def test_a_shard_that_dies_and_comes_back(site: Site) -> None:
    site.simulate("--rate", "150")
    feed = site.merge()
    dying = [site.serve(shard, "--mode", "off") for shard in (0, 1)][1]
    until(feed, lambda s: s.counters.processed > 50)
    dying.process.kill()
    without = until(feed, lambda s: [shard.state for shard in s.shards] == ["running", "silent"])
    assert without.state is ScanState.RUNNING
    lines = np.arange(16) // 2 % 2 == 0
    alone = until(feed, lambda s: s.shards != () and s.scan_id != without.scan_id and s.counters.processed > 100)
    assert np.isnan(alone.maps["com_x"][~lines]).all() and np.isfinite(alone.maps["com_x"][lines]).any()
    site.serve(1, "--mode", "off")
    again = until(feed, lambda s: s.state is ScanState.COMPLETE)
    assert np.isfinite(again.maps["com_x"]).all()
