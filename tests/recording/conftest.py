"""What the recorder's tests share: how frames are given to it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

KILLED = Path(__file__).parent / "recorded_scans.py"


@pytest.fixture(scope="session")
def recorded_scans() -> ModuleType:
    """The helpers of `recorded_scans.py`, which is a script as well."""
    spec = importlib.util.spec_from_file_location("recorded_scans", KILLED)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["recorded_scans"] = module
    spec.loader.exec_module(module)
    return module
