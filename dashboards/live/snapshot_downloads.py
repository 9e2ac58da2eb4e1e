"""Snapshots made on the server, kept for a moment until their page has fetched them; see decision 018."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tornado.web import HTTPError, RequestHandler

from dashboards.views.view import LiveView
from stream_rrvae.errors import RequestError
from stream_rrvae.log import event

KEPT_LIMIT = 8
KEPT_BYTES_LIMIT = 256 << 20
WAITING_LIMIT = 4


@dataclass(frozen=True, slots=True)
class Download:
    name: str
    content: bytes


class SnapshotDownloads:
    """One is made at a time, in a thread; the oldest goes when there are too many, fetched or not."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Download] = OrderedDict()
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def make(self, view: LiveView, ready: Callable[[str], None]) -> None:
        """Make the files of `view`, then tell `ready` their path. Raises RequestError when too many wait already."""
        if len(self._tasks) >= WAITING_LIMIT:
            raise RequestError(f"{WAITING_LIMIT} snapshots are being made; try again in a moment")
        task = asyncio.get_running_loop().create_task(self._make(view, ready))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def get(self, token: str) -> Download | None:
        return self._kept.get(token)

    async def _make(self, view: LiveView, ready: Callable[[str], None]) -> None:
        from dashboards.live.snapshot_files import snapshot_zip

        async with self._turn:
            try:
                content = await asyncio.to_thread(snapshot_zip, view)
            except (OSError, ValueError, MemoryError) as error:
                event("download_failed", logging.ERROR, error=error, reason=repr(error))
                return
        token = secrets.token_urlsafe(24)
        self._kept[token] = Download(f"{file_stem(view)}.zip", content)
        while len(self._kept) > KEPT_LIMIT or sum(len(each.content) for each in self._kept.values()) > KEPT_BYTES_LIMIT:
            self._kept.popitem(last=False)
        ready(f"snapshot/{token}")


def file_stem(view: LiveView) -> str:
    """A file name without anything that a file system or a header would mind."""
    snapshot = view.frame.snapshot
    words = (snapshot.instrument, snapshot.scan_id, f"{snapshot.serial:06d}")
    return "-".join(part for part in (re.sub(r"[^A-Za-z0-9._]+", "_", word).strip("_.")[:48] for word in words) if part)


class SnapshotHandler(RequestHandler):
    """Whoever knows the token, which only the page that ordered it was told, gets the file."""

    def initialize(self, downloads: SnapshotDownloads) -> None:
        self._downloads = downloads

    def get(self, token: str) -> None:
        found = self._downloads.get(token)
        if found is None:
            raise HTTPError(404)
        self.set_header("Content-Type", "application/zip")
        self.set_header("Content-Disposition", f'attachment; filename="{found.name}"')
        self.set_header("Cache-Control", "no-store")
        self.write(found.content)


def snapshot_handlers(downloads: SnapshotDownloads) -> list[Any]:
    """URL patterns, without the server's prefix."""
    return [(r"/snapshot/([\w-]{20,64})", SnapshotHandler, {"downloads": downloads})]
