"""What of a recording the disk has does not stay in the system's memory for files."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from stream_rrvae.recording.disk_sync import KEPT_BEGIN_BYTES, KEPT_END_BYTES, DiskSync
from stream_rrvae.recording.finish import put_away
from stream_rrvae.recording.frame_file import open_frames
from stream_rrvae.recording.journal import Journal

PAGE = os.sysconf("SC_PAGE_SIZE")
MIB = 1 << 20


def is_in_memory(handle: int, place: int) -> bool:
    """Whether a page of a file can be had without waiting for the disk."""
    try:
        return os.preadv(handle, [bytearray(PAGE)], place, os.RWF_NOWAIT) > 0
    except BlockingIOError:
        return False


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A folder of a file system that lets go of pages when it is told to."""
    probe = tmp_path / "probe"
    probe.write_bytes(b"x" * 16 * PAGE)
    put_away(probe)
    handle = os.open(probe, os.O_RDONLY)
    try:
        if is_in_memory(handle, 8 * PAGE):
            pytest.skip("NOT CHECKED that recordings leave memory: the temporary folder is a disk in memory")
    except OSError:
        pytest.skip("NOT CHECKED that recordings leave memory: this file system does not tell")
    finally:
        os.close(handle)
    return tmp_path


def test_while_it_is_written_only_its_ends_stay(disk: Path) -> None:
    journal = Journal(disk / "journal.jsonl")
    sync = DiskSync(journal, every_s=0.02)
    handle = os.open(disk / "segment", os.O_RDWR | os.O_CREAT)
    try:
        size, middle = KEPT_BEGIN_BYTES + 8 * MIB + KEPT_END_BYTES, KEPT_BEGIN_BYTES + 4 * MIB
        content = np.random.default_rng(0).bytes(64 * PAGE)
        os.ftruncate(handle, size)
        os.pwrite(handle, content, middle)
        assert is_in_memory(handle, middle)
        sync.turn_to(os.dup(handle))
        sync.wrote(size)
        while is_in_memory(handle, middle):
            sync.raise_fault()
            sync.wrote(size)  # the next step: by then the disk has it
        assert os.pread(handle, len(content), middle) == content
    finally:
        sync.stop()
        journal.close()
        os.close(handle)


def test_when_it_is_complete_nothing_stays_and_all_is_there(recorded_scans: ModuleType, disk: Path) -> None:
    frames = recorded_scans.make_frames(300)
    start = recorded_scans.make_start(frames, scan_shape=(15, 20))
    recorded_scans.record(disk, lambda giver: giver.give(range(300)), frames, start)
    handle = os.open(disk / "scan" / "segment-0000.h5", os.O_RDONLY)
    try:
        assert not is_in_memory(handle, os.fstat(handle).st_size // 2)
    finally:
        os.close(handle)
    with open_frames(str(disk / "scan" / "master.h5")) as file:
        assert np.array_equal(file.frames(0, 300), frames)
