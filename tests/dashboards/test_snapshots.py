"""Snapshots: made once, fetched by who knows the name, and bounded."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import Callable

import h5py
import numpy as np
import pytest
from PIL import Image
from tornado.httpclient import AsyncHTTPClient
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from dashboards.feeds.view_frame import ViewFrame
from dashboards.live.snapshot_downloads import (
    KEPT_LIMIT,
    WAITING_LIMIT,
    SnapshotDownloads,
    file_stem,
    snapshot_handlers,
)
from dashboards.live.snapshot_files import snapshot_zip
from dashboards.live.snapshot_pictures import pictures_of
from dashboards.pictures.wishes import Contrast, Wishes
from dashboards.views.view import DetectorMap, LiveView
from stream_rrvae.errors import RequestError
from stream_rrvae.messages import Snapshot

MakeSnapshot = Callable[..., Snapshot]


def view_of(snapshot: Snapshot, wishes: Wishes | None = None) -> LiveView:
    return LiveView(ViewFrame(snapshot, 0.0, 0), wishes or Wishes())


def test_the_file_holds_maps_as_numbers_and_facts_as_json(make_snapshot: MakeSnapshot) -> None:
    snapshot = make_snapshot(metadata={"sample": "<b>"})
    view = LiveView(ViewFrame(snapshot, 0.0, 0), Wishes(), None, DetectorMap(np.ones((4, 6), np.float32), 1.0))
    with zipfile.ZipFile(io.BytesIO(snapshot_zip(view))) as archive:
        content = archive.read("snapshot.h5")
        assert "latent_1.png" in archive.namelist()
    with h5py.File(io.BytesIO(content)) as file:
        np.testing.assert_array_equal(file["entry/maps/com_magnitude"][...], snapshot.maps["com_magnitude"])
        assert file["entry/maps/com_magnitude"].attrs["units"] == "mrad"
        assert file["entry/maps/virtual_detector"].attrs["units"] == "counts"
        assert tuple(file["entry/pattern"].attrs[f"position_{axis}"] for axis in "yx") == (2, 5)
        told = json.loads(file["entry/snapshot"].asstr()[()])
        assert told["calibration"]["mrad_per_px"] == 2.0 and told["metadata"] == {"sample": "<b>"}


def test_pictures_have_row_0_at_the_top_and_column_0_at_the_left(make_snapshot: MakeSnapshot) -> None:
    corner = np.zeros((4, 6), np.float32)
    corner[0, 0], corner[3, 5] = 1.0, np.nan
    maps = {**make_snapshot().maps, "com_magnitude": corner}
    wishes = Wishes(contrast={"magnitude": Contrast("locked", 0.0, 1.0)})
    png = pictures_of(view_of(make_snapshot(maps=maps), wishes))["com_magnitude"]
    picture = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    side = 640 // 6
    at = {
        (row, column): picture[44 + row * side + side // 2, 16 + column * side + side // 2]
        for row in (0, 3)
        for column in (0, 5)
    }
    assert at[0, 0].sum() > 600  # the brightest colour
    assert at[0, 5].sum() < 30 and at[3, 0].sum() < 30
    assert tuple(at[3, 5]) == (0x21, 0x28, 0x32)  # not visited


def test_a_service_without_maps_gives_a_file_all_the_same(make_snapshot: MakeSnapshot) -> None:
    bare = make_snapshot(maps={}, pattern=None, pattern_position=None, scan_shape=(0, 0), scan_id="")
    assert pictures_of(view_of(bare)) == {}
    assert snapshot_zip(view_of(bare))


def test_a_name_holds_nothing_that_a_header_or_a_file_system_minds(make_snapshot: MakeSnapshot) -> None:
    stem = file_stem(view_of(make_snapshot(7, instrument='../"\r\nX: y', scan_id="<run>" * 30)))
    assert set(stem) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    assert not stem.startswith(".") and len(stem) < 120


def test_a_snapshot_is_fetched_by_its_name_alone(make_snapshot: MakeSnapshot) -> None:
    async def check() -> None:
        downloads, paths = SnapshotDownloads(), asyncio.Queue[str]()
        downloads.make(view_of(make_snapshot()), paths.put_nowait)
        path = await asyncio.wait_for(paths.get(), 30)
        server = HTTPServer(Application(snapshot_handlers(downloads)))
        sockets = bind_sockets(0, "127.0.0.1")
        server.add_sockets(sockets)
        base = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
        found = await AsyncHTTPClient().fetch(f"{base}/{path}")
        assert found.body[:2] == b"PK" and "attachment" in found.headers["Content-Disposition"]
        for other in ("snapshot/" + "x" * 32, "snapshot/../etc", "snapshot/"):
            assert (await AsyncHTTPClient().fetch(f"{base}/{other}", raise_error=False)).code == 404
        server.stop()
        await server.close_all_connections()

    asyncio.run(check())


def test_old_snapshots_go(make_snapshot: MakeSnapshot) -> None:
    async def check() -> None:
        downloads, made, paths = SnapshotDownloads(), asyncio.Queue[str](), list[str]()
        for wanted in range(1, KEPT_LIMIT + 2):
            downloads.make(view_of(make_snapshot(wanted)), made.put_nowait)
            paths.append(await asyncio.wait_for(made.get(), 30))
        kept = [downloads.get(path.removeprefix("snapshot/")) is not None for path in paths]
        assert kept == [False] + [True] * KEPT_LIMIT

    asyncio.run(check())


def test_who_comes_when_many_wait_is_told_so(make_snapshot: MakeSnapshot) -> None:
    async def check() -> None:
        downloads, made = SnapshotDownloads(), asyncio.Queue[str]()
        for _ in range(WAITING_LIMIT):
            downloads.make(view_of(make_snapshot()), made.put_nowait)
        with pytest.raises(RequestError, match="try again"):
            downloads.make(view_of(make_snapshot()), made.put_nowait)
        for _ in range(WAITING_LIMIT):
            await asyncio.wait_for(made.get(), 30)

    asyncio.run(check())
