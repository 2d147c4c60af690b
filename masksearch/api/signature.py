"""Signatures and help texts of functions whose keyword arguments are the settings of a stage."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from masksearch.runtime.settings import Settings, field_text

F = TypeVar("F", bound=Callable[..., Any])


def with_settings(kind: type[Settings], skip: tuple[str, ...] = ()) -> Callable[[F], F]:
    """Returns a decorator that adds the settings to the function's signature and help.

    The function takes them as `**settings`. `skip` are settings that the function sets itself.
    """

    def decorate(function: F) -> F:
        signature = inspect.signature(function)
        own = [one for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD]
        names = {one.name for one in own} | set(skip)
        added = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=_default(kind, name))
            for name in kind.model_fields
            if name not in names
        ]
        function.__signature__ = signature.replace(parameters=[*own, *added])  # type: ignore[attr-defined]
        text = inspect.cleandoc(function.__doc__ or "")
        lines = "\n".join(_lines(kind, [one.name for one in added]))
        function.__doc__ = f"{text}\n\nSettings:\n{lines}\n" if added else text
        return function

    return decorate


def _default(kind: type[Settings], name: str) -> Any:
    field = kind.model_fields[name]
    return inspect.Parameter.empty if field.is_required() else field.get_default(call_default_factory=True)


def _lines(kind: type[Settings], names: list[str]) -> Iterator[str]:
    for name in names:
        annotation = kind.model_fields[name].annotation
        yield f"    {name}: {field_text(kind, name)}"
        if isinstance(annotation, type) and issubclass(annotation, Settings):
            yield f"        A dict with: {', '.join(annotation.model_fields)}."
