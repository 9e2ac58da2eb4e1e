"""A file that crashes, hangs or fills the process that opens it costs nothing but its refusal."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from stream_rrvae.errors import FileFormatError
from stream_rrvae.recording.frame_file import open_frames
from stream_rrvae.recording.reader import ReaderProcess

MIB = 1 << 20


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """Frames that HDF5 itself has to unpack: 80 of 64 MiB, nearly all of them fill."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        made = file.create_dataset("data", (80, 8192, 8192), "u1", chunks=(1, 8192, 64), compression="gzip")
        made[:12, :, :64] = np.random.default_rng(0).integers(0, 255, (12, 8192, 64), np.uint8)
    return path


@pytest.fixture
def reader(packed: Path) -> Iterator[ReaderProcess]:
    made = ReaderProcess(str(packed))
    try:
        answer = made.ask(path=str(packed), dataset="/data", channel=None, scan_shape=None)
        assert answer.fields["shape"] == [80, 8192, 8192]
        yield made
    finally:
        made.close()


def test_a_crash_is_told_with_its_signal(reader: ReaderProcess) -> None:
    os.kill(reader.pid, signal.SIGSEGV)
    with pytest.raises(FileFormatError, match="SIGSEGV"):
        reader.ask(first=0, last=1)
    with pytest.raises(FileFormatError, match="cannot be read"):
        reader.ask(first=0, last=1)


def test_a_hang_ends_when_patience_does(packed: Path) -> None:
    reader = ReaderProcess(str(packed), patience_s=0.05)
    os.kill(reader.pid, signal.SIGSTOP)
    try:
        with pytest.raises(FileFormatError, match="no answer"):
            reader.ask(path=str(packed), dataset="/data", channel=None, scan_shape=None)
    finally:
        reader.close()


def test_memory_is_bounded_and_files_cannot_be_written(reader: ReaderProcess) -> None:
    with pytest.raises(FileFormatError, match="MemoryError"):
        reader.ask(first=0, last=80)
    limits = Path(f"/proc/{reader.pid}/limits").read_text()
    found = {line[:25].strip(): line[26:].split()[0] for line in limits.splitlines()}
    assert found["Max file size"] == "0"
    assert int(found["Max address space"]) <= 4096 * MIB


def test_no_process_is_left_behind(packed: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="on purpose"), open_frames(f"{packed}::/data", (8, 10)) as frames:
        assert frames.n_frames == 80
        raise RuntimeError("on purpose")
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    commands = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children]
    assert not any(b"reader_process" in command for command in commands)


@pytest.mark.parametrize("kept", [100, 5000, 60_000])
def test_a_truncated_file_is_refused_or_gives_whole_frames(tmp_path: Path, kept: int) -> None:
    data = np.random.default_rng(1).integers(0, 255, (100, 32, 32), np.uint8)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = data
    content = (tmp_path / "a.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(content[:kept])
    with pytest.raises(FileFormatError, match=r"cut\.h5"), open_frames(f"{tmp_path}/cut.h5::/data", (10, 10)):
        pass


def test_a_file_cut_short_while_it_is_open_gives_what_is_left(tmp_path: Path) -> None:
    data = np.random.default_rng(1).integers(1, 255, (100, 32, 32), np.uint8)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = data
    with open_frames(f"{tmp_path}/a.h5::/data", (10, 10)) as frames:
        os.truncate(tmp_path / "a.h5", 60_000)
        found = frames.frames(0, 100)
    good = found.any(axis=(1, 2))
    assert 40 < np.count_nonzero(good) < 60
    np.testing.assert_array_equal(found[good], data[good])
