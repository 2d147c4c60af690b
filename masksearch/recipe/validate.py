"""Turns pydantic's validation errors into one sentence that names the wrong key, and the nearest valid key.

Used for recipes (strict: a TOML string is not a number) and for flags (not strict: every value of a flag is
text).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from masksearch.errors import UsageError
from masksearch.text.nearest import close_name, nearest

M = TypeVar("M", bound=BaseModel)
Location = tuple[str | int, ...]
NUMBERS = {"int_parsing": "a whole number", "float_parsing": "a number", "bool_parsing": "true or false"}
"""Type of pydantic's error -> what the value should be."""


class Fault(UsageError):
    """Raised for a wrong setting. `key` is the path of its keys: `("agent", "top_k")` for `agent.top_k`.

    Missing settings are one fault together: `others` are the paths of the second one and all after it.
    """

    def __init__(self, key: Location, message: str, others: Sequence[Location] = ()) -> None:
        super().__init__(message)
        self.key, self.others = key, tuple(others)


def validate(model: type[M], values: Mapping[str, Any], strict: bool = True, also: Iterable[str] = ()) -> M:
    """Validates `values` and returns them as a model.

    Raises Fault for the first fault, or for all missing settings if there is no other fault; `also` names
    further keys that are valid at the top.
    """
    try:
        if not strict:
            return model.model_validate(values)
        # The values are validated as JSON, because the strict mode for Python values rejects a list where a
        # tuple is expected, and TOML has only lists.
        return model.model_validate_json(json.dumps(values, default=str), strict=True)
    except ValidationError as error:
        # A mistyped key leaves another one missing, so the mistyped key is named first.
        faults = sorted(error.errors(), key=lambda fault: fault["type"] == "missing")
        if faults[0]["type"] == "missing":
            first, *others = (fault["loc"] for fault in faults)
            raise Fault(first, "are missing." if others else "is missing.", others) from None
        raise Fault(faults[0]["loc"], _phrase(model, faults[0], list(also))) from None


def _phrase(model: type[BaseModel], fault: Mapping[str, Any], also: list[str]) -> str:
    """Describes one of pydantic's errors as the second half of a sentence whose first half names the key."""
    location: Location = fault["loc"]
    if fault["type"] == "extra_forbidden":
        names = [*_names_at(model, location[:-1]), *(also if len(location) == 1 else [])]
        return "is not a known key" + nearest(str(location[-1]), names)
    if fault["type"] in NUMBERS:
        return f"has a wrong value ({fault['input']!r}): it should be {NUMBERS[fault['type']]}."
    message: str = fault["msg"].removeprefix("Value error, ").replace("Input should be", "it should be")
    given = fault["input"]
    shown = f" ({given!r})" if isinstance(given, str | int | float) and repr(given) not in message else ""
    return f"has a wrong value{shown}: {message}{_suggestion(fault)}"


def _suggestion(fault: Mapping[str, Any]) -> str:
    """Returns the end of the sentence: `; did you mean 'x'?` if the value is close to a valid one."""
    if fault["type"] != "literal_error":
        return "."
    valid = re.findall(r"'([^']*)'", str(fault.get("ctx", {}).get("expected", "")))
    close = close_name(str(fault["input"]), valid)
    return f"; did you mean '{close}'?" if close else "."


def _names_at(model: type[BaseModel], location: Location) -> list[str]:
    """Returns the valid keys of the settings nested in `model` at `location`; empty if there are none."""
    for part in location:
        field = model.model_fields.get(str(part))
        if field is None or not (
            isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        ):
            return []
        model = field.annotation
    return list(model.model_fields)


def dotted(location: Iterable[str | int], spell: Callable[[str], str] = str) -> str:
    """Joins a location's keys by dots: `("agent", "top_k")` -> `agent.top_k`. `spell` converts each key."""
    return ".".join(spell(str(part)) for part in location)
