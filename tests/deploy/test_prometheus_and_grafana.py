"""Rules and dashboard name metrics and labels that exist; every alert says what to do."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from dashboards.control.wall import Wall
from dashboards.feeds.live_feed import LiveFeed
from dashboards.metrics import DashboardMetrics
from dashboards.options import DashboardOptions
from dashboards.server import make_door
from dashboards.sessions import Sessions
from stream_rrvae.feed.request_server import OUTCOMES
from stream_rrvae.metrics import new_metrics

METRIC = re.compile(r"\b((?:stream_rrvae|process)_\w+)(?:\{([^}]*)\})?")
LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"([^\"]*)\"")
OF_PROMETHEUS = {"instrument", "job", "instance", "le"}  # from its own configuration, or of every histogram
SUFFIXES = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "gauge": [""]}


def _known(families: Iterable[Any]) -> Iterator[tuple[str, dict[str, set[str]]]]:
    """Names as they are asked for, with the labels that they have and the values seen of these."""
    for family in families:
        labels: dict[str, set[str]] = {}
        for sample in family.samples:
            for name, value in sample.labels.items():
                labels.setdefault(name, set()).add(value)
        for suffix in SUFFIXES[family.type]:
            yield family.name + suffix, labels


@pytest.fixture(scope="module")
def known() -> dict[str, dict[str, set[str]]]:
    service = new_metrics()
    for outcome in OUTCOMES:
        service.requests.labels("pattern", outcome)
    feed = LiveFeed("tcp://127.0.0.1:1")
    sessions = Sessions(1, "", make_door(DashboardOptions(feeds=(feed.url,))))
    pages = DashboardMetrics([feed], sessions, Wall([feed])).text().decode()
    return dict([*_known(service.registry.collect()), *_known(text_string_to_metric_families(pages))])


@pytest.fixture
def rules(deploy: Path) -> list[dict[str, Any]]:
    read = yaml.safe_load((deploy / "prometheus" / "stream-rrvae.rules.yml").read_text())
    return [rule for group in read["groups"] for rule in group["rules"]]


@pytest.fixture
def panels(deploy: Path) -> list[dict[str, Any]]:
    read = json.loads((deploy / "grafana" / "stream-rrvae.json").read_text())
    made: list[dict[str, Any]] = read["panels"]
    return made


def _unknown(expression: str, known: dict[str, dict[str, set[str]]]) -> list[str]:
    """What `expression` asks for that nobody tells."""
    wrong = []
    for name, selectors in METRIC.findall(expression):
        if name not in known:
            wrong.append(name)
            continue
        for label, value in LABEL.findall(selectors):
            values = known[name].get(label, set())
            if label not in OF_PROMETHEUS | set(known[name]):
                wrong.append(f"{name}: {label}")
            elif values and label not in OF_PROMETHEUS and not any(re.fullmatch(value, each) for each in values):
                wrong.append(f"{name}: {label}={value}")
    return wrong


def test_what_is_not_there_is_noticed(known: dict[str, dict[str, set[str]]]) -> None:
    assert _unknown("rate(stream_rrvae_frames_total[5m])", known) == ["stream_rrvae_frames_total"]
    assert _unknown('stream_rrvae_scans_total{colour="red"}', known) == ["stream_rrvae_scans_total: colour"]
    assert _unknown('stream_rrvae_scans_total{outcome="lost"}', known) == ["stream_rrvae_scans_total: outcome=lost"]


def test_rules_ask_for_what_is_told(rules: list[dict[str, Any]], known: dict[str, dict[str, set[str]]]) -> None:
    assert len(rules) > 20 and len({rule["alert"] for rule in rules}) == len(rules)
    assert not [wrong for rule in rules for wrong in _unknown(rule["expr"], known)]
    for rule in rules:
        assert METRIC.search(rule["expr"]) or rule["expr"].startswith("up{")
        assert rule["labels"]["severity"] in ("warning", "critical")


def test_every_alert_has_its_section_in_the_runbook(deploy: Path, rules: list[dict[str, Any]]) -> None:
    sections = re.split(r"^### ", (deploy / "runbook.md").read_text(), flags=re.MULTILINE)[1:]
    texts = {section.splitlines()[0]: section.split("\n", 1)[1] for section in sections}
    assert sorted(texts) == sorted(rule["alert"] for rule in rules)
    assert all(len(text.split()) > 15 for text in texts.values())
    for rule in rules:
        assert rule["annotations"]["runbook_url"] == f"deploy/runbook.md#{rule['alert'].lower()}"


def test_panels_ask_for_what_is_told(panels: list[dict[str, Any]], known: dict[str, dict[str, set[str]]]) -> None:
    asked = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    assert len(asked) > 20 and all(METRIC.search(expression) for expression in asked)
    assert not [wrong for expression in asked for wrong in _unknown(expression, known)]


def test_panels_lie_beside_each_other(panels: list[dict[str, Any]]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken and max(x for x, _ in cells) < 24
        taken |= cells
    assert len({panel["id"] for panel in panels}) == len(panels)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="NOT CHECKED: promtool (Debian: prometheus) is not there")
@pytest.mark.parametrize("check", [["config", "prometheus.yml"], ["rules", "stream-rrvae.rules.yml"], ["tests.yml"]])
def test_prometheus_takes_them(deploy: Path, check: list[str]) -> None:
    words = ["test", "rules", *check] if len(check) == 1 else ["check", *check]
    checked = subprocess.run(["promtool", *words], cwd=deploy / "prometheus", capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
