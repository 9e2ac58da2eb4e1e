"""Files that run code when they are unpickled, given to everything here that reads files."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from stream_rrvae.calibration.site_file import load_site
from stream_rrvae.commands.info import run_info
from stream_rrvae.errors import StreamRrvaeError
from stream_rrvae.recording.frame_file import open_frames
from stream_rrvae.rrvae.checkpoint import load

ROOT = Path(__file__).resolve().parents[2]


def payload(witness: Path) -> bytes:
    """A pickle that makes the file `witness`."""
    return f"cposix\nsystem\n(S'touch {witness}'\ntR.".encode()


def _pt(path: Path, evil: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", evil)
        archive.writestr("archive/version", "3\n")


def _npy(path: Path, evil: bytes) -> None:
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (4, 4, 8, 8), }"
    header = header.ljust(118) + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + evil)


def _hdf5(path: Path, evil: bytes) -> None:
    with h5py.File(path, "w") as file:
        opaque = np.frombuffer(evil.ljust(1024, b"\0"), "V1024")
        file.create_dataset("entry/data/data", data=opaque)
        file["entry"].attrs["default"] = "data"
        file.attrs["pickle"] = opaque[0]
        file.attrs["py4dstem"] = np.bytes_(evil)


def _safetensors(path: Path, evil: bytes) -> None:
    text = repr(evil.decode()).replace('"', '\\"')[1:-1].replace("\\'", "'")
    header = f'{{"__metadata__":{{"format":"stream-rrvae model","format_version":"1","model":"{text}"}}}}'.encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + evil)


FILES: dict[str, Callable[[Path, bytes], object]] = {
    "model.pt": _pt,
    "legacy.pt": Path.write_bytes,
    "model.safetensors": _safetensors,
    "pickle.safetensors": Path.write_bytes,
    "zip.safetensors": _pt,
    "frames.npy": _npy,
    "pickle.npy": Path.write_bytes,
    "frames.h5": _hdf5,
    "pickle.h5": Path.write_bytes,
}


def _frames(path: Path) -> None:
    with open_frames(str(path)):
        pass


def _mask(path: Path) -> None:
    site = path.with_name("site.toml")
    site.write_text(f'mask = "{path.name}"')
    load_site(site)


READERS: dict[str, Callable[[Path], object]] = {
    "checkpoint": load,
    "frames": _frames,
    "a site's mask": _mask,
    "info": lambda path: run_info(str(path)),
}


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "witness"


def test_the_payload_would_run(witness: Path) -> None:
    code = "import pickle, sys; pickle.loads(sys.stdin.buffer.read())"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], input=payload(witness), check=True)
    assert witness.exists()


@pytest.mark.parametrize("name", FILES)
def test_no_reader_runs_what_it_reads(name: str, tmp_path: Path, witness: Path) -> None:
    FILES[name](tmp_path / name, payload(witness))
    for reader in READERS.values():
        with pytest.raises(StreamRrvaeError):
            reader(tmp_path / name)
    assert not witness.exists()


WHAT_UNPICKLES = (
    "import pickle",
    "from pickle import loads",
    "import cloudpickle",
    "import dill",
    "import shelve",
    "import marshal",
    "import torch\n\ntorch.load('a')",
    "from torch import load",
    "import torch\n\ntorch.jit.load('a')",
    "eval('1')",
    "exec('1')",
)


def test_the_linter_refuses_what_unpickles(tmp_path: Path) -> None:
    for number, text in enumerate(WHAT_UNPICKLES):
        (tmp_path / f"code_{number}.py").write_text(f"{text}\n")
    told = ["--quiet", "--no-cache", "--output-format", "concise", "--config", str(ROOT / "pyproject.toml")]
    checked = subprocess.run([sys.executable, "-m", "ruff", "check", *told, tmp_path], capture_output=True, text=True)
    refused = set(re.findall(r"code_(\d+)\.py:\d+:\d+: (?:TID251|S102|S307)", checked.stdout))
    assert refused == {str(number) for number in range(len(WHAT_UNPICKLES))}, checked.stdout + checked.stderr


def test_no_source_lets_arrays_hold_objects() -> None:
    sources = [path for part in ("stream_rrvae", "dashboards", "detector_sim") for path in (ROOT / part).rglob("*.py")]
    assert len(sources) > 100
    loose = re.compile(r"allow_pickle\s*=\s*(?!False)|weights_only\s*=\s*False")
    assert not [path for path in sources if loose.search(path.read_text())]
