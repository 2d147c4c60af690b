"""Plurals of nouns."""

from __future__ import annotations

_IRREGULAR = {"person": "people", "child": "children", "genus": "genera", "species": "species"}


def plural(noun: str) -> str:
    """Returns the plural of an English noun."""
    if noun in _IRREGULAR:
        return _IRREGULAR[noun]
    if noun.endswith("series"):
        return noun
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    if noun.endswith("man"):
        return f"{noun[:-3]}men"
    return f"{noun}es" if noun.endswith(("s", "x", "ch", "sh")) else f"{noun}s"
