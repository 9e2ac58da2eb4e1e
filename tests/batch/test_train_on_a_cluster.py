from __future__ import annotations

from pathlib import Path
from shutil import copyfile

import numpy as np
import pytest

from stream_rrvae.batch.cluster import ClusterOptions
from stream_rrvae.commands.train import TrainOptions, run_train
from stream_rrvae.config import LearnSettings, Settings
from stream_rrvae.errors import FileFormatError
from stream_rrvae.rrvae.checkpoint import load

SETTINGS = Settings(learn=LearnSettings(budget_s=0.4, round_s=0.2))


def train(sources: list[Path], out: Path) -> None:
    names = tuple(str(source) for source in sources)
    run_train(TrainOptions(names, out, "", 200, ClusterOptions(workers=1)), SETTINGS)


def test_a_checkpoint_from_a_sample_of_several_scans(
    scan_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("distributed", reason="NOT CHECKED on several processes: pip install 'stream-rrvae[dask]'")
    second = tmp_path / "second.npy"
    copyfile(scan_file, second)
    train([second, scan_file], tmp_path / "model.safetensors")
    assert "200 of 640 frames are kept for training" in capsys.readouterr().out
    scans = load(tmp_path / "model.safetensors").provenance["scans"]
    assert [scan["name"] for scan in scans] == ["first.npy", "second.npy"]
    assert sum(scan["frames_kept"] for scan in scans) == 200
    assert all(np.isfinite(scan["agreement"]["angle_error_deg"]) for scan in scans)
    with pytest.raises(FileFormatError, match=r"nowhere\.npy is not there"):
        train([tmp_path / "nowhere.npy", scan_file], tmp_path / "none.safetensors")
    assert not (tmp_path / "none.safetensors").exists()
