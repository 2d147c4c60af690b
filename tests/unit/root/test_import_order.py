"""The tree is the pipeline: a room imports the root files and rooms above it, and importing the package loads nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import masksearch

PACKAGE = Path(masksearch.__file__).parent
ROOMS = ["corpus", "search", "serving", "llm", "agent", "scoring", "ramp", "synthesis", "train", "export", "evaluation", "evolve", "report", "integrations"]
SHARED = {"types", "errors", "files", "progress", "settings", "protocols", "workers", "ranks"}
HEAVY = {"torch", "transformers", "trl", "spacy", "bm25s", "datasets", "accelerate", "numba"}
HEAVY_ROOMS = {"train", "llm"}
ALLOWED: dict[tuple[str, str], str] = {}


def imports(tree: ast.AST, path: Path) -> Iterator[tuple[int, str, bool]]:
    """(line, dotted module, whether it is at the top level) of every import, also inside functions."""
    top = {id(node) for node in ast.iter_child_nodes(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, id(node) in top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = ["masksearch", *path.relative_to(PACKAGE).parent.parts]
                base = ".".join([*parents[: len(parents) - node.level + 1], *([base] if base else [])])
            # `from masksearch import files` names the module in the alias.
            found = [f"{base}.{alias.name}" for alias in node.names] if base == "masksearch" else [base]
            yield from ((node.lineno, name, id(node) in top) for name in found)


def offences() -> Iterator[str]:
    for path in sorted(PACKAGE.rglob("*.py")):
        relative = path.relative_to(PACKAGE)
        room = relative.parts[0] if len(relative.parts) > 1 else ""
        for line, name, top in imports(ast.parse(path.read_text(encoding="utf-8")), path):
            first, *rest = name.split(".")
            if first in HEAVY and top and room not in HEAVY_ROOMS:
                yield f"{relative}:{line} imports {first} at the top"
            if first != "masksearch" or not rest or rest[0].startswith("__"):
                continue
            target = rest[0]
            if room and room not in ROOMS:
                yield f"{relative}:{line} lies in a room that is not in the order"
            elif room and target in ROOMS and ROOMS.index(target) > ROOMS.index(room) and (str(relative), target) not in ALLOWED:
                yield f"{relative}:{line} imports the later room {target}"
            elif room and target not in ROOMS and target not in SHARED:
                yield f"{relative}:{line} imports {name}, which rooms do not share"
            elif relative.stem in SHARED and target not in SHARED and relative.parent == Path():
                yield f"{relative}:{line} is shared by all rooms, but imports {name}"


def test_rooms_import_only_what_stands_above_them() -> None:
    found = list(offences())
    assert not found, "\n".join(found)


def test_the_exceptions_are_still_needed() -> None:
    for file, target in ALLOWED:
        path = PACKAGE / file
        assert any(name.startswith(f"masksearch.{target}") for _, name, _ in imports(ast.parse(path.read_text(encoding="utf-8")), path))


def test_importing_the_package_or_the_command_line_is_light_and_silent(tmp_path: Path) -> None:
    for module in ("masksearch", "masksearch.cli"):
        code = f"import {module}, sys; print(sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
        assert (done.stdout, done.stderr.strip()) == ("", "[]")
    assert not list(tmp_path.iterdir())
