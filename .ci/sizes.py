"""Print the sizes that CONTRIBUTING.md bounds: files, functions, typed share, tests per source line."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from statistics import median

PACKAGES = ("stream_rrvae", "detector_sim", "dashboards")
FILE_LIMIT, FUNCTION_LIMIT = 500, 80

Function = ast.FunctionDef | ast.AsyncFunctionDef


def tracked(*folders: str) -> list[Path]:
    """The Python files that git tracks below `folders`."""
    listed = subprocess.run(["git", "ls-files", "--", *folders], capture_output=True, text=True, check=True).stdout
    return [Path(line) for line in listed.splitlines() if line.endswith(".py")]


def functions(path: Path) -> list[Function]:
    """Every function and method of a file."""
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, Function)]


def length(function: Function) -> int:
    """Lines from `def` to the end."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def is_typed(function: Function) -> bool:
    """Whether the result and every argument but self and cls are annotated."""
    arguments = [a for a in (*function.args.args, *function.args.kwonlyargs) if a.arg not in ("self", "cls")]
    return function.returns is not None and all(a.annotation for a in arguments)


def lines(paths: list[Path]) -> dict[Path, int]:
    """Lines of each file."""
    return {path: len(path.read_text().splitlines()) for path in paths}


def main() -> int:
    """Print the table; 1 when a limit is broken."""
    source = lines(tracked(*PACKAGES))
    tests = lines(tracked("tests"))
    found = [(path, function) for path in source for function in functions(path)]
    sizes = {f"{path}:{f.lineno} {f.name}": length(f) for path, f in found}
    typed = sum(is_typed(f) for _, f in found) / len(found)
    print(f"{'package':<14}{'files':>6}{'lines':>7}{'median':>8}{'longest':>9}")
    for package in PACKAGES:
        own = [n for path, n in source.items() if path.parts[0] == package]
        print(f"{package:<14}{len(own):>6}{sum(own):>7}{median(own):>8.0f}{max(own):>9}")
    print(f"functions: {len(sizes)}, median {median(sizes.values()):.0f} lines, longest {max(sizes.values())}")
    print(f"typed: {100 * typed:.0f} %, test lines per source line: {sum(tests.values()) / sum(source.values()):.2f}")
    broken = [f"{path}: {n} lines" for path, n in {**source, **tests}.items() if n > FILE_LIMIT]
    broken += [f"{name}: {n} lines" for name, n in sizes.items() if n > FUNCTION_LIMIT]
    print("\n".join(broken) if broken else f"no file over {FILE_LIMIT} lines, no function over {FUNCTION_LIMIT}")
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main())
