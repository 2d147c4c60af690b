"""A row of a published file with its place, and what is made of one: a question, with the paragraphs that the release gives with it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from masksearch.errors import FormatError
from masksearch.types import Question

_TRUE, _FALSE = frozenset({"true", "yes", "1"}), frozenset({"false", "no", "0"})


class LeftOut(Exception):
    """A row that is as it should be, but no question to ask; its text says why."""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One paragraph of a release's closed corpus; `gold` where the question needs it."""

    title: str
    text: str
    gold: bool


@dataclass(frozen=True, slots=True)
class Item:
    """A question, and the paragraphs that came with it (none for suites without a corpus of their own)."""

    question: Question
    paragraphs: tuple[Paragraph, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One record: where it stands ("FILE, line 3"), its number in the file from 0, and its fields."""

    place: str
    number: int
    values: dict[str, Any]

    def fault(self, what: str) -> FormatError:
        """The error to raise for this row: `what` follows the place ("lacks the field 'x'")."""
        return FormatError(f"{self.place} {what}.")

    def need(self, name: str) -> Any:
        """A field's value. Raises FormatError where there is none."""
        if self.values.get(name) is None:
            raise self.fault(f"lacks the field '{name}'")
        return self.values[name]

    def text(self, name: str) -> str:
        """A field as text without white space around it. Raises FormatError where it is missing, empty, or no text or number."""
        value = plain(self.need(name))
        if value is None:
            raise self.fault(f"has a field '{name}' that is neither text nor a number")
        if not value:
            raise self.fault(f"has an empty field '{name}'")
        return self.encodable(value)

    def optional(self, name: str) -> str:
        """As `text`, but empty where the field is missing or empty."""
        value = self.values.get(name)
        return self.encodable(plain(value) or "") if value is not None else ""

    def flag(self, name: str, default: bool | None = None) -> bool:
        """A field that is true or false, also as a word (TRUE). Raises FormatError for anything else, or where it is missing without a default."""
        if default is not None and self.values.get(name) is None:
            return default
        word = str(self.need(name)).strip().lower()
        if word not in _TRUE | _FALSE:
            raise self.fault(f"has a field '{name}' that is neither true nor false but '{word[:40]}'")
        return word in _TRUE

    def structure(self, name: str) -> Any:
        """A field that is a list or an object, also one written as JSON in a string. Raises FormatError."""
        value = self.need(name)
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                value = None
        if not isinstance(value, list | dict):
            raise self.fault(f"has a field '{name}' that is not a list")
        return value

    def entries(self, name: str) -> list[Any]:
        """A field that is a list; an object of lists (`{"title": [..], "idx": [..]}`, as the hub has them) becomes a list of objects. Raises FormatError."""
        value = self.structure(name)
        if isinstance(value, list):
            return value
        columns = list(value.values())
        if not all(isinstance(column, list) and len(column) == len(columns[0]) for column in columns):
            raise self.fault(f"has a field '{name}' whose lists differ in length")
        return [dict(zip(value, entry, strict=True)) for entry in zip(*columns, strict=True)]

    def encodable(self, text: str) -> str:
        """The text itself. Raises FormatError where it holds half of a surrogate pair, which no file can."""
        try:
            text.encode()
        except UnicodeEncodeError:
            raise self.fault("has characters that are not valid text") from None
        return text


def plain(value: object) -> str | None:
    """Text or a number as stripped text, true and false as yes and no; "" for a missing number (NaN); None for anything else."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return str(value) if value == value else ""
    return None


def spaced(text: str) -> str:
    """Text with runs of white space as one space."""
    return " ".join(text.split())
