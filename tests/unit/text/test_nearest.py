"""Suggestions for mistyped names and paths."""

from __future__ import annotations

from pathlib import Path

import pytest

from masksearch.text.nearest import close_name, close_path, nearest, no_path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "runs" / "demo" / "stages" / "index").mkdir(parents=True)
    (tmp_path / "docs.jsonl").touch()
    (tmp_path / ".docz").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "found"), [("evla", "eval"), ("EVAL", "eval"), ("serch", "search"), ("dance", ""), ("", "")]
)
def test_the_nearest_name(name: str, found: str) -> None:
    assert close_name(name, ["eval", "search", "serve"]) == found


def test_the_end_of_a_sentence_about_a_name() -> None:
    assert nearest("evla", ["eval", "rl"]) == "; did you mean 'eval'?"
    assert nearest("dance", ["eval", "rl"]) == "; valid here: eval, rl."
    assert nearest("dance", []) == "."
    many = [f"stage-{number}" for number in range(25)]
    assert nearest("dance", many).endswith("stage-19, and 5 more.")


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("doc.jsonl", "docs.jsonl"),
        ("./doc.jsonl", "./docs.jsonl"),
        ("docs", "docs.jsonl"),
        ("run/demo", "runs/demo"),
        ("runs/dmo/stage/index", "runs/demo/stages/index"),
        ("runs/../doc.jsonl", "runs/../docs.jsonl"),
        ("runs/demo/stages/index/passages", ""),
        ("elsewhere/demo", ""),
        ("docs.jsonl", ""),
        ("none.jsonl", ""),
    ],
)
def test_the_nearest_path(here: Path, path: str, found: str) -> None:
    assert close_path(path) == found
    if found:
        absolute = str(here / Path(found))
        assert close_path(str(here / Path(path))) == absolute


def test_the_end_of_a_sentence_about_a_path(here: Path) -> None:
    assert no_path("runs/dmo") == "; did you mean 'runs/demo'?"
    assert no_path("zzz.json") == "; check the path."
    assert no_path("zzz/x/y.json") == "; check the path: there is no folder zzz."
