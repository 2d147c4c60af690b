"""Command-line flags made from settings classes: `learning_rate` is `--learning-rate`, `agent.top_k` is
`--agent.top-k`.

The help of a flag is the text under its field.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Mapping, Sequence
from types import NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic.fields import FieldInfo

from masksearch.cli.parsing import listed, spelled
from masksearch.errors import UsageError
from masksearch.recipe import references
from masksearch.recipe.overrides import merge, set_value
from masksearch.recipe.products import product_of, with_products
from masksearch.recipe.validate import Fault, dotted, validate
from masksearch.runtime.settings import Settings, field_text, reference_fields
from masksearch.text.nearest import no_path

S = TypeVar("S", bound=Settings)
DEST = "settings:"
SHORT_NAMES = {"extractors": "extractor"}
"""Fields whose flag is in the singular, because the user repeats the flag for each value."""
TEXTS = {
    "url": "URL",
    "llm": "URL",
    "host": "HOST",
    "corpus": "PATH",
    "store": "PATH",
    "prompts": "PATH",
    "cache": "PATH",
    "record": "PATH",
    "replay": "PATH",
    "against": "PATH",
    "kept": "PATH",
    "rollouts": "PATH",
    "searches": "PATH",
    "trajectories": "PATH",
    "masks": "INT[-INT]",
    "stages": "INT[-INT]",
    "title": "TEXT",
    "converter": "PATH",
    "query_prompt": "TEXT",
    "passage_prompt": "TEXT",
}
"""Text fields -> kind of value in their help; the others are names."""
REPEATED = {
    "many": "Several values by space.",
    "groups": "Repeat the flag for each name.",
    "list": "Several values by comma.",
}
"""Shape of a field with several values -> how they are written."""


def flag(name: str) -> str:
    """Returns the flag of a field, without the dashes."""
    return SHORT_NAMES.get(name, name).replace("_", "-")


def add_settings(parser: argparse.ArgumentParser, kind: type[Settings], skip: tuple[str, ...] = ()) -> None:
    """Adds the flags of `kind`, and `--set` for any of its settings, in groups: one for each nested table."""
    group = parser.add_argument_group("settings")
    group.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="a setting by its key, such as --set seed=2. Repeat the flag for each key.",
    )
    add_flags(group, kind, skip, tables=parser)


def add_flags(
    container: argparse._ActionsContainer,
    kind: type[Settings],
    skip: tuple[str, ...] = (),
    prefix: str = "",
    basic: Collection[str] | None = None,
    tables: argparse.ArgumentParser | None = None,
) -> None:
    """Adds a flag for every field of `kind` that is not in `skip`.

    A flag that the user does not give sets no attribute of the parsed namespace. `basic` are the flags in the
    short help (`kind.basic` if it is not given). Each nested table gets a group of its own in `tables`.
    """
    shown = kind.basic if basic is None else basic
    inner: list[tuple[str, type[Settings]]] = []
    # The help lists required fields first. `model_fields` would list the fields of a base class first.
    for name, field in sorted(kind.model_fields.items(), key=lambda item: not item[1].is_required()):
        if name in skip or is_named_tables(field):
            continue
        if isinstance(field.annotation, type) and issubclass(field.annotation, Settings):
            inner.append((name, field.annotation))
            continue
        shape = _shape(kind, name, field)
        action = container.add_argument(
            f"--{prefix}{flag(name)}",
            dest=f"{DEST}{prefix}{name}",
            default=argparse.SUPPRESS,
            help=_help(kind, name, field),
            **shape,
        )
        place = f"{prefix}{name}"
        action.basic = field.is_required() or place in shown  # type: ignore[attr-defined]
        action.rank = list(shown).index(place) if place in shown else -1  # type: ignore[attr-defined]
        action.values = [str(choice) for choice in _choices(field.annotation)]  # type: ignore[attr-defined]
    for name, table in inner:
        title = f"{prefix}{name}"
        group = tables.add_argument_group(title, field_text(kind, name)) if tables else container
        add_flags(group, table, (), f"{title}.", shown, tables)


def is_named_tables(field: FieldInfo) -> bool:
    """Whether a field is a table of tables, name -> settings; it has no flag, but `--set` can give it."""
    values = get_args(field.annotation)[1:] if get_origin(field.annotation) is dict else ()
    return any(isinstance(value, type) and issubclass(value, Settings) for value in values)


def required(kind: type[Settings], skip: Collection[str] = ()) -> dict[str, str]:
    """Returns the fields that the user must give: name -> its flag with its value, as in
    `--model PATH`."""
    parser = argparse.ArgumentParser(add_help=False)
    add_flags(parser, kind)
    return {
        name: spelled(action)
        for action in parser._actions
        if (name := action.dest.removeprefix(DEST)) in kind.model_fields
        and kind.model_fields[name].is_required()
        and name not in skip
    }


def _help(kind: type[Settings], name: str, field: FieldInfo) -> str:
    parts = [field_text(kind, name), REPEATED.get(_several(kind, name, field), ""), _default(field)]
    return " ".join(part for part in parts if part).replace("%", "%%")


def _several(kind: type[Settings], name: str, field: FieldInfo) -> str:
    """Returns the key of REPEATED for a field with several values; empty for one value."""
    shape = reference_fields(kind).get(name)
    if shape in ("many", "groups"):
        return shape
    return "list" if isinstance(field.default, tuple) or _is_pairs(kind, name) else ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "(needed)"
    shown = ",".join(map(str, field.default)) if isinstance(field.default, tuple) else field.default
    return f"(default: {shown})" if shown not in ("", None) and shown != {} else ""


def _shape(kind: type[Settings], name: str, field: FieldInfo) -> dict[str, Any]:
    """Returns the options of `add_argument` with which argparse reads the values of a field."""
    shape = reference_fields(kind).get(name)
    if shape == "one":
        return {"metavar": "PATH"}
    if shape == "many":
        return {"nargs": "+", "action": "extend", "metavar": "PATH"}
    if shape == "groups":
        return {"action": "append", "metavar": "NAME=PATH[,PATH...]"}
    if field.annotation is bool:
        return {"action": argparse.BooleanOptionalAction}
    if _is_pairs(kind, name):
        return {"action": "append", "metavar": "NAME=FLOAT[,...]"}
    metavar = value_name(name, field.annotation)
    if isinstance(field.default, tuple):
        return {"action": "append", "metavar": f"{metavar}[,...]"}
    return {"metavar": metavar}


def value_name(name: str, annotation: Any) -> str:
    """Returns the kind of a field's value for the help: FLOAT, INT, PATH, URL, NAME, ... or `{a,b}`."""
    choices = [str(choice) for choice in _choices(annotation)]
    if choices:
        return "{" + ",".join(choices) + "}"
    while get_args(annotation):
        annotation = next(part for part in get_args(annotation) if part not in (NoneType, Ellipsis))
    numbers = {int: "INT", float: "FLOAT"}
    return numbers.get(annotation) or TEXTS.get(name, "NAME")


