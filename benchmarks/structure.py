"""Measures the shape of the package: folders, lengths of modules and functions, widths, comments, circles.

    python benchmarks/structure.py

docs/architecture.md holds the figures of the last release.
"""

from __future__ import annotations

import ast
import graphlib
import io
import statistics
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "masksearch"


def functions(tree: ast.AST) -> Iterator[int]:
    """Lines of each function, decorators not counted."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
            yield node.end_lineno - node.lineno + 1


def imported(tree: ast.AST, known: set[str]) -> Iterator[str]:
    """Our modules that a file imports, also inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in known else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def circle(graph: dict[str, set[str]]) -> str:
    """One import circle, or `none`."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return " -> ".join(error.args[1])
    return "none"


def share(part: int, whole: int) -> str:
    """A share in percent."""
    return f"{100 * part / whole:.1f}%"


def percentiles(values: list[int]) -> str:
    """Median and 90th percentile."""
    tenths = statistics.quantiles(values, n=10)
    return f"{statistics.median(values):.0f} / {tenths[-1]:.0f}"


def main() -> None:
    """Prints a Markdown table."""
    paths = sorted(PACKAGE.rglob("*.py"))
    names = {
        path: ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in paths
    }
    texts = {path: path.read_text(encoding="utf-8") for path in paths}
    trees = {path: ast.parse(text) for path, text in texts.items()}
    known = set(names.values())
    graph = {names[path]: {name for name in imported(trees[path], known) if name in known} for path in paths}
    lines = [line for text in texts.values() for line in text.splitlines()]
    comments = sum(
        token.type == tokenize.COMMENT
        for text in texts.values()
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
    )
    modules = [path for path in paths if path.name != "__init__.py"]
    folders = Counter(path.parent for path in modules)
    largest, count = folders.most_common(1)[0]
    longest = max(modules, key=lambda path: len(texts[path].splitlines()))
    rows = {
        "modules, lines": f"{len(modules)}, {len(lines):,}",
        "files at the package's root": str(len(list(PACKAGE.glob("*.py")))),
        "largest folder": f"{largest.relative_to(PACKAGE)}/ with {count} modules",
        "lines of a module, p50 / p90": percentiles([len(texts[path].splitlines()) for path in modules]),
        "longest module": f"{longest.relative_to(PACKAGE)}, {len(texts[longest].splitlines())} lines",
        "lines of a function, p50 / p90": percentiles(
            [lines_ for tree in trees.values() for lines_ in functions(tree)]
        ),
        "lines over 100 columns": share(sum(len(line) > 100 for line in lines), len(lines)),
        "lines over 110 columns": share(sum(len(line) > 110 for line in lines), len(lines)),
        "comments, share of lines": share(comments, len(lines)),
        "import circles between files": circle(graph),
    }
    print("| measure | |\n| --- | --- |")
    for name, value in rows.items():
        print(f"| {name} | {value} |")


if __name__ == "__main__":
    main()
