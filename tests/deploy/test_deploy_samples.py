from __future__ import annotations

import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from stream_rrvae.calibration.site_file import load_site
from stream_rrvae.config import load
from stream_rrvae.ingest.source import parse_sources

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
SITES = sorted((DEPLOY / "sites").glob("*.toml"))
CALIBRATIONS = sorted((DEPLOY / "sites" / "calibration").glob("*.toml"))


@pytest.mark.parametrize("site", SITES, ids=lambda path: path.stem)
def test_every_site_file_is_valid_and_wholly_used(site: Path) -> None:
    settings = load(site, {})
    parse_sources(settings.source)
    dumped = settings.model_dump(mode="json")
    for name, value in tomllib.loads(site.read_text()).items():
        if not isinstance(value, dict):
            assert dumped[name] == value, name


@pytest.mark.parametrize("path", CALIBRATIONS, ids=lambda path: path.stem)
def test_every_calibration_file_is_valid(path: Path) -> None:
    site = load_site(path)
    assert all(site.at(each.camera_length_mm) == each for each in site.content.camera_length)
    assert len(site.content.camera_length) == 2


PROGRAM = "/opt/stream-rrvae/bin/stream-rrvae"
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="NOT CHECKED: systemd-analyze (Debian: systemd) is not installed"
)


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_what_a_unit_starts_is_understood(unit: Path, understood: Callable[[Sequence[str]], dict[str, object]]) -> None:
    started = [line.partition("=")[2] for line in unit.read_text().splitlines() if line.startswith("ExecStart=")]
    assert len(started) == 1
    program, *words = shlex.split(started[0].replace("%i", "arina").replace("%d", "/run/credentials"))
    assert program == PROGRAM
    assert understood(words)


@needs_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_systemd_finds_nothing_to_say_about_a_unit(unit: Path, tmp_path: Path) -> None:
    copied = tmp_path / unit.name
    copied.write_text(unit.read_text().replace(PROGRAM, "/bin/true"))  # the program is not at its place here
    checked = subprocess.run(["systemd-analyze", "verify", "--man=no", str(copied)], capture_output=True, text=True)
    about_it = [line for line in checked.stderr.splitlines() if unit.name in line]
    assert not about_it


@needs_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_exposure_of_every_unit_is_at_most_two(unit: Path) -> None:
    checked = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=20", str(unit)], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout[-300:] + checked.stderr
