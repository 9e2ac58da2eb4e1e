"""Code kept on disk is made anew when a file changes that it calls into: entries outside name a stamp of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import stream_rrvae
from stream_rrvae.kernels.compiled import sources_stamp

PACKAGE = Path(stream_rrvae.__file__).parent
FILES = sorted(file for file in PACKAGE.rglob("*.py") if "compiled_entry" in file.read_text())


def entries(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and "compiled_entry" in map(ast.unparse, node.decorator_list):
            yield node


def names_read(function: ast.FunctionDef) -> set[str]:
    found = (node for statement in function.body for node in ast.walk(statement) if isinstance(node, ast.Name))
    return {node.id for node in found if isinstance(node.ctx, ast.Load)}


def names_read_in_all(function: ast.FunctionDef, of_file: dict[str, ast.FunctionDef]) -> set[str]:
    """What it and all functions of its file that it calls read."""
    read: set[str] = set()
    todo = [function]
    while todo:
        new = names_read(todo.pop()) - read
        read |= new
        todo += [of_file[name] for name in new if name in of_file]
    return read


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_entry_that_calls_into_other_files_names_a_stamp(file: Path) -> None:
    tree = ast.parse(file.read_text())
    of_file = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    ours = {
        name.asname or name.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("stream_rrvae")
        for name in node.names
    }
    for entry in entries(tree):
        read = names_read_in_all(entry, of_file)
        assert "stamp" in read or not read & ours, f"{entry.name} depends on {sorted(read & ours)} without a stamp"


def test_there_are_entries_to_look_at() -> None:
    assert {"packed_loops", "receive_dectris", "receive_native", "copy_loop", "chunk_loop"} <= {
        file.stem for file in FILES
    }


def test_the_stamp_tells_of_any_change_in_a_folder_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "called.py"
    file.write_text("LIMIT = 1\n")
    before = sources_stamp(), sources_stamp(file), sources_stamp(tmp_path)
    assert len({before[0], before[1]}) == 2
    assert before[1] == before[2], "a folder is its files"
    file.write_text("LIMIT = 2\n")
    after = sources_stamp(), sources_stamp(file), sources_stamp(tmp_path)
    assert after[0] == before[0]
    assert after[1] != before[1]
    assert after[2] != before[2]
