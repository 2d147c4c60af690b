"""Command-line flags made from settings classes: `learning_rate` is `--learning-rate`, `agent.top_k` is
`--agent.top-k`.

The help of a flag is the text under its field.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from types import NoneType
from typing import Any, Literal, NoReturn, TypeVar, get_args, get_origin

from pydantic.fields import FieldInfo

from masksearch.errors import UsageError
from masksearch.recipe import references
from masksearch.recipe.validate import Fault, dotted, validate
from masksearch.runtime.nearest import no_path
from masksearch.runtime.settings import Settings, field_text, reference_fields

S = TypeVar("S", bound=Settings)
DEST = "settings:"
SHORT_NAMES = {"extractors": "extractor"}
"""Fields whose flag is in the singular, because the user repeats the flag for each value."""


class Parser(argparse.ArgumentParser):
    """argparse with one-sentence errors and without abbreviated flags (a mistyped flag must not match
    another flag)."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False, **options})

    def error(self, message: str) -> NoReturn:
        """Ends the program with status 2."""
        self.exit(2, f"masksearch: {message[:1].upper()}{message[1:]}; see {self.prog} --help.\n")


def flag(name: str) -> str:
    """Returns the flag of a field, without the dashes."""
    return SHORT_NAMES.get(name, name).replace("_", "-")


def add_flags(
    parser: argparse._ActionsContainer, kind: type[Settings], skip: tuple[str, ...] = (), prefix: str = ""
) -> None:
    """Adds a flag for every field of `kind` that is not in `skip`.

    A flag that the user does not give sets no attribute of the parsed namespace.
    """
    # The help lists required fields first. `model_fields` would list the fields of a base class first.
    for name, field in sorted(kind.model_fields.items(), key=lambda item: not item[1].is_required()):
        if name in skip:
            continue
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Settings):
            add_flags(parser, inner, prefix=f"{prefix}{name}.")
            continue
        text = f"{field_text(kind, name)}{_default(field)}".strip().replace("%", "%%")
        options: dict[str, Any] = {
            "dest": f"{DEST}{prefix}{name}",
            "default": argparse.SUPPRESS,
            "help": text,
        }
        parser.add_argument(f"--{prefix}{flag(name)}", **options, **_shape(kind, name, field))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return " (needed)"
    shown = ",".join(map(str, field.default)) if isinstance(field.default, tuple) else field.default
    return f" (default: {shown})" if shown not in ("", None) and shown != {} else ""


def _shape(kind: type[Settings], name: str, field: FieldInfo) -> dict[str, Any]:
    """Returns the options of `add_argument` with which argparse reads the values of a field."""
    shape = reference_fields(kind).get(name)
    if shape == "one":
        return {"metavar": "PATH"}
    if shape == "many":
        return {"nargs": "+", "action": "extend", "metavar": "FILE"}
    if shape == "groups":
        return {"action": "append", "metavar": "NAME=FILE,FILE"}
    if field.annotation is bool:
        return {"action": argparse.BooleanOptionalAction}
    if _is_pairs(kind, name):
        return {"action": "append", "metavar": "NAME=NUMBER[,...]"}
    choices = [str(choice) for choice in _choices(field.annotation)]
    metavar = "|".join(choices) if choices else name.rpartition("_")[2].upper()
    if isinstance(field.default, tuple):
        return {"action": "append", "metavar": f"{metavar}[,...]"}
    return {"metavar": metavar}


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


def settings_of(kind: type[S], values: Mapping[str, Any], positional: tuple[str, str] | None = None) -> S:
    """Validates `values` and returns them as settings of the class `kind`.

    Raises UsageError that names the wrong flag or the wrong positional argument. `positional` is the field of
    the positional argument and the argument's name in messages.
    """

    def spell(key: tuple[str | int, ...]) -> str:
        names = [part for part in key if isinstance(part, str) and not part.startswith("[")]
        return positional[1] if positional and key[:1] == positional[:1] else "--" + dotted(names, flag)

    try:
        settings = validate(kind, values, strict=False)
    except Fault as fault:
        raise UsageError(f"{spell(fault.key)} {fault}") from None
    for field, value in references.inputs(settings):
        if not references.exists(field, value):
            raise UsageError(f"{spell((field,))}: there is no file or folder {value}{no_path(value)}")
    return settings
