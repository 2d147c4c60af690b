"""Every setting has a text, from which the help, the settings page and the recipe's schema are made."""

import importlib
import json
import pkgutil
import re
import tomllib

import jsonschema
import pytest
from kit.places import REPOSITORY

import masksearch
from masksearch.cli.main import main
from masksearch.recipe.schema import recipe_schema
from masksearch.recipe.settings_page import settings_page
from masksearch.recipe.stages import STAGES
from masksearch.runtime.settings import Settings, field_text


def settings_classes() -> list[type[Settings]]:
    """All settings classes of the package; importing their modules needs no optional package."""
    for module in pkgutil.walk_packages(masksearch.__path__, "masksearch."):
        if module.name.endswith(".settings"):
            importlib.import_module(module.name)
    found: list[type[Settings]] = []
    waiting = [Settings]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind is not Settings and kind.__module__.startswith("masksearch."):
            found.append(kind)
    return sorted(found, key=lambda kind: kind.__qualname__)


FIELDS = [(kind, name) for kind in settings_classes() for name in kind.model_fields]
FOREIGN = re.compile(r"\b(As|as) in \w+Settings|\bof \w+Settings|^None:|; None:|\bNone: ")


def test_all_settings_are_found() -> None:
    kinds = {kind for kind, _ in FIELDS}
    assert {spec.settings for spec in STAGES.values()} <= kinds
    assert len(FIELDS) > 300


@pytest.mark.parametrize(("kind", "name"), FIELDS, ids=[f"{kind.__name__}.{name}" for kind, name in FIELDS])
def test_every_field_has_a_text(kind: type[Settings], name: str) -> None:
    text = field_text(kind, name)
    assert len(text.split()) >= 2, "write what the setting means, in which unit, and what 0 or empty means"
    assert text.endswith((".", ")", "`"))
    assert not FOREIGN.search(text), "say it here: a reader of --help does not see the other class"


def test_every_class_has_a_text() -> None:
    for kind in {kind for kind, _ in FIELDS}:
        assert kind.__doc__, kind


def test_the_help_of_a_flag_is_the_text_of_its_field(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["sft", "--help-all"])
    shown = " ".join(capsys.readouterr().out.split())
    # argparse wraps at hyphens too, so the text is compared without white space.
    text = field_text(STAGES["sft"].settings, "warmup_ratio")
    assert "".join(text.split()) in "".join(shown.split())


RECIPES = sorted((REPOSITORY / "recipes").rglob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=[path.stem for path in RECIPES])
def test_every_shipped_recipe_is_valid_by_the_schema(path) -> None:
    jsonschema.Draft7Validator(recipe_schema()).validate(tomllib.loads(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ({"kind": "sfd"}, "'sfd' is not one of"),
        ({"kind": "sft"}, "'model' is a required property"),
        ({"kind": "sft", "model": "m", "trajectories": ["t"], "learning_rat": 1}, "learning_rat"),
        ({"kind": "sft", "model": "m", "trajectories": ["t"], "batch_size": 0}, "0"),
        ({"kind": "sft", "model": "m", "trajectories": ["t"], "batch_size": "eight"}, "eight"),
        ({"kind": "eval", "questions": "q", "model": "m", "agent": {"top": 1}}, "top"),
    ],
)
def test_the_schema_finds_faults(table: dict[str, object], fault: str) -> None:
    errors = list(jsonschema.Draft7Validator(recipe_schema()).iter_errors({"stages": {"x": table}}))
    assert errors
    assert any(fault in error.message for error in errors)


def test_a_variable_may_stand_for_any_value() -> None:
    table = {"kind": "sft", "model": "m", "trajectories": ["{data}/t"], "batch_size": "{size}"}
    jsonschema.Draft7Validator(recipe_schema()).validate({"stages": {"x": table}})


def test_the_schema_is_itself_valid_and_holds_the_texts() -> None:
    schema = recipe_schema()
    jsonschema.Draft7Validator.check_schema(schema)
    sft = schema["definitions"]["stage-sft"]["properties"]
    assert sft["warmup_ratio"]["description"]
    assert sft["per_seed"]["description"]


def test_the_page_names_every_setting_and_the_files_in_the_repository_are_current(
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = settings_page()
    shown = {kind for kind, _ in FIELDS if kind.__name__ not in ("TrainingSettings", "SupervisedSettings")}
    for kind in shown:
        for name in kind.model_fields:
            assert f"| `{name}` |" in page, f"{kind.__name__}.{name}"
    advice = "run: masksearch schema --markdown > docs/settings.md; masksearch schema > recipes/schema.json"
    assert (REPOSITORY / "docs" / "settings.md").read_text(encoding="utf-8") == page, advice
    kept = json.loads((REPOSITORY / "recipes" / "schema.json").read_text(encoding="utf-8"))
    assert kept == recipe_schema(), advice
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == kept


def test_every_shipped_recipe_names_the_schema_for_editors() -> None:
    for path in RECIPES:
        first = path.read_text(encoding="utf-8").split("\n", 1)[0]
        assert first.startswith("#:schema "), path
        assert (path.parent / first.removeprefix("#:schema ")).resolve().name == "schema.json"
        assert (path.parent / first.removeprefix("#:schema ")).exists(), path
