"""Changes single keys of a recipe (overrides), and merges tables."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

from masksearch.errors import RecipeError
from masksearch.text.nearest import nearest


def set_value(data: dict[str, Any], override: str) -> str:
    """Applies one `KEY=VALUE` in place and returns the key.

    The value is TOML, or plain text if it is not valid TOML.
    """
    key, equals, text = override.partition("=")
    key = key.strip()
    if not equals or not all(key.split(".")):
        raise RecipeError(
            f"--set {override} is not of the form KEY=VALUE, for example stages.sft.learning_rate=1e-4."
        )
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        parsed = {}
    value = parsed["value"] if list(parsed) == ["value"] else text
    table: Any = data
    *parents, last = key.split(".")
    for depth, part in enumerate(parents):
        if depth == 1 and parents[0] == "stages" and part not in table:
            raise RecipeError(f"--set {key}: the recipe has no stage '{part}'{nearest(part, table)}")
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise RecipeError(
                f"--set {key}: '{'.'.join(parents[: depth + 1])}' is a single value and has no keys."
            )
    table[last] = value
    return key


def merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Merges two tables key by key; where both have a value, `over` wins."""
    merged = dict(under)
    for key, value in over.items():
        merged[key] = (
            merge(merged[key], value)
            if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
            else value
        )
    return merged
