"""Two services, each with a shard of every scan, and one feed of the whole: as processes, over real sockets."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from stream_rrvae.commands.children import Child
from stream_rrvae.curve import ClientKeys, client_keys, make_certificate
from stream_rrvae.errors import RequestError
from stream_rrvae.feed.asker import Asker
from stream_rrvae.feed.subscriber import Subscriber
from stream_rrvae.maps.merged_results import merge_results
from stream_rrvae.maps.results import summary
from stream_rrvae.messages import Counters, ScanState, Snapshot
from stream_rrvae.security import make_key

SCAN = ("--detector", "48x48:uint16", "--dose", "50000", "--scan-shape", "16x16")
TWO = ("--bind", "tcp://127.0.0.1:*") * 2
APPLY = ("--mode", "apply", "--checkpoint", "pretrained")


class Site:
    """A simulated detector, a service for each of its endpoints, and what merges their feeds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stack = ExitStack()
        self.endpoints: list[str] = []

    def start(self, name: str, module: str, *arguments: str, log: bool = False) -> Child:
        return self.stack.enter_context(Child(name, module, *arguments, log=log))

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

    def merge(self, *options: str, keys: ClientKeys | None = None) -> Subscriber:
        whole = f"ipc://{self.folder}/whole"
        feeds = ("--feed", self.feed(1), "--feed", self.feed(0))
        self.merger = self.start("merge", "stream_rrvae", "merge", *feeds, "--to", whole, *options, log=True)
        self.merger.line_with("ready")
        subscriber = Subscriber(whole, keys)
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


def test_the_merged_scan_is_written_and_can_be_asked_by_who_has_a_key(site: Site, tmp_path: Path) -> None:
    key, whole, links = tmp_path / "requests.key", f"ipc://{tmp_path}/ask-whole", Links(tmp_path)
    site.simulate("--scans", "1")
    asked = ("--requests", whole, "--requests-key", str(key))
    feed = site.merge(
        "--out", str(tmp_path / "merged"), *asked, *links.of_merger, keys=links.client("viewer", "merger")
    )
    urls = [f"ipc://{tmp_path}/ask-{shard}" for shard in (0, 1)]
    services = [
        site.serve(shard, "--mode", "off", "--requests", url, "--requests-key", str(key), *links.of_service)
        for shard, url in enumerate(urls)
    ]
    last = until(feed, lambda s: s.state is ScanState.COMPLETE)
    assert last.requests_url == whole
    written = logged(site.merger, "results_written")["path"]  # before the scan is turned
    with ExitStack() as stack:
        to_services = [Asker(url, make_key(key), links.client("viewer", "service")) for url in urls]
        to_merger = [Asker(whole, make_key(key), links.client(who, "merger")) for who in ("viewer", "stranger")]
        for asker in (*to_services, *to_merger):
            stack.callback(asker.close)
        unanswered = to_merger[1].ask("kept", timeout_s=1.0)
        shards, merged = [partial(answer_of, asker) for asker in to_services], partial(answer_of, to_merger[0])
        for y, owner in ((0, 0), (3, 1), (15, 1)):
            answer, own = merged("pattern", y=y, x=5, exact=True), shards[owner]("pattern", y=y, x=5, exact=True)
            np.testing.assert_array_equal(answer.pop("pattern"), own.pop("pattern"))
            assert answer == own and answer["exact"]
        with pytest.raises(RequestError, match="y must be a whole number from 0 to 15"):
            merged("pattern", y=16, x=0)
        assert merged("kept")["positions"] == 256
        assert merged("set_rotation", degrees=30)["degrees"] == pytest.approx(30)
        assert [ask("rotation")["degrees"] for ask in shards] == pytest.approx([30, 30])
        disc = merged("virtual_detector", outer=7.5)
        assert disc["coverage"] == 1.0 and np.isfinite(disc["map"]).all() and "note" not in disc
        centre = {name: disc[name] for name in ("center_ky", "center_kx")}
        for lines, ask in zip((slice(0, 2), slice(2, 4)), shards, strict=True):
            own_map = ask("virtual_detector", outer=7.5, **centre)["map"]
            np.testing.assert_array_equal(disc["map"][lines], own_map[lines])
        with pytest.raises(RequestError, match="did not answer"):
            unanswered.result()
        services[0].process.kill()
        assert_asked_without(0, merged, disc["map"])
    together = merge_results(sorted((tmp_path / "out").glob("*.results.h5")), tmp_path / "together.h5")
    assert_same_scan(Path(written), together)