def _is_pairs(kind: type[Settings], name: str) -> bool:
    """Whether a field is a table from names to numbers, written NAME=NUMBER on the command line."""
    field = kind.model_fields.get(name)
    return (
        field is not None
        and get_origin(field.annotation) is dict
        and get_args(field.annotation) == (str, float)
    )


def _choices(annotation: Any) -> list[Any]:
    """Returns the values of a Literal. The Literal may also be inside a tuple or a union with None."""
    inner = [part for part in get_args(annotation) if part not in (NoneType, Ellipsis)]
    if getattr(annotation, "__origin__", None) is Literal:
        return inner
    return _choices(inner[0]) if inner else []


def set_values(overrides: Sequence[str]) -> dict[str, Any]:
    """Returns the settings given by `--set KEY=VALUE`, nested like the settings class."""
    values: dict[str, Any] = {}
    for override in overrides:
        set_value(values, override)
    return values


def given_values(namespace: argparse.Namespace, kind: type[Settings]) -> dict[str, Any]:
    """Returns the settings that the user gave by flags, nested like the settings class.

    Raises UsageError for a value that is not of the form NAME=NUMBER or NAME=FILE,FILE where this form is
    required.
    """
    values: dict[str, Any] = {}
    for dest, value in vars(namespace).items():
        if not dest.startswith(DEST) or value is None or value == []:
            continue
        *path, name = dest.removeprefix(DEST).split(".")
        table = values
        for part in path:
            table = table.setdefault(part, {})
        shape = reference_fields(kind).get(name) if not path else None
        if shape == "groups":
            value = dict(_group(text) for text in value)
        elif not path and _is_pairs(kind, name):
            value = dict(
                _pair(item, flag(name)) for text in value for item in text.split(",") if item.strip()
            )
        elif isinstance(value, list) and shape != "many":
            value = [item.strip() for text in value for item in text.split(",") if item.strip()]
        elif (
            isinstance(value, str)
            and value.lower() == "none"
            and not path
            and kind.model_fields[name].default is None
        ):
            value = None
        table[name] = value
    return values


def _pair(text: str, name: str) -> tuple[str, str]:
    key, equals, number = text.strip().partition("=")
    if not (key and equals and number):
        raise UsageError(f"--{name} {text} is not of the form NAME=NUMBER.")
    return key, number


def _group(text: str) -> tuple[str, list[str]]:
    name, equals, paths = text.partition("=")
    if not (name and equals and paths):
        raise UsageError(f"--groups {text} is not of the form NAME=FILE,FILE.")
    return name, paths.split(",")


def settings_of(
    kind: type[S],
    values: Mapping[str, Any],
    positional: tuple[str, str] | None = None,
    overridden: Sequence[str] = (),
) -> S:
    """Validates `values` and returns them as settings of the class `kind`, with products in place of stage
    folders.

    Raises UsageError that names the wrong flag or the wrong positional argument. `positional` is the field of
    the positional argument and the argument's name in messages, `overridden` the keys that `--set` gave.
    """

    def spell(key: tuple[str | int, ...]) -> str:
        names = [part for part in key if isinstance(part, str) and not part.startswith("[")]
        if any(dotted(names).startswith(known) for known in overridden):
            return f"--set {dotted(names)}"
        return positional[1] if positional and key[:1] == positional[:1] else "--" + dotted(names, flag)

    try:
        given = validate(kind, values, strict=False)
    except Fault as fault:
        raise UsageError(f"{listed(map(spell, (fault.key, *fault.others)))} {fault}") from None
    try:
        settings = with_products(given)
    except Fault as fault:
        raise UsageError(f"{spell(fault.key)}: {fault}") from None
    for field, value in references.inputs(settings):
        if not references.exists(field, value):
            raise UsageError(f"{spell((field,))}: there is no file or folder {value}{no_path(value)}")
    return settings


def command_settings(
    kind: type[S], arguments: argparse.Namespace, positional: tuple[str, str] | None = None
) -> S:
    """Returns the settings of a command that is not a stage: those of `--set`, then those of the flags."""
    overridden = tuple(override.partition("=")[0].strip() for override in getattr(arguments, "set", ()))
    values = merge(set_values(getattr(arguments, "set", ())), given_values(arguments, kind))
    return settings_of(kind, values, positional, overridden)


def named_index(value: str) -> str:
    """Returns the index that the argument INDEX names: a stage or run that made one stands for it."""
    try:
        return product_of("index", value)
    except UsageError as error:
        raise UsageError(f"INDEX: {error}") from None
