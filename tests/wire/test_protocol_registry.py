"""Detector protocols by name, built in and from other packages."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from stream_rrvae.errors import ConfigError
from stream_rrvae.wire.native import NativeProtocol
from stream_rrvae.wire.registry import protocol, protocol_names

OTHER_PACKAGE = """
class Merlin:
    name = "merlin"

    def __init__(self, channel, limit_bytes):
        self.told = channel, limit_bytes

    def decode(self, parts):
        return []
"""


@pytest.fixture
def other_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package of somebody else with entry points of its own."""
    (tmp_path / "merlin_protocol.py").write_text(OTHER_PACKAGE)
    info = tmp_path / "merlin_protocol-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: merlin-protocol\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[stream_rrvae.detector_protocols]\n"
        "merlin = merlin_protocol:Merlin\n"
        "native = merlin_protocol:Merlin\n"
        "broken = merlin_protocol:Missing\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()


def test_the_built_in_ones_need_no_installed_metadata() -> None:
    assert set(protocol_names()) >= {"native", "dectris-v2", "dectris-v1"}
    assert protocol("dectris-v2", "threshold_2", 1000).name == "dectris-v2"


def test_every_call_makes_a_decoder_of_its_own() -> None:
    assert protocol("native") is not protocol("native")


def test_an_unknown_name_says_what_there_is() -> None:
    with pytest.raises(ConfigError, match="native, dectris-v2"):
        protocol("nativ")


def test_other_packages_add_protocols(other_package: None) -> None:
    assert "merlin" in protocol_names()
    assert vars(protocol("merlin", "a", 5)) == {"told": ("a", 5)}


def test_other_packages_cannot_replace_a_built_in_one(other_package: None) -> None:
    assert isinstance(protocol("native"), NativeProtocol)


def test_one_that_cannot_be_loaded_is_a_configuration_error(other_package: None) -> None:
    with pytest.raises(ConfigError, match="broken"):
        protocol("broken")
