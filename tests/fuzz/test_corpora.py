"""Inputs that fuzzing kept, through the targets again: nothing but the errors that are meant comes out."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from stream_rrvae.bench.trust.fuzz import fuzz_blindly, mutated
from stream_rrvae.bench.trust.fuzz_targets import TARGETS, joined, split, target_of

CORPUS = Path(__file__).parent / "corpus"
IN_PROCESS = [name for name in TARGETS if name != "segment"]
MUTATIONS = 150


@pytest.mark.parametrize("name", TARGETS)
def test_what_fuzzing_kept_is_survived(name: str) -> None:
    kept = sorted((CORPUS / name).glob("*"))
    assert kept, f"no corpus of {name}: python -m stream_rrvae.bench.trust.fuzz {name} 60 tests/fuzz/corpus/{name} NEW"
    target, _ = target_of(name)
    for path in kept:
        target(path.read_bytes())


@pytest.mark.parametrize("name", IN_PROCESS)
def test_so_is_damage_at_random(name: str) -> None:
    target, seeds = target_of(name)
    rng = random.Random(name)
    for _ in range(MUTATIONS):
        target(mutated(rng.choice(seeds), rng))


def test_a_target_that_fails_is_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(data: bytes) -> None:
        if data.startswith(b"\xff"):
            raise KeyError(data)

    monkeypatch.setattr("stream_rrvae.bench.trust.fuzz_targets.target_of", lambda _name: (fails, [b"\x00abc"]))
    found = fuzz_blindly("native", 0.2)
    assert 0 < found.crashes < found.executions
    assert "KeyError" in found.first_crash


def test_any_bytes_are_a_message_and_messages_come_back() -> None:
    parts = [b"header", b"", b"x" * 3000]
    assert [bytes(part) for part in split(joined(parts))] == parts
    assert [bytes(part) for part in split(b"")] == [b""]
