"""Shipped recipes: found by name, listed, copied, and part of the wheel."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from kit.places import REPOSITORY

from masksearch.cli.main import main
from masksearch.errors import RecipeError, UsageError
from masksearch.recipe import shipped
from masksearch.recipe.inputs import check_inputs
from masksearch.recipe.load import load_recipe

RECIPES = [item.name for item in shipped.shipped() if item.is_recipe]
CORPUS = ["corpus=wiki-summaries:en"]


def test_all_recipes_have_a_name_and_a_description() -> None:
    names = {
        path.relative_to(REPOSITORY / "recipes").as_posix() for path in REPOSITORY.glob("recipes/**/*.toml")
    }
    assert {f"{name}.toml" for name in RECIPES} == names
    assert all(item.description.endswith(".") for item in shipped.shipped())
    assert {"demo", "paper/sft-rl"} <= set(RECIPES)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("demo", "demo.toml"),
        ("demo.toml", "demo.toml"),
        ("recipes/demo.toml", "demo.toml"),
        ("recipes/demo", "demo.toml"),
        ("paper/sft-rl", "paper/sft-rl.toml"),
        ("sft-rl", "paper/sft-rl.toml"),
        ("recipes/paper/sft-rl.toml", "paper/sft-rl.toml"),
    ],
)
def test_a_recipe_is_found_by_name_from_any_folder(
    name: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_recipe(name, CORPUS).path == REPOSITORY / "recipes" / path


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("other_data", [False, True], ids=["alone", "beside other data"])
def test_the_question_sets_are_found_from_any_folder(
    name: str, other_data: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if other_data:
        (tmp_path / "data" / "mine").mkdir(parents=True)
    check_inputs(load_recipe(name, CORPUS))


def test_a_file_here_wins_over_a_shipped_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = (REPOSITORY / "recipes" / "demo.toml").read_text(encoding="utf-8")
    (tmp_path / "demo.toml").write_text(text.replace('name = "demo"', 'name = "mine"'), encoding="utf-8")
    assert load_recipe("demo.toml").name == load_recipe("demo").name == "mine"
    assert load_recipe("recipes/demo.toml").name == "demo"
    (tmp_path / "evolve").mkdir()
    assert load_recipe("evolve").name == "evolve"


def test_your_own_data_comes_before_the_shipped_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "data" / "hotpotqa" / "questions.jsonl.gz"
    own.parent.mkdir(parents=True)
    own.touch()
    settings = load_recipe("demo").stage("before-hotpot").settings
    assert settings.questions == str(Path("data/hotpotqa/questions.jsonl.gz"))  # type: ignore[attr-defined]
    settings = load_recipe("demo").stage("index").settings
    assert settings.corpus == str(REPOSITORY / "data/hotpotqa/corpus.jsonl.gz")  # type: ignore[attr-defined]


def test_an_unknown_name_gets_the_nearest_and_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        RecipeError, match=r"no recipe dmo; did you mean 'demo'\?.*: compare, curriculum, demo"
    ):
        load_recipe("dmo")
    with pytest.raises(RecipeError, match=r"no recipe recipes/evlove.toml; did you mean 'evolve'\?"):
        load_recipe("recipes/evlove.toml")
    (tmp_path / "mine.toml").touch()
    with pytest.raises(RecipeError, match=r"no recipe mien.toml; did you mean 'mine.toml'\?"):
        load_recipe("mien.toml")


def test_a_copy_is_the_same_recipe_under_another_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["recipes", "demo", "-o", "deep/my.toml"]) == 0
    assert "masksearch run" in capsys.readouterr().err
    copy = load_recipe("deep/my.toml")
    check_inputs(copy)
    assert copy.name == "my"
    assert copy.stages == load_recipe("demo").stages
    line = Path("deep/my.toml").read_text(encoding="utf-8").splitlines()[0]
    assert line == f"#:schema {(REPOSITORY / 'recipes' / 'schema.json').as_uri()}"
    assert main(["recipes", "demo", "-o", "deep/my.toml"]) == 2
    assert "exists already" in capsys.readouterr().err


def test_the_schema_is_relative_inside_the_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "recipes" / "paper").mkdir(parents=True)
    (tmp_path / "recipes" / "schema.json").touch()
    (tmp_path / "recipes" / "paper" / "a.toml").write_text("#:schema ../schema.json\n", encoding="utf-8")
    monkeypatch.setattr(shipped, "PACKAGE", tmp_path / "masksearch")
    (item,) = shipped.shipped()
    shipped.copy(item, tmp_path / "mine" / "b.toml")
    assert (tmp_path / "mine" / "b.toml").read_text(encoding="utf-8") == "#:schema ../recipes/schema.json\n"


def test_the_command_lists_prints_and_names_paths(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes"]) == 0
    listed = capsys.readouterr().out
    assert all(re.search(rf"^{re.escape(name)} ", listed, re.MULTILINE) for name in RECIPES)
    assert main(["recipes", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["name"] for row in rows} == {item.name for item in shipped.shipped()}
    assert main(["recipes", "accelerate/gpu-8-fsdp", "--path"]) == 0
    assert Path(capsys.readouterr().out.strip()) == REPOSITORY / "recipes/accelerate/gpu-8-fsdp.yaml"
    assert main(["recipes", "demo"]) == 0
    assert capsys.readouterr().out == (REPOSITORY / "recipes/demo.toml").read_text(encoding="utf-8")
    assert main(["recipes", "dmeo"]) == 2
    assert "did you mean 'demo'" in capsys.readouterr().err


def test_a_copy_needs_a_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="exists already"):
        shipped.copy(shipped.shipped()[0], tmp_path)
    assert main(["recipes", "-o", str(tmp_path / "x.toml")]) == 2


LOAD = """
import sys
from pathlib import Path
import masksearch
assert Path(masksearch.__file__).is_relative_to(sys.argv[1]), masksearch.__file__
from masksearch.recipe import shipped
from masksearch.recipe.inputs import check_inputs
from masksearch.recipe.load import load_recipe
for item in shipped.shipped():
    assert item.path.is_relative_to(sys.argv[1]), item
    if item.is_recipe:
        recipe = load_recipe(item.name, ["corpus=wiki-summaries:en"])
        check_inputs(recipe)
        for stage in recipe.stages:
            questions = getattr(stage.settings, "questions", "")
            assert "jsonl" not in questions or Path(questions).is_relative_to(sys.argv[1]), questions
        print(item.name)
    else:
        print(item.name)
