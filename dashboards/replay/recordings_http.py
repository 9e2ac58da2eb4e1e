"""Pictures and files of recordings for a browser: thumbnails in the list, and what was exported.

Both name recordings by id alone, and hand on what the recordings' process answers; no file is opened here.
"""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlencode

from tornado.web import HTTPError, RequestHandler

from dashboards.pictures.map_styles import style_of
from dashboards.pictures.palettes import palette
from dashboards.pictures.png_image import palette_png
from dashboards.pictures.quantise import linear_limits, quantise, quantise_angle
from dashboards.replay.recordings_client import RecordingsClient
from stream_rrvae.errors import RequestError
from stream_rrvae.messages import Float32Array

THUMBNAILS = ("com_magnitude", "com_direction")
FORMATS = ("png", "csv", "hdf5", "hspy", "py4dstem")
ID_CHARS = 64
EXPORT_LOOK_S = 0.25
EXPORT_LOOKS = 480
SCAN_CHARS = 120  # of a scan's name, as recordings are listed
LOOKS = 8  # at a long list, which comes bit by bit
AT_ONCE = 4  # thumbnails that are asked for; a list of a thousand must not hold up who looks at one


class _RecordingsHandler(RequestHandler):
    def initialize(self, recordings: RecordingsClient, slots: asyncio.Semaphore) -> None:
        self._recordings, self._slots = recordings, slots

    def _id(self, name: str) -> str:
        text = self.get_query_argument(name, "")
        if (text and not (text.isascii() and text.isalnum())) or len(text) > ID_CHARS:
            raise HTTPError(404)
        return text


class ThumbnailHandler(_RecordingsHandler):
    """`?id=...&name=com_magnitude&v=...`: a small PNG, kept by the browser as long as the recording is the same."""

    async def get(self) -> None:
        id_, name = self._id("id"), self.get_query_argument("name", THUMBNAILS[0])
        if name not in THUMBNAILS:
            raise HTTPError(404)
        async with self._slots:
            try:
                answer = await self._recordings.ask("thumbnail", {"id": id_, "name": name}, f"thumb-{id_}-{name}"[:64])
            except RequestError as error:
                raise HTTPError(404, str(error)) from error
        self.set_header("Content-Type", "image/png")
        self.set_header("Cache-Control", "private, max-age=86400")
        self.write(thumbnail(name, answer["map"]))


class OfScanHandler(_RecordingsHandler):
    """`?scan=...`: to the newest recording of that scan, or to the list of recordings, searched for its name."""

    async def get(self) -> None:
        scan_id = self.get_query_argument("scan", "")[:SCAN_CHARS]
        async with self._slots:
            found = await self._find(scan_id)
        self.redirect(f"../replay?{urlencode({'run': found} if found else {'search': scan_id})}")

    async def _find(self, scan_id: str) -> str:
        for _ in range(LOOKS if scan_id else 0):
            try:
                listing = await self._recordings.ask("list", None, f"of-{id(self):x}")
            except RequestError:
                return ""  # the page that it leads to says what is wrong
            for each in listing["recordings"]:  # the newest first
                if each.get("scan_id") == scan_id:
                    return str(each["id"])
            if not listing["pending"]:
                break
        return ""


class ExportHandler(_RecordingsHandler):
    """`?id=...&results=...&format=png`: made by a process of its own, then sent piece by piece."""

    async def get(self) -> None:
        format_ = self.get_query_argument("format", "png")
        if format_ not in FORMATS:
            raise HTTPError(404)
        try:
            asked = {"id": self._id("id"), "results": self._id("results"), "format": format_}
            begun = await self._recordings.ask("export", asked)
            await self._send(str(begun["about"]["token"]))
        except RequestError as error:
            self.set_status(409)
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.write(f"not exported: {error}\n")

    async def _send(self, token: str) -> None:
        told = await self._made(token)
        name = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in str(told["name"]))
        self.set_header("Content-Type", "application/octet-stream")
        self.set_header("Content-Disposition", f'attachment; filename="{name}"')
        self.set_header("Content-Length", str(int(told["size_bytes"])))
        sent = 0
        while sent < int(told["size_bytes"]):
            piece: bytes = (await self._recordings.ask("file", {"token": token, "offset": sent}))["bytes"]
            if not piece:
                raise RequestError("the export became shorter")
            self.write(piece)
            await self.flush()
            sent += len(piece)

    async def _made(self, token: str) -> dict[str, Any]:
        """Wait until it is there; the other process has no way to call us."""
        for _ in range(EXPORT_LOOKS):
            told = await self._recordings.ask("exported", {"token": token})
            if told["state"] == "done":
                return told
            if told["state"] != "running":
                raise RequestError(str(told.get("said", told["state"])))
            await asyncio.sleep(EXPORT_LOOK_S)
        raise RequestError("it takes too long")


def thumbnail(name: str, values: Float32Array) -> bytes:
    """A map as PNG in the colours of the pages."""
    style = style_of(name)
    pixels = quantise_angle(values) if style.cyclic else quantise(values, linear_limits(values, style.signed))
    return palette_png(pixels, palette(style.palette))


def recordings_handlers(recordings: RecordingsClient) -> list[Any]:
    """URL patterns, without the prefix."""
    given = {"recordings": recordings, "slots": asyncio.Semaphore(AT_ONCE)}
    return [
        (r"/recordings/thumbnail", ThumbnailHandler, given),
        (r"/recordings/of", OfScanHandler, given),
        (r"/recordings/export", ExportHandler, given),
    ]
