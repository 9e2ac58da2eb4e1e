"""Our side of the process that opens foreign files: a crash, a bomb or a hang there is a clean refusal here.

HDF5 is a C parser of files that come from colleagues (decision 012). What it finds is checked again on this side;
frames are then read here as plain bytes at the places that it named, or asked for where it has to decode them.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.errors import FileFormatError
from stream_rrvae.recording.description import Description, from_message
from stream_rrvae.recording.reader_messages import ReaderMessage, read_message, write_message
from stream_rrvae.recording.stored_frames import BlockFrames, IndexedFrames, StoredFrames

PATIENCE_S = 120.0  # for one answer: a network disk may be slow
BLOCK_BYTES = 16 << 20
_MODULE = "stream_rrvae.recording.reader_process"
# Where HDF5 would look for other files, and for filters to load, besides the folder of the file.
_NOT_INHERITED = ("HDF5_PLUGIN_PATH", "HDF5_VDS_PREFIX", "HDF5_EXTFILE_PREFIX", "HDF5_EXT_PREFIX", "HDF5_DRIVER")


class ReaderProcess:
    """One file open in a process of its own with little memory; used by one thread at a time."""

    def __init__(self, name: str, patience_s: float = PATIENCE_S) -> None:
        self._name = name
        self._patience_s = patience_s
        self._lock = threading.Lock()
        environment = {key: value for key, value in os.environ.items() if key not in _NOT_INHERITED}
        for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            environment[threads] = "1"
        environment["DASK_SCHEDULER"] = (
            "synchronous"  # for RosettaSciIO: more threads want more memory than it may have
        )
        # Its own session: Ctrl-C reaches us alone, and we end it.
        self._process = subprocess.Popen(
            [sys.executable, "-m", _MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it can still answer."""
        return self._process.poll() is None

    def ask(self, **request: Any) -> ReaderMessage:
        """The answer to `request`. Raises FileFormatError when there is none, or when it is a refusal."""
        with self._lock:
            answer = self._answer(request)
        if "error" in answer.fields:
            raise FileFormatError(str(answer.fields["error"]))
        return answer

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                # What was asked and not taken any more goes nowhere.
                try:
                    stream.close()
                except BrokenPipeError:
                    continue

    def _answer(self, request: dict[str, Any]) -> ReaderMessage:
        assert self._process.stdin is not None
        end_s = time.monotonic() + self._patience_s
        try:
            write_message(self._process.stdin, ReaderMessage(request))
            return read_message(lambda count: self._read(count, end_s))
        except (EOFError, BrokenPipeError):
            raise FileFormatError(f"{self._name} cannot be read: {self._how_it_ended()}") from None
        except TimeoutError:
            self._process.kill()
            self._process.wait()
            raise FileFormatError(f"{self._name} cannot be read: no answer in {self._patience_s:.0f} s") from None

    def _read(self, count: int, end_s: float) -> bytes:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        ready, _, _ = select.select([descriptor], [], [], max(0.0, end_s - time.monotonic()))
        if not ready:
            raise TimeoutError
        return os.read(descriptor, count)

    def _how_it_ended(self) -> str:
        status = self._process.wait()
        if status < 0:
            return f"it made the process that opened it crash ({signal.Signals(-status).name}); the file is damaged"
        return f"the process that opened it ended with status {status}"


@contextmanager
def described_by_reader(
    source: str, channel: str | None, scan_shape: tuple[int, int] | None
) -> Iterator[tuple[Description, StoredFrames]]:
    """What the file holds, and its frames. Raises FileFormatError."""
    name, _, dataset = source.partition("::")
    path = Path(name).absolute()
    reader = ReaderProcess(name)
    stored: StoredFrames | None = None
    try:
        shape = None if scan_shape is None else list(scan_shape)
        answer = reader.ask(path=str(path), dataset=dataset, channel=channel, scan_shape=shape)
        description = from_message(answer, path if path.is_dir() else path.parent)
        stored = _stored(description, reader)
        yield description, stored
    finally:
        if stored is not None:
            stored.close()
        reader.close()


def _stored(description: Description, reader: ReaderProcess) -> StoredFrames:
    if description.index is not None:
        reader.close()  # all is known
        return IndexedFrames(description.index)
    frame_shape, pixel_type = description.frame_shape, description.pixel_type
    step = max(1, BLOCK_BYTES // (frame_shape[0] * frame_shape[1] * np.dtype(pixel_type).itemsize))

    def read(first: int, last: int) -> NDArray[Any]:
        blocks = [_block(reader, i, min(i + step, last), description) for i in range(first, last, step)]
        return np.concatenate(blocks) if blocks else np.empty((0, *frame_shape), pixel_type)

    return BlockFrames(read, pixel_type)


def _block(reader: ReaderProcess, first: int, last: int, description: Description) -> NDArray[Any]:
    block = reader.ask(first=first, last=last).arrays["frames"]
    if block.shape != (last - first, *description.frame_shape) or block.dtype.name != description.pixel_type:
        raise FileFormatError(f"frames {first} to {last - 1} came as {block.dtype} {block.shape}")
    return block