"""


@pytest.mark.slow
def test_the_wheel_holds_the_recipes_and_their_data(tmp_path: Path) -> None:
    pytest.importorskip("setuptools", "77")
    source, elsewhere = tmp_path / "source", tmp_path / "elsewhere"
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("masksearch", "recipes", "data"):
        shutil.copytree(REPOSITORY / name, source / name, ignore=ignore)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    build = "from setuptools import build_meta; print(build_meta.build_wheel('.'))"
    built = subprocess.run(
        [sys.executable, "-c", build], cwd=source, capture_output=True, text=True, check=True, timeout=600
    )
    with zipfile.ZipFile(source / built.stdout.split()[-1]) as wheel:
        wheel.extractall(tmp_path / "installed")
        names = wheel.namelist()
    assert not [name for name in names if name.startswith(("recipes/", "data/", "tests/"))]
    assert {
        f"masksearch/shipped/{path.relative_to(source).as_posix()}" for path in shipped_files(source)
    } <= set(names)
    elsewhere.mkdir()
    # -I leaves out the working folder, PYTHONPATH and user packages; the wheel comes before the editable
    # installation of the repository.
    code = f"import sys; sys.path.insert(0, {str(tmp_path / 'installed')!r})\n{LOAD}"
    loaded = subprocess.run(
        [sys.executable, "-I", "-c", code, str(tmp_path / "installed")],
        cwd=elsewhere,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert loaded.returncode == 0, loaded.stderr
    assert loaded.stdout.split() == [item.name for item in shipped.shipped()]


def shipped_files(source: Path) -> list[Path]:
    """All files of the two folders that a wheel must hold."""
    return [path for folder in ("recipes", "data") for path in (source / folder).rglob("*") if path.is_file()]