class Links:
    """Certificates of all ends of a site's links, of which the stranger's is not known to anybody."""

    def __init__(self, folder: Path) -> None:
        self._folder, known = folder / "keys", folder / "known"
        known.mkdir(mode=0o755)
        for name in ("service", "merger", "viewer", "stranger"):
            public, _ = make_certificate(self._folder, name)
            if name != "stranger":
                (known / public.name).hardlink_to(public)
        self.of_service = (*self._own("service"), "--curve-clients", str(known))
        server = ("--curve-server", str(self._folder / "service.key"))
        self.of_merger = (*self._own("merger"), "--curve-clients", str(known), *server)

    def client(self, name: str, server: str) -> ClientKeys | None:
        return client_keys(self._folder / f"{name}.key_secret", self._folder / f"{server}.key")

    def _own(self, name: str) -> tuple[str, str]:
        return "--curve-key", str(self._folder / f"{name}.key_secret")


def assert_asked_without(dead: int, merged: Callable[..., dict[str, Any]], before: np.ndarray | None = None) -> None:
    """The service of shard `dead` was killed a moment ago: all but its lines are answered for, and it is named."""
    says = rf"shard {dead} \(ipc://.*/shard-{dead}\) says nothing any more: see whether its service runs"
    disc = merged("virtual_detector", outer=7.5)
    lines = np.arange(16) // 2 % 2 != dead
    assert np.isnan(disc["map"][~lines]).all() and 0 < disc["coverage"] <= 0.5
    if before is not None:
        np.testing.assert_array_equal(disc["map"][lines], before[lines])
    assert re.fullmatch(f"without {says}", disc["note"])
    with pytest.raises(RequestError, match=says):
        merged("pattern", y=2 * dead, x=5)
    assert merged("pattern", y=2 * (1 - dead), x=5)["y"] // 2 % 2 == 1 - dead
    kept, told = merged("kept"), merged("set_rotation", degrees=60)
    assert 0 < kept["positions"] <= 128 and re.fullmatch(f"without {says}", kept["note"])
    assert told["degrees"] == pytest.approx(60) and re.search(f"say it again .* {says}", told["note"])


def logged(child: Child, name: str) -> dict[str, Any]:
    """The next line of its log that is of this event."""
    while True:
        line: dict[str, Any] = json.loads("{" + child.line_with("{"))
        if line["event"] == name:
            return line


def answer_of(asker: Asker, name: str, **arguments: Any) -> dict[str, Any]:
    return asker.ask(name, arguments, timeout_s=30).result()


def assert_same_scan(live: Path, of_files: Path) -> None:
    """What was written of the feeds is what is made of the shards' own files; these were not turned."""
    with h5py.File(live) as found, h5py.File(of_files) as expected:
        for name in ("entry/scan_id", "entry/state", "entry/definition"):
            assert found[name][()] == expected[name][()]
        mean = "entry/geometry/mean_pattern"
        np.testing.assert_array_equal(found[mean][()], expected[mean][()])
        assert dict(found[mean].attrs) == dict(expected[mean].attrs) and found[mean].attrs["frames"] > 100
        for name in ("sum", "com_magnitude", "coverage", "bright_field"):
            np.testing.assert_array_equal(found[f"entry/maps/{name}"][()], expected[f"entry/maps/{name}"][()])
            assert found[f"entry/maps/{name}"].attrs["units"] == expected[f"entry/maps/{name}"].attrs["units"]
        for name in ("frames_processed", "frames_missing", "frames_expected", "degrade_level_highest"):
            assert found[f"entry/quality/{name}"][()] == expected[f"entry/quality/{name}"][()]
        assert set(expected["entry/maps"]) <= set(found["entry/maps"])
    assert "256 frames received, 0 missing" in summary(live)


@pytest.mark.slow
def test_a_shard_killed_in_the_middle_of_a_scan_is_named_to_who_asks(site: Site) -> None:
    key, whole = site.folder / "requests.key", f"ipc://{site.folder}/ask-whole"
    site.simulate("--rate", "20", "--scans", "1")
    feed = site.merge("--requests", whole, "--requests-key", str(key))
    asked = [("--requests", f"ipc://{site.folder}/ask-{shard}", "--requests-key", str(key)) for shard in (0, 1)]
    services = [site.serve(shard, "--mode", "off", *asked[shard]) for shard in (0, 1)]
    until(feed, lambda s: s.counters.processed > 100)
    services[1].process.kill()
    with closing(Asker(whole, make_key(key))) as asker:
        assert_asked_without(1, partial(answer_of, asker))


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
