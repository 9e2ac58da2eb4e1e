"""Merlin and EMPAD files written here byte by byte; they are read by RosettaSciIO where it is installed."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_rrvae.errors import FileFormatError
from stream_rrvae.recording.formats.opened import Opened
from stream_rrvae.recording.frame_file import open_frames

Open = Callable[..., Opened]
HEADER_BYTES = 384
THERE = importlib.util.find_spec("rsciio") is not None
needs_rosettasciio = pytest.mark.skipif(
    not THERE, reason="NOT CHECKED that Merlin and EMPAD files are read: pip install 'stream-rrvae[formats]'"
)


@pytest.fixture
def merlin(tmp_path: Path, counts: NDArray[np.uint16]) -> Path:
    """Single chip, 256x256, 16 bits big-endian, 3x4 frames by lines, with the header file."""
    path = tmp_path / "scan.mib"
    with path.open("wb") as file:
        for number in range(12):
            time = f"2026-11-20T10:00:{number // 4:02d}.{number % 4 * 1000:06d}000Z"
            fields = [
                "MQ1", f"{number + 1:06d}", f"{HEADER_BYTES:05d}", "01", "0256", "0256", "U16", "   1x1", "01",
                "2026-11-20 10:00:00.000000", "0.001000", "0", "0", "0", *["1.2E2"] * 8, "3RX", *["000"] * 27,
                "MQ1A", time, "1000000ns", "12", "",
            ]  # fmt: skip
            file.write(",".join(fields).encode().ljust(HEADER_BYTES)[:HEADER_BYTES])
            # The detector's rows begin at the bottom.
            file.write(_merlin_frame(counts, number)[::-1].astype(">u2").tobytes())
    lines = ("HDR,", "Frames in Acquisition (Number):\t12", "Frames per Trigger (Number):\t4", "End\t")
    path.with_suffix(".hdr").write_text("\n".join(lines) + "\n")
    return path


def _merlin_frame(counts: NDArray[np.uint16], number: int) -> NDArray[np.uint16]:
    frame = np.zeros((256, 256), np.uint16)
    frame[:48, :40] = counts[number]
    return frame


def _write_empad(folder: Path, raw: str, values: NDArray[np.float32] | None) -> Path:
    path = folder / "scan.xml"
    path.write_text(
        f"<root><raw_file filename='{raw}'/><pix_x>4</pix_x><pix_y>3</pix_y>"
        "<timestamp isoformat='2026-11-20T10:00:00.000000+00:00'/></root>"
    )
    if values is not None:
        padded = np.zeros((12, 130, 128), np.float32)
        padded[:, :128] = values
        (folder / raw).write_bytes(padded.tobytes())
    return path


@needs_rosettasciio
def test_merlin_frames_come_upright_and_in_order(merlin: Path, counts: NDArray[np.uint16]) -> None:
    for source in (merlin, merlin.with_suffix(".hdr")):
        with open_frames(str(source)) as frames:
            assert (frames.kind, frames.scan_shape, frames.pixel_type) == ("Merlin file", (3, 4), "uint16")
            found = frames.frames(3, 9)
        np.testing.assert_array_equal(found, [_merlin_frame(counts, number) for number in range(3, 9)])
    with open_frames(str(merlin), (2, 6)) as frames:
        np.testing.assert_array_equal(frames.frames(11, 12)[0], _merlin_frame(counts, 11))


@needs_rosettasciio
def test_empad_frames_come_without_their_footer(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(100, 5, (12, 128, 128)).astype(np.float32)
    with open_frames(str(_write_empad(tmp_path, "scan_x4_y3.raw", values))) as frames:
        assert (frames.kind, frames.scan_shape, frames.pixel_type) == ("EMPAD file", (3, 4), "float32")
        np.testing.assert_array_equal(frames.frames(2, 12), values[2:])


@pytest.mark.skipif(THERE, reason="RosettaSciIO is installed here")
def test_without_rosettasciio_it_is_said_what_to_install(tmp_path: Path, merlin: Path, open_here: Open) -> None:
    empad = _write_empad(tmp_path, "scan.raw", np.zeros((12, 128, 128), np.float32))
    for path in (merlin, empad):
        with pytest.raises(FileFormatError, match=re.escape("pip install 'stream-rrvae[formats]'")):
            open_here(path)


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        ("<root><raw_file filename='../secret.raw'/></root>", "outside"),
        ("<root><raw_file filename='a.raw'><filename>/etc/passwd</filename></raw_file></root>", "outside"),
        ("<root><raw_file filename='absent.raw'/></root>", "not there"),
        ("<!DOCTYPE x [<!ENTITY a 'b'>]><root><raw_file filename='a.raw'/></root>", "entities"),
        ("<root/>", "names no raw_file"),
        ("<root", "no XML"),
    ],
)
def test_hostile_empad_descriptions_are_refused(tmp_path: Path, open_here: Open, content: str, advice: str) -> None:
    (tmp_path / "secret.raw").write_bytes(b"secret")
    folder = tmp_path / "opened"
    folder.mkdir()
    (folder / "a.raw").write_bytes(b"")
    (folder / "scan.xml").write_text(content)
    with pytest.raises(FileFormatError, match=advice):
        open_here(folder / "scan.xml")


def test_what_is_of_no_kind_is_told_what_is(tmp_path: Path, open_here: Open) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    (tmp_path / "folder").mkdir()
    for name, advice in (("notes.txt", "DECTRIS master"), ("folder", "no recording")):
        with pytest.raises(FileFormatError, match=advice):
            open_here(tmp_path / name)
