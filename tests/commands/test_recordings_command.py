"""`recordings` and `dashboard --recordings` as processes: they answer, analyse, export, come back, and open no path."""

from __future__ import annotations

import io
import json
import os
import signal
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from stream_rrvae.archive.listing import id_of
from stream_rrvae.commands.children import Child
from stream_rrvae.errors import RequestError
from stream_rrvae.feed.asker import Asker
from stream_rrvae.messages import Calibration, ScanStart
from stream_rrvae.security import read_key
from stream_rrvae.wire.pixels import encode_bslz4

SCAN_SHAPE, FRAME_SHAPE = (8, 10), (32, 32)
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, record: Callable[..., Path]) -> Path:
    """One recording of a disc, without maps."""
    made = tmp_path_factory.mktemp("recordings")
    ky, kx = np.indices(FRAME_SHAPE)
    inside = np.hypot(ky - 15.5, kx - 15.5) < 10.4
    n = SCAN_SHAPE[0] * SCAN_SHAPE[1]
    frames = np.random.default_rng(0).poisson(6.0 * inside, (n, *FRAME_SHAPE)).astype(np.uint16)
    calibration = Calibration(mrad_per_px=2.0, beam_center_px=(15.5, 15.5), disc_radius_px=10.4)
    start = ScanStart("run-1", 1, FRAME_SHAPE, "uint16", n, SCAN_SHAPE, calibration=calibration)
    record(made, start, [encode_bslz4(frame) for frame in frames], list(range(n)))
    return made


@pytest.fixture
def asker(folder: Path, tmp_path: Path) -> Iterator[Asker]:
    at = ("--requests", f"ipc://{tmp_path}/requests", "--requests-key", str(tmp_path / "key"))
    results = ("--results", str(tmp_path / "results"))
    with Child("recordings", "stream_rrvae", "recordings", "--folder", str(folder), *at, *results) as child:
        url = child.line_with("answering")
        made = Asker(url, read_key(tmp_path / "key"))
        yield made
        made.close()
        child.process.send_signal(signal.SIGTERM)
        assert child.process.wait(20) == 0


def ask(asker: Asker, what: str, /, **arguments: Any) -> dict[str, Any]:
    return asker.ask(what, arguments, timeout_s=PATIENCE_S).result()


