"""What is answered about recordings: facts, courses, patterns, and as much as there is of damaged ones."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stream_rrvae.archive.answers import ArchiveAnswers
from stream_rrvae.archive.archive import Archive
from stream_rrvae.archive.listing import id_of
from stream_rrvae.arguments import Arguments
from stream_rrvae.errors import RequestError

Ask = Callable[..., Any]


@pytest.fixture
def ask(folder: Path) -> Iterator[Ask]:
    answers = ArchiveAnswers(Archive(folder))
    by_name = answers.slow()
    yield lambda name, **arguments: by_name[name](Arguments(arguments), lambda: True)
    answers.close()


def listed(ask: Ask) -> list[dict[str, Any]]:
    """The list, when all of it has been looked into."""
    while (told := ask("list"))["pending"]:
        continue
    return list(told["recordings"])


def test_a_list_tells_what_is_in_each(ask: Ask, record_one: Callable[..., Path]) -> None:
    record_one("a", [number for number in range(30) if number not in (4, 5)], damaged=())
    part = record_one("b").rename(record_one("c").with_name("b.part"))
    os.utime(part / "journal.jsonl", (2e9, 2e9))  # written a moment ago, however long this test takes
    told = {one["name"]: one for one in listed(ask)}
    assert set(told) == {"a", "b.part", "c"}
    assert told["a"]["state"] == told["c"]["state"] == "complete"
    assert told["a"]["counts"]["positions_missing"] == 2
    assert told["a"]["metadata"]["sample"] == "graphene <b>"
    assert (told["a"]["scan_shape"], told["a"]["frame_shape"]) == ([5, 6], [20, 24])
    assert told["b.part"]["state"] == "recording"
    assert told["b.part"]["counts"]["frames"] == 30
    assert json.dumps(told)


def test_a_run_is_opened_and_its_patterns_are_those_that_were_recorded(
    ask: Ask, record_one: Callable[..., Path]
) -> None:
    record_one("a", [*range(10), 12, *range(13, 30), 11, 12])
    asked = {"id": id_of("a")}
    facts = ask("open", **asked)
    assert (facts["scan_shape"], facts["frames"], facts["maps"], facts["analyses"]) == ([5, 6], 30, [], [])
    assert facts["calibration"]["mrad_per_px"] == 2.0
    course = ask("course", **asked)
    np.testing.assert_array_equal(course["gaps"], [[10, 11]])
    assert course["due"][1, 5] == 30  # 11 came at the end
    for y, x in ((0, 0), (1, 5), (4, 5)):
        pattern = ask("pattern", **asked, y=y, x=x)
        assert (pattern["pattern"][0, 0], pattern["binning"]) == (6 * y + x, 1)
    with pytest.raises(RequestError, match="no good frame"):
        ask("pattern", **asked, y=1, x=4)
    wrong: list[tuple[Any, Any]] = [(-1, 0), (5, 0), (0, 6), (0, 1.5), ("0", 0), (0, None), (True, 0)]
    for y, x in wrong:
        with pytest.raises(RequestError):
            ask("pattern", **asked, y=y, x=x)


def test_a_damaged_frame_is_not_shown_and_its_copy_is(ask: Ask, record_one: Callable[..., Path]) -> None:
    record_one("a", [0, 1, 1, 2], damaged=(1, 3))
    pattern = ask("pattern", id=id_of("a"), y=0, x=1)["pattern"]
    assert pattern[0, 0] == 1
    with pytest.raises(RequestError, match="no good frame"):
        ask("pattern", id=id_of("a"), y=0, x=2)


@pytest.mark.parametrize("damage", ["cut", "zeros", "empty", "text"])
def test_of_a_recording_with_a_damaged_master_file_the_frames_are_seen(
    ask: Ask, record_one: Callable[..., Path], damage: str
) -> None:
    master = record_one("a") / "master.h5"
    content = master.read_bytes()
    middle = len(content) // 2
    master.write_bytes(
        {"cut": content[:middle], "zeros": content[:middle] + bytes(len(content) - middle), "empty": b"",
         "text": b"no HDF5"}[damage]
    )  # fmt: skip
    (told,) = listed(ask)
    if damage != "zeros":  # that may leave all that is looked at
        assert (told["state"], told["counts"]["frames"]) == ("damaged", 30)
        assert "master file is damaged" in told["fault"]
    assert ask("open", id=id_of("a"))["frames"] == 30
    assert ask("pattern", id=id_of("a"), y=4, x=5)["pattern"][0, 0] == 29


def test_a_recording_beyond_reading_is_named_and_the_others_go_on(
    ask: Ask, record_one: Callable[..., Path], folder: Path
) -> None:
    record_one("a")
    broken = record_one("b")
    for file in broken.iterdir():
        file.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(200))
    told = {one["name"]: one for one in listed(ask)}
    assert told["b"]["problem"]
    assert str(folder) not in told["b"]["problem"]  # where it lies is nobody's business
    assert told["a"]["problem"] == ""
    with pytest.raises(RequestError) as error:
        ask("open", id=id_of("b"))
    assert str(folder) not in str(error.value)


def test_a_recording_that_grows_is_read_anew(ask: Ask, record_one: Callable[..., Path], folder: Path) -> None:
    path = record_one("a", range(10))
    assert ask("open", id=id_of("a"))["frames"] == 10
    for file in path.iterdir():
        file.unlink()
    path.rmdir()
    record_one("a", range(20))
    ask("list")
    assert ask("open", id=id_of("a"))["frames"] == 20
