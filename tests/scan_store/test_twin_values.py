"""Values kept twice: a writer that dies in the middle leaves the last whole one, at no cost to readers."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from stream_rrvae.errors import StoreError
from stream_rrvae.messages import ModelStatus, ScanStart
from stream_rrvae.scan_store import LearnerMaps, ScanStore, StoreShape
from stream_rrvae.scan_store.twin import Twin

N = 64 * 64
WRITER = """
import sys, numpy as np
from pathlib import Path
from stream_rrvae.scan_store import *
from stream_rrvae.messages import ModelStatus
store = ScanStore.attach(Path(sys.argv[1]))
version = store.read_maps().status.version
print("writing", flush=True)
while True:
    version += 1
    whole = np.full(4096, version % 1000, np.float32)
    store.write_maps(LearnerMaps(ModelStatus(version, "training", detail="x" * 5000), whole, whole, np.stack([whole])))
"""


def test_a_value_counts_only_when_it_was_written_to_its_end() -> None:
    slots = ["first", ""]
    twin = Twin(np.zeros(1, np.int64), 0)
    with pytest.raises(RuntimeError), twin.writing() as slot:
        slots[slot] = "half"
        raise RuntimeError
    assert twin.read(lambda slot: slots[slot]) == "first"
    with twin.writing() as slot:
        slots[slot] = "second"
        assert twin.read(lambda slot: slots[slot]) == "first"
    assert twin.read(lambda slot: slots[slot]) == "second"


def test_a_reader_overtaken_by_two_writes_reads_again() -> None:
    slots = [0, 0]
    twin = Twin(np.zeros(1, np.int64), 0)
    read: list[int] = []

    def copy(slot: int) -> int:
        if not read:
            for value in (1, 2):
                with twin.writing() as other:
                    slots[other] = value
        read.append(slots[slot])
        return slots[slot]

    assert twin.read(copy) == 2
    assert len(read) == 2


def test_a_reader_that_is_always_overtaken_says_so() -> None:
    twin = Twin(np.zeros(1, np.int64), 0)

    def copy(slot: int) -> None:
        for _ in range(2):
            with twin.writing():
                pass

    with pytest.raises(StoreError, match="faster than it can be read"):
        twin.read(copy)


def assert_one_version(maps: LearnerMaps) -> None:
    expected = np.float32(maps.status.version % 1000)
    for array in (maps.rotation, maps.confidence, maps.latents):
        assert (array == expected).all()


@pytest.mark.parametrize("attempt", range(4))
def test_a_learner_killed_while_writing_leaves_whole_maps(tmp_path: Path, attempt: int) -> None:
    shape = StoreShape((64, 64), (4, 4), 1, 1)
    with ScanStore.create(ScanStart("s", 1, (4, 4), "uint8", N), shape, folder=tmp_path) as store:
        last = 0
        for _ in range(2):
            command = [sys.executable, "-c", WRITER, str(store.path)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
                assert writer.stdout is not None and writer.stdout.readline() == "writing\n"
                first = last
                while last < first + 20 + 7 * attempt:
                    maps = store.read_maps()
                    if maps.status.version:
                        assert_one_version(maps)
                    last = max(last, maps.status.version)
                writer.send_signal(signal.SIGKILL)
            maps = store.read_maps()
            assert_one_version(maps)
            assert maps.status.version >= last
            assert store.read_status().version in (maps.status.version, maps.status.version - 1)
            last = maps.status.version


def test_threads_never_read_half_a_status(tmp_path: Path) -> None:
    shape = StoreShape((1, 1), (1, 1), 1, 1)
    with ScanStore.create(ScanStart("s", 1, (1, 1), "uint8", 1), shape, folder=tmp_path) as store:
        stop = threading.Event()

        def write() -> None:
            version = 0
            while not stop.is_set():
                version += 1
                store.write_status(ModelStatus(version, detail=str(version) * (version % 50)))

        writer = threading.Thread(target=write, daemon=True)
        writer.start()
        try:
            for _ in range(2000):
                status = store.read_status()
                assert status.detail == str(status.version) * (status.version % 50)
        finally:
            stop.set()
            writer.join()
