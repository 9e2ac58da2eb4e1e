"""What the documents of deployment point at is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
DOCUMENTS = sorted(DEPLOY.glob("*.md"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text())
    assert not [link for link in links if not (document.parent / link).exists()]


def test_every_test_that_the_threat_model_counts_on_is_there() -> None:
    named = re.findall(r"`((?:\w+/)+(?:test_\w+\.py)?)`", (DEPLOY / "threat-model.md").read_text())
    assert len(named) > 15
    assert not [
        name for name in named if not ((DEPLOY.parent / "tests" / name).exists() or (DEPLOY.parent / name).exists())
    ]
