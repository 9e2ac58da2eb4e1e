from __future__ import annotations

from pathlib import Path

import pytest

from stream_rrvae.config import load
from stream_rrvae.errors import ConfigError

TOML = """
source = "native+pull://127.0.0.1:1"
instrument = "from file"
[learn]
latents = 3
seed = 5
[calibration]
semiangle_mrad = 20
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "site.toml"
    path.write_text(TOML)
    return path


def test_command_line_beats_environment_beats_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAM_RRVAE_INSTRUMENT", "from environment")
    monkeypatch.setenv("STREAM_RRVAE_LEARN__SEED", "6")
    settings = load(file, {"learn": {"latents": 4, "seed": None}})
    assert settings.instrument == "from environment"
    assert (settings.learn.latents, settings.learn.seed) == (4, 6)
    assert settings.calibration.semiangle_mrad == 20
    assert load(file, {"instrument": "from command line"}).instrument == "from command line"


def test_a_file_is_forgotten_after_its_load(file: Path) -> None:
    load(file, {})
    assert load(None, {}).learn.latents == 2


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("instrumnet = 'x'", "instrumnet"),
        ("[learn]\nlatents = 0", "learn.latents"),
        ("[learn]\nmode = 'guess'", "learn.mode"),
        ("[calibration]\nmrad_per_px = -1", "calibration.mrad_per_px"),
        ("scan_shape = [3]", "scan_shape"),
        ("source = ", "not valid TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=named):
        load(path, {})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml"):
        load(tmp_path / "nowhere.toml", {})
