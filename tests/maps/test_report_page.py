from __future__ import annotations

import base64
import io
import re
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from stream_rrvae.errors import ConfigError, FileFormatError
from stream_rrvae.maps.results import Provenance, write_results
from stream_rrvae.messages import Counters, ModelStatus, ScanState
from stream_rrvae.scan_store import Account, LearnerMaps, ScanStore

pytest.importorskip("matplotlib", reason="a report needs matplotlib, which is in the extra report")

from PIL import Image

from stream_rrvae.maps.figures_parts import DIRECTION, cyclic_colours
from stream_rrvae.maps.report import write_report

PROVENANCE = Provenance(1e9, 1e9 + 5, {"source": "<script>alert(1)</script>", "seed": 3})


def learn(store: ScanStore, latents: int = 2) -> None:
    n = store.shape.n_positions
    rng = np.random.default_rng(0)
    quality: dict[str, float | list[float]] = {
        "pearson_latent_com": [-0.9871, 0.1], "angle_error_deg": 0.73, "heldout_history": [1.0, 2.0, 2.5],
    }  # fmt: skip
    status = ModelStatus(version=3, state="ready", mode="finetune", quality=quality)
    angles, confidence = (rng.uniform(0, 1, n).astype("f4") for _ in range(2))
    z = rng.normal(size=(latents, n)).astype("f4")
    store.write_maps(LearnerMaps(status, angles, confidence, z))


def report(store: ScanStore, folder: Path) -> str:
    counters = Counters(expected=20, received=19, missing=1, processed=18, refused=1, refusals={"decode": 1})
    store.write_account(Account(ScanState.COMPLETE, counters))
    results = write_results(folder / "a.results.h5", store, PROVENANCE)
    return write_report(folder / "new" / "report.html", results).read_text(encoding="utf-8")


def pictures(page: str) -> list[Image.Image]:
    return [Image.open(io.BytesIO(base64.b64decode(found))) for found in re.findall(r"base64,([^\"]+)", page)]


def test_the_page_stands_alone_and_tells_figures_account_and_provenance(
    filled_store: ScanStore, tmp_path: Path
) -> None:
    learn(filled_store)
    page = report(filled_store, tmp_path)
    assert len(pictures(page)) == 4
    assert all(min(picture.size) > 200 for picture in pictures(page))
    outside = [source for source in re.findall(r"(?:src|href)=\"([^\"]*)", page) if not source.startswith("data:")]
    assert outside == []
    assert "http" not in page.split("<body>")[0]
    assert "url(" not in page
    for told in ("−0.9871", "0.73°", "refused: decode", "scan-1", "60000", "4 x 5 positions"):
        assert told in page, told
    assert page.index(">expected<") < page.index(">missing<") < page.index(">refused<")


def test_without_a_model_only_what_was_measured_is_drawn(filled_store: ScanStore, tmp_path: Path) -> None:
    page = report(filled_store, tmp_path)
    assert len(pictures(page)) == 2
    assert "<script>" not in page  # names from outside are text and not markup
    assert "&lt;script&gt;" in page


def test_the_learnt_maps_change_the_pictures(filled_store: ScanStore, tmp_path: Path) -> None:
    learn(filled_store)
    before = pictures(report(filled_store, tmp_path / "a"))[1]
    maps = filled_store.read_maps()
    filled_store.write_maps(LearnerMaps(maps.status, maps.rotation, maps.confidence, -2 * maps.latents[::-1]))
    after = pictures(report(filled_store, tmp_path / "b"))[1]
    assert np.asarray(before.convert("RGB")).tobytes() != np.asarray(after.convert("RGB")).tobytes()


def test_angles_have_the_colours_of_the_dashboards() -> None:
    from dashboards.pictures.palettes import cyclic_palette

    angles = np.array([0.0, np.pi / 2, -np.pi / 2, 3.0], np.float32)
    palette = cyclic_palette(DIRECTION)
    drawn = [tuple(round(255 * c) for c in colour) for colour in cyclic_colours(angles, DIRECTION)]
    for angle, colour in zip(angles, drawn, strict=True):
        entry = palette[1 + round((angle / (2 * np.pi) + 0.5) * 255) % 255]
        shown = tuple(int(entry[i : i + 2], 16) for i in (1, 3, 5))
        assert np.abs(np.subtract(colour, shown)).max() < 12


def test_confidence_is_opacity_and_no_value_is_grey() -> None:
    angles = np.array([1.0, 1.0, np.nan], np.float32)
    sure, unsure, unknown = cyclic_colours(angles, DIRECTION, np.array([1.0, 0.0, 1.0], np.float32))
    assert sure.min() < 0.6
    np.testing.assert_array_equal(unsure, 1.0)
    assert len(set(unknown)) == 1
    assert unknown[0] < 1.0


def test_without_matplotlib_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # what the import system itself uses for "not there"
    with pytest.raises(ConfigError, match=re.escape("pip install 'stream-rrvae[report]'")):
        write_report(tmp_path / "r.html", tmp_path / "a.h5")


def test_a_file_that_is_no_results_file_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(FileFormatError, match="no results file"):
        write_report(tmp_path / "r.html", tmp_path / "a.h5")
