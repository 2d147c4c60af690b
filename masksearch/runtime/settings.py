"""Base class of all settings, and the types of fields that may name another stage of a recipe.

One settings class serves a recipe's table, a command's flags, and tests. The text under a field is its help:
`--help`, the settings page and the recipe's JSON schema all read it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict
from pydantic_core import to_jsonable_python


class _Reference:
    """Marks a field that may name another stage of the recipe."""


Ref = Annotated[str, _Reference()]
"""A path, or the name of a stage, which refers to the stage's product."""
Refs = Annotated[tuple[str, ...], _Reference()]
"""Several paths or names of stages."""
Shape = Literal["one", "many", "groups"]
"""Kind of a reference field: a `Ref` (one), a `Refs` (many), or a table of `Refs` (groups)."""
Replace = Callable[[str, str, bool], list[str]]
"""A function (field, value, many) that returns the values to put in place of a reference. It must return
exactly one value unless `many` is true."""


class Settings(BaseModel):
    """Base class of all settings. Settings are frozen and refuse unknown keys. The text under a field is
    its description."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    basic: ClassVar[tuple[str, ...]] = ()
    """Settings that most people need: the short help of a command shows them and the required ones. A setting
    of a nested table is written `agent.top_k`."""
    added: ClassVar[tuple[str, ...]] = ()
    """Settings that were added after the first release. The cache key leaves such a setting out while it has
    its default, so that finished stages of earlier versions stay valid."""


def field_text(kind: type[Settings], name: str) -> str:
    """Returns the text of a field on one line; empty if the field has no text."""
    return " ".join((kind.model_fields[name].description or "").split())


@cache
def reference_fields(kind: type[Settings]) -> dict[str, Shape]:
    """Returns the fields of a settings class that may name stages: field -> `one`, `many` or `groups`."""
    shapes: dict[str, Shape] = {}
    for name, hint in get_type_hints(kind, include_extras=True).items():
        if hint == Ref:
            shapes[name] = "one"
        elif hint == Refs:
            shapes[name] = "many"
        elif get_origin(hint) is dict and get_args(hint)[1] == Refs:
            shapes[name] = "groups"
    return shapes


def reference_values(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yields (field, value) of every reference that is not empty."""
    for field, shape in reference_fields(type(settings)).items():
        value = getattr(settings, field)
        if shape == "one":
            found = [value]
        elif shape == "many":
            found = list(value)
        else:
            found = [item for group in value.values() for item in group]
        yield from ((field, item) for item in found if item)


@cache
def added_defaults(kind: type[Settings]) -> dict[str, Any]:
    """Returns the `added` fields of a settings class and of its base classes, with their defaults as JSON
    values."""
    names = [name for base in kind.__mro__ for name in vars(base).get("added", ())]
    fields = {name: kind.model_fields[name] for name in names if name in kind.model_fields}
    return {
        name: to_jsonable_python(field.get_default(call_default_factory=True))
        for name, field in fields.items()
    }


def without_added(kind: type[Settings], values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings, given as JSON values, without the `added` ones that have their default.

    Nested tables are treated alike.
    """
    defaults, kept = added_defaults(kind), {}
    for name, value in values.items():
        if name in defaults and value == defaults[name]:
            continue
        nested = kind.model_fields[name].annotation if name in kind.model_fields else None
        if isinstance(nested, type) and issubclass(nested, Settings) and isinstance(value, Mapping):
            value = without_added(nested, value)
        kept[name] = value
    return kept


def replace_references(settings: Settings, replace: Replace) -> dict[str, Any]:
    """Returns the settings as JSON values, with every reference replaced by the result of `replace`."""

    def each(field: str, items: Sequence[str]) -> list[str]:
        return [new for item in items for new in replace(field, item, True)]

    changed = settings.model_dump(mode="json")
    for field, shape in reference_fields(type(settings)).items():
        value = changed[field]
        if shape == "one":
            changed[field] = replace(field, value, False)[0] if value else value
        elif shape == "many":
            changed[field] = each(field, value)
        else:
            changed[field] = {name: each(field, group) for name, group in value.items()}
    return changed