def wait_for(told: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Until a job has ended; it has no way to call us."""
    while (status := told())["state"] == "running":
        time.sleep(0.05)
    return status


def test_a_recording_is_analysed_and_exported(asker: Asker, tmp_path: Path) -> None:
    run = id_of("run-1")
    begun = ask(asker, "analyse", id=run, mode="off")
    assert (begun["state"], begun["about"]["name"]) == ("running", "run-1")
    with pytest.raises(RequestError, match="one analysis runs already"):
        ask(asker, "analyse", id=run, mode="off")
    ended = wait_for(lambda: ask(asker, "job"))
    assert ended["state"] == "done", ended
    (made,) = ask(asker, "open", id=run)["analyses"]
    assert (made["id"], made["name"].endswith("-measured")) == (begun["about"]["results"], True)
    reasons = ask(asker, "open", id=run, results=made["id"])["not_made"]
    assert reasons["charge_density"].startswith("the rotation of the detector")
    values = ask(asker, "map", id=run, results=made["id"], name="com_magnitude")["map"]
    (file,) = (tmp_path / "results" / "run-1").iterdir()
    with h5py.File(file) as results:
        np.testing.assert_array_equal(values, results["entry/maps/com_magnitude"][()])
    for wanted, ending in (("hdf5", ".h5"), ("csv", ".csv")):
        token = ask(asker, "export", id=run, results=made["id"], format=wanted)["about"]["token"]
        told = wait_for(lambda token=token: ask(asker, "exported", token=token))  # type: ignore[misc]  # bound now
        assert told["state"] == "done", told
        assert told["name"].endswith(ending)
        content = ask(asker, "file", token=token, offset=0)["bytes"]
        assert len(content) == told["size_bytes"]
        if wanted == "hdf5":
            with h5py.File(io.BytesIO(content)) as copy, h5py.File(file) as results:
                assert copy["entry/definition"][()] == results["entry/definition"][()]
                np.testing.assert_array_equal(copy["entry/maps/sum"][()], results["entry/maps/sum"][()])
    with pytest.raises(RequestError, match="not there"):
        ask(asker, "file", token="../../etc/passwd", offset=0)


def test_an_analysis_that_cannot_be_is_told_in_a_line(asker: Asker, folder: Path) -> None:
    run = id_of("run-1")
    for arguments in (
        {"mode": "apply", "checkpoint": "../../etc/passwd"}, {"mode": "apply"}, {"mode": "off; rm"},
    ):  # fmt: skip
        with pytest.raises(RequestError):
            ask(asker, "analyse", id=run, **arguments)
    ask(asker, "analyse", id=run, mode="apply", checkpoint="pretrained")
    assert ask(asker, "cancel")["state"] == "cancelled"
    assert ask(asker, "job")["state"] == "cancelled"
    assert ask(asker, "list")["recordings"][0]["name"] == "run-1"


def fetch(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def led_to(url: str) -> str:
    with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
        return str(answer.url)


PATHS = [
    "../../../../etc/passwd", "/etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e/", "run-1", "run-1/master.h5", "a\x00b",
    "", "....//", "file:///etc/passwd", "0" * 16, "0" * 500, "<script>", "\u2025/",
    "%2e%2e/%2e%2e/etc/passwd", "%252e%252e%252f", "..\\..\\etc", "/proc/self/environ", "../" * 300 + "etc/passwd",
]  # fmt: skip


def test_over_http_only_ids_lead_anywhere_and_a_reader_that_dies_comes_back(folder: Path) -> None:
    more = ("--port", "0", "--feed", "tcp://127.0.0.1:9")
    with Child("dashboard", "stream_rrvae", "dashboard", "--recordings", str(folder), *more) as child:
        base = f"http://{child.line_with('http://')}".removesuffix("/live")
        for path in PATHS:
            for page in ("recordings/thumbnail?name=com_magnitude&id=", "recordings/export?format=csv&id="):
                status, body = fetch(f"{base}/{page}{urllib.parse.quote(path)}")
                assert status in (400, 404, 409), (page, path)
                assert b"root:" not in body and str(folder).encode() not in body
            for page in (
                f"recordings/thumbnail?id={id_of('run-1')}&name=",
                f"recordings/export?id={id_of('run-1')}&format=",
            ):
                assert fetch(f"{base}/{page}{urllib.parse.quote(path)}")[0] in (400, 404, 409)
            assert fetch(f"{base}/recordings/{urllib.parse.quote(path)}")[0] == 404
        assert led_to(f"{base}/recordings/of?scan=nobodys%20scan") == f"{base}/replay?search=nobodys+scan"
        assert led_to(f"{base}/recordings/of?scan=run-1") == f"{base}/replay?run={id_of('run-1')}"
        assert fetch(f"{base}/replay?run=..%2F..%2Fetc&results=%2Fetc%2Fpasswd&compare=%00&probe=..,..")[0] == 200
        (reader,) = readers_of(child.process.pid)
        os.kill(reader, signal.SIGKILL)
        while not (again := [pid for pid in readers_of(child.process.pid) if pid != reader]):
            time.sleep(0.05)
        status, body = fetch(f"{base}/recordings/export?format=png&id={id_of('run-1')}")
        assert (status, b"not exported" in body) == (409, True)  # it was asked: this recording has no maps
        child.process.send_signal(signal.SIGTERM)
        assert child.process.wait(30) == 0
    with pytest.raises(ProcessLookupError):
        os.kill(again[0], 0)


def readers_of(parent: int) -> list[int]:
    """Ids of the children of a process."""
    listed = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    threads = [path.read_text().split() for path in Path(f"/proc/{parent}/task").glob("*/children")]
    return sorted({int(pid) for pids in (listed, *threads) for pid in pids})


@pytest.mark.slow  # matplotlib draws every map
def test_pictures_come_in_one_file(asker: Asker) -> None:
    pytest.importorskip("matplotlib")
    run = id_of("run-1")
    ask(asker, "analyse", id=run, mode="off")
    assert wait_for(lambda: ask(asker, "job"))["state"] == "done"
    made = ask(asker, "open", id=run)["analyses"][0]["id"]
    token = ask(asker, "export", id=run, results=made, format="png")["about"]["token"]
    told = wait_for(lambda: ask(asker, "exported", token=token))
    assert (told["state"], told["name"]) == ("done", "run-1.zip"), json.dumps(told)
    with zipfile.ZipFile(io.BytesIO(ask(asker, "file", token=token, offset=0)["bytes"])) as pictures:
        names = pictures.namelist()
        assert any("com_magnitude" in name for name in names)
        assert all(pictures.read(name).startswith(b"\x89PNG") for name in names)
