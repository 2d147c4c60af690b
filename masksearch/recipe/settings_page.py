"""A Markdown page of all settings: every stage's fields with default, values and text.

masksearch schema --markdown > docs/settings.md
"""

from __future__ import annotations

from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from masksearch.asking.settings import AskSettings
from masksearch.evaluation.audit.settings import AuditSettings
from masksearch.evaluation.predictions.settings import ScoreSettings
from masksearch.evaluation.verify.settings import VerifySettings
from masksearch.interop.export.settings import ExportSettings
from masksearch.interop.publish.settings import PublishSettings
from masksearch.recipe.settings import RecipeFile, StageTable
from masksearch.recipe.stages import STAGES
from masksearch.recipe.start.settings import InitSettings
from masksearch.runtime.settings import Settings, field_text, reference_fields
from masksearch.scoring.settings import RewardAuditSettings
from masksearch.search.settings import QuerySettings
from masksearch.serving.settings import ServeSettings

HEAD = """# Settings

Every setting of every stage, generated from the texts in the code by `masksearch schema --markdown`. A
recipe writes a setting as `learning_rate = 1e-4` in the stage's table, a command as `--learning-rate 1e-4`;
settings of a nested table are written `agent.top_k` and `--agent.top-k`. `masksearch schema` prints a JSON
schema of recipes for editors.
"""
OTHERS: dict[str, type[Settings]] = {
    "ask": AskSettings,
    "init": InitSettings,
    "search": QuerySettings,
    "audit": AuditSettings,
    "verify": VerifySettings,
    "score": ScoreSettings,
    "serve": ServeSettings,
    "export": ExportSettings,
    "publish": PublishSettings,
    "rewards audit": RewardAuditSettings,
}
"""Command that is not a stage of a recipe -> class of its settings."""


def settings_page() -> str:
    """Renders the page. Each nested table has one section at the end, because several stages may share it."""
    nested: dict[str, type[Settings]] = {}
    parts = [HEAD, "## Recipe\n", *_section(RecipeFile, nested)]
    parts += ["## Every stage's table\n", *_section(StageTable, nested)]
    for kind, spec in STAGES.items():
        parts += [f"## Stage `{kind}`\n", *_section(spec.settings, nested)]
    for command, settings in OTHERS.items():
        parts += [f"## Command `{command}`\n", *_section(settings, nested)]
    done: set[str] = set()
    while open_ := [name for name in nested if name not in done]:
        for name in open_:
            done.add(name)
            parts += [f"## Table `{name}`\n", *_section(nested[name], nested)]
    return "\n".join(parts)


def _section(kind: type[Settings], nested: dict[str, type[Settings]]) -> Iterator[str]:
    """Renders the text of a settings class and a table of its fields. Adds the classes of nested tables to
    `nested`."""
    yield " ".join((kind.__doc__ or "").split()) + "\n"
    yield "| key | default | values | meaning |\n| --- | --- | --- | --- |"
    for name, field in kind.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Settings):
            title = table_name(inner)
            nested[title] = inner
            values, default = f"table [`{title}`](#table-{title})", ""
        elif (inner := _named_tables(field)) is not None:
            title = table_name(inner)
            nested[title] = inner
            values, default = f"tables [`{title}`](#table-{title}) by name", "empty"
        else:
            values, default = _values(kind, name, field), _default(field)
        cells = (f"`{name}`", default, values, field_text(kind, name))
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    yield ""


def _named_tables(field: FieldInfo) -> type[Settings] | None:
    """Returns the class of a field's tables if the field is a table of tables, name -> settings."""
    values = get_args(field.annotation)[1:] if get_origin(field.annotation) is dict else ()
    return next((value for value in values if isinstance(value, type) and issubclass(value, Settings)), None)


def table_name(kind: type[Settings]) -> str:
    """Returns the name of a nested table on the page: `reward` for the class `RewardSettings`."""
    return kind.__name__.removesuffix("Settings").lower()


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    value = field.default
    if isinstance(value, tuple):
        return f"`{', '.join(map(str, value))}`" if value else "empty"
    if value in ("", None) or value == {}:
        return "empty" if value is not None else "unset"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _values(kind: type[Settings], name: str, field: FieldInfo) -> str:
    shape = reference_fields(kind).get(name)
    if shape:
        return {"one": "stage or path", "many": "stages or paths", "groups": "table of stages or paths"}[
            shape
        ]
    text = _type(field.annotation)
    bounds = [
        f"{sign} {getattr(mark, limit)}"
        for mark in field.metadata
        for limit, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))
        if getattr(mark, limit, None) is not None
    ]
    return " ".join([text, ", ".join(bounds)]).strip()


def _type(annotation: Any) -> str:
    """Returns the type of a field in words, for the column `values` of the page."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (Union, UnionType):
        return _type(next(part for part in arguments if part is not NoneType))
    if origin is tuple:
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return f"table of {_type(arguments[1])}"
    names = {str: "text", int: "integer", float: "number", bool: "`true`, `false`"}
    return names.get(annotation, "any")
