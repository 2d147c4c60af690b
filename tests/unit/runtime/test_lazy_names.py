"""Packages whose names are imported when they are first used; commands that stay light."""

from __future__ import annotations

import subprocess
import sys

import pytest

import masksearch.scoring
import masksearch.search
from masksearch.search.index.bm25 import Bm25Searcher

HEAVY = ("numpy", "scipy", "numba", "bm25s", "torch", "transformers", "jinja2")


def loaded(code: str) -> set[str]:
    """Returns the heavy packages that a program imports."""
    report = f"import sys\n{code}\nprint(*[name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_a_name_is_that_of_its_module() -> None:
    assert masksearch.search.Bm25Searcher is Bm25Searcher
    assert vars(masksearch.search)["Bm25Searcher"] is Bm25Searcher
    for package in (masksearch.search, masksearch.scoring):
        assert all(hasattr(package, name) for name in package.__all__)


def test_another_name_is_an_error() -> None:
    with pytest.raises(AttributeError, match=r"module 'masksearch\.search' has no attribute 'nothing'"):
        masksearch.search.nothing  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize("command", ["ask", "serve", "search", "sft", "rl", "eval", "report", "index"])
def test_the_help_of_a_command_imports_no_heavy_package(command: str) -> None:
    assert loaded(f"from masksearch.cli.main import main\nmain(['help', '{command}'])") == set()


def test_a_search_imports_numpy_alone() -> None:
    code = (
        "from masksearch.search import Bm25Searcher\n"
        "from masksearch.text.terms import Tokeniser\n"
        "Tokeniser('en').terms('the capital of Italy')"
    )
    assert loaded(code) == {"numpy"}
