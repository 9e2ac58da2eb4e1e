"""Start-up: loops compile where the disk cache cannot be written, run without the GIL, and give the same again."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.kernels.compiled import compiled_entry
from stream_rrvae.kernels.frame_pass import FrameResults, reduce_frames
from stream_rrvae.kernels.packed_loops import reduce_packed
from stream_rrvae.kernels.plan import make_plan
from stream_rrvae.kernels.warm_up import warm_up

FULL_DISK = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # every write to a file fails, as on a full disk
from stream_rrvae.ingest.compute import warm_up  # the quickest to compile of those that are started so
warm_up()
"""


def test_a_cache_that_cannot_be_written_does_not_matter(tmp_path: Path) -> None:
    environment = {"NUMBA_CACHE_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and file.stat().st_size]


def test_code_without_a_place_for_a_cache_is_compiled_all_the_same() -> None:
    namespace: dict[str, object] = {}
    exec(compile("def double(x):\n    return 2 * x\n", "<nowhere>", "exec"), namespace)
    double = compiled_entry(namespace["double"])  # type: ignore[type-var]
    assert double(21) == 42  # type: ignore[operator]


def test_warm_up_leaves_nothing_to_compile() -> None:
    warm_up(["uint8", "float32"])
    known = len(reduce_packed.signatures)  # type: ignore[attr-defined]
    plan = make_plan((30, 20), (14.0, 9.5), 6.0, BasisSpec(2, 2), np.eye(30, 20, dtype=np.bool_), saturation=10.0)
    for pixel_type in ("uint8", "float32"):
        reduce_frames(np.ones((3, 30, 20), pixel_type), plan, FrameResults.empty(3, plan.n_features), 3)
    reduce_frames(np.ones((3, 30, 20), np.uint8), make_plan((30, 20), (1, 2), 6, None), FrameResults.empty(3, 0), 3)
    assert len(reduce_packed.signatures) == known  # type: ignore[attr-defined]


@pytest.mark.parametrize("workers", [4])
def test_threads_get_what_one_thread_gets(workers: int) -> None:
    plan = make_plan((64, 64), (31.5, 31.5), 20.0, BasisSpec())
    frames = np.random.default_rng(3).poisson(1.0, (64, 64, 64)).astype(np.uint16)
    alone = FrameResults.empty(64, plan.n_features)
    reduce_frames(frames, plan, alone, 64)
    results = [FrameResults.empty(64, plan.n_features) for _ in range(workers)]
    threads = [
        threading.Thread(target=reduce_frames, args=(frames, plan, result, 64), daemon=True) for result in results
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        np.testing.assert_array_equal(result.features, alone.features)
        np.testing.assert_array_equal(result.com_y, alone.com_y)
