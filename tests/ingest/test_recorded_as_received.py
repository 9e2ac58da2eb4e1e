"""What a recorder beside acquisition is told: everything received for the scan, in order, and what was bad of it."""

from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401
import numpy as np

from stream_rrvae.config import IngestSettings, RecordingSettings, Settings
from stream_rrvae.ingest.acquisition import Acquisition
from stream_rrvae.metrics import Metrics
from stream_rrvae.recording.layout import Flag
from stream_rrvae.recording.recorder import Recorder
from stream_rrvae.wire.pixels import encode_bslz4
from tests.ingest.conftest import Listener, NativeDetector, Specimen, make_specimen

BAD_BLOCKS = (960).to_bytes(8, "big") + (8192).to_bytes(4, "big") + (40).to_bytes(4, "big") + b"\xff" * 40


def _send_packed(native: NativeDetector, specimen: Specimen, number: int, payload: bytes | None = None) -> None:
    content = payload or encode_bslz4(specimen.frames[number % specimen.n])
    described = {"series": 1, "shape": [20, 24], "dtype": "uint16", "encoding": "bslz4", "seq": number}
    native.send(native.header("frames", numbers=[number], sizes=[len(content)], **described), content)


def test_a_recording_holds_what_was_received_good_or_not(
    path: dict[str, Any], native: NativeDetector, listener: Listener, metrics: Metrics, tmp_path: Path
) -> None:
    specimen = make_specimen()
    recorder = Recorder(tmp_path / "recordings", RecordingSettings(keep_free_bytes=0), metrics)
    recorder.start()
    settings = Settings(
        source=f"native+pull://127.0.0.1:{native.port}", ingest=IngestSettings(**{"batch_frames": 8, **path})
    )
    numbers = [*range(12), 5, 30, 31, *range(12, 30)]
    with Acquisition(settings, metrics, listener, tmp_path, recorder):
        native.start(specimen)
        for number in numbers:
            _send_packed(native, specimen, number, BAD_BLOCKS if number == 20 else None)
        native.send(b"\xc1\xff not msgpack")
        native.end()
        store = listener.wait_closed()
        folder = recorder.complete(store.start, store.start.calibration)
    recorder.stop()
    assert folder is not None
    with h5py.File(folder / "master.h5") as file:
        assert file["entry/frames/frame_number"][()].tolist() == numbers
        flags = file["entry/frames/flags"][()]
        seen = file["entry/data/data"][()].reshape(30, 20, 24)
        received_s = file["entry/frames/received_s"][()]
    wanted = dict.fromkeys(range(len(numbers)), 0)
    wanted[12], wanted[13], wanted[14], wanted[numbers.index(20)] = (
        Flag.COPY,
        Flag.OVERFLOW,
        Flag.OVERFLOW,
        Flag.UNDECODABLE,
    )
    assert flags.tolist() == list(wanted.values())
    good = np.arange(30) != 20
    assert np.array_equal(seen[good], specimen.frames[good])
    assert not seen[20].any()
    assert (np.diff(received_s) >= 0).all()
    account = store.read_account().counters
    assert (account.processed, account.refused, account.duplicate) == (29, 4, 1)
