"""Import order: files import only earlier rooms, in no circle, and the package loads no heavy library."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import masksearch

PACKAGE = Path(masksearch.__file__).parent
ROOT = ["errors", "types", "protocols"]
ROOMS = [
    "text",
    "runtime",
    "corpus",
    "search",
    "llm",
    "agent",
    "scoring",
    "ramp",
    "synthesis",
    "train",
    "evaluation",
    "evolve",
    "asking",
    "report",
    "serving",
    "interop",
    "recipe",
    "api",
    "cli",
]
ORDER = [*ROOT, *ROOMS]
HEAVY = {"torch", "transformers", "trl", "spacy", "bm25s", "datasets", "accelerate", "numba"}
HEAVY_ROOMS = {"train", "llm"}
MOST_FILES = 15
MOST_PROMPTS = 18
"""Prompt files of one language."""


@cache
def modules() -> dict[str, Path]:
    """Dotted name below `masksearch` -> file; a package's name is its `__init__`."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports(path: Path) -> tuple[tuple[int, str, bool], ...]:
    """Returns (line, module, whether at the top level) of every import, also inside functions."""
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[tuple[int, str, bool]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = {id(node) for node in ast.iter_child_nodes(tree)}
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno} is a relative import"
            full = [f"{node.module}.{alias.name}" for alias in node.names]
            ours = [name.removeprefix("masksearch.") for name in full]
            names = [
                name if short in modules() else str(node.module)
                for name, short in zip(full, ours, strict=True)
            ]
        for name in names:
            yield getattr(node, "lineno", 0), name, id(node) in top


@cache
def graph() -> dict[str, dict[str, int]]:
    """Module -> the modules of ours that it imports, with the line."""
    edges: dict[str, dict[str, int]] = {}
    for module, path in modules().items():
        edges[module] = {}
        for line, name, _ in imports(path):
            short = name.removeprefix("masksearch").lstrip(".")
            if name.split(".")[0] == "masksearch" and short:
                edges[module].setdefault(short, line)
    return edges


def place(module: str) -> int:
    """Position of a module's room in the order; `__main__` comes last."""
    first = module.split(".")[0]
    return ORDER.index(first) if first in ORDER else len(ORDER)


def circles() -> list[list[str]]:
    """Strongly connected components of more than one module, and modules that import themselves."""
    edges, index, low, stack, found = graph(), {}, {}, [], []  # type: ignore[var-annotated]

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for other in edges.get(module, {}):
            if other not in index:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], index[other])
        if low[module] == index[module]:
            members = stack[stack.index(module) :]
            del stack[stack.index(module) :]
            if len(members) > 1 or module in edges.get(module, {}):
                found.append(members)

    for module in edges:
        if module not in index:
            visit(module)
    return found


def test_files_import_only_what_stands_above_them() -> None:
    found = [
        f"{modules()[module].relative_to(PACKAGE)}:{line} imports the later {other}"
        for module, others in graph().items()
        for other, line in others.items()
        if place(other) > place(module)
    ]
    assert not found, "\n".join(found)


def test_no_files_import_each_other_in_a_circle() -> None:
    found = [" <-> ".join(members) for members in circles()]
    assert not found, "\n".join(found)


def test_every_import_of_ours_names_a_module_that_exists() -> None:
    found = [
        f"{module}:{line} {other}"
        for module, others in graph().items()
        for other, line in others.items()
        if other not in modules()
    ]
    assert not found, "\n".join(found)


def test_every_room_is_in_the_order() -> None:
    rooms = {module.split(".")[0] for module in modules() if "." in module}
    assert rooms == set(ROOMS)
    root = {path.stem for path in PACKAGE.glob("*.py")}
    assert root == {"__init__", "__main__", *ROOT}


def test_no_folder_holds_more_files_than_a_reader_takes_in() -> None:
    for folder in {path.parent for path in modules().values()}:
        files = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(files) <= MOST_FILES, f"{folder} holds {len(files)} modules"
    for folder in (path for path in PACKAGE.rglob("*") if path.is_dir() and path.name != "__pycache__"):
        others = [path for path in folder.iterdir() if path.is_file() and path.suffix != ".py"]
        assert len(others) <= MOST_PROMPTS, f"{folder} holds {len(others)} files"


def test_the_unit_tests_stand_in_the_same_rooms() -> None:
    here = Path(__file__).parent
    for path in here.rglob("test_*.py"):
        folder = path.parent.relative_to(here)
        assert (PACKAGE / folder / "__init__.py").exists(), f"{path} tests no room of the package"


def test_heavy_libraries_are_imported_where_they_are_used() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{line} imports {name} at the top"
        for module, path in modules().items()
        for line, name, top in imports(path)
        if top and name.split(".")[0] in HEAVY and module.split(".")[0] not in HEAVY_ROOMS
    ]
    assert not found, "\n".join(found)


def test_importing_the_package_or_the_command_line_is_light_and_silent(tmp_path: Path) -> None:
    for module in ("masksearch", "masksearch.cli.main"):
        code = f"import {module}, sys; print(sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True
        )
        assert (done.stdout, done.stderr.strip()) == ("", "[]")
    assert not list(tmp_path.iterdir())
