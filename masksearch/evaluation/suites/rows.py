"""Rows of published files, and the questions with paragraphs that the readers make from them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from masksearch.errors import FormatError
from masksearch.types import Question

_TRUE, _FALSE = frozenset({"true", "yes", "1"}), frozenset({"false", "no", "0"})


class LeftOut(Exception):
    """Raised for a valid row that is not a question to ask; its text is the reason."""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph of a release's closed corpus; `gold` if the question needs it."""

    title: str
    text: str
    gold: bool


@dataclass(frozen=True, slots=True)
class Item:
    """A question and its paragraphs; suites without a corpus in the release have no paragraphs."""

    question: Question
    paragraphs: tuple[Paragraph, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """A record of a file."""

    place: str
    """Place for error messages, for example "FILE, line 3"."""
    number: int
    """Number of the record in the file, from 0."""
    values: dict[str, Any]
    """Field -> value."""

    def fault(self, what: str) -> FormatError:
        """Returns the error for this row; its message is the place and `what` ("lacks the field 'x'")."""
        return FormatError(f"{self.place} {what}.")

    def need(self, name: str) -> Any:
        """Returns the value of a field. Raises FormatError if it is missing or null."""
        if self.values.get(name) is None:
            raise self.fault(f"lacks the field '{name}'")
        return self.values[name]

    def text(self, name: str) -> str:
        """Returns a field as stripped text.

        Raises FormatError if it is missing, empty, or neither text nor a number.
        """
        value = plain(self.need(name))
        if value is None:
            raise self.fault(f"has a field '{name}' that is neither text nor a number")
        if not value:
            raise self.fault(f"has an empty field '{name}'")
        return self.encodable(value)

    def optional(self, name: str) -> str:
        """Returns a field as stripped text; empty if it is missing, empty, or neither text nor a number."""
        value = self.values.get(name)
        return self.encodable(plain(value) or "") if value is not None else ""

    def flag(self, name: str, default: bool | None = None) -> bool:
        """Returns a field that is true or false, also as a word (TRUE).

        Raises FormatError for any other value, or if the field is missing and there is no default.
        """
        if default is not None and self.values.get(name) is None:
            return default
        word = str(self.need(name)).strip().lower()
        if word not in _TRUE | _FALSE:
            raise self.fault(f"has a field '{name}' that is neither true nor false but '{word[:40]}'")
        return word in _TRUE

    def structure(self, name: str) -> Any:
        """Returns a field that is a list or an object, or the JSON text of a list or an object. Raises
        FormatError."""
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
        """Returns a field that is a list. Raises FormatError.

        An object of lists (`{"title": [..], "idx": [..]}`, the hub's form) becomes a list of objects.
        """
        value = self.structure(name)
        if isinstance(value, list):
            return value
        columns = list(value.values())
        if not all(isinstance(column, list) and len(column) == len(columns[0]) for column in columns):
            raise self.fault(f"has a field '{name}' whose lists differ in length")
        return [dict(zip(value, entry, strict=True)) for entry in zip(*columns, strict=True)]

    def encodable(self, text: str) -> str:
        """Returns the text.

        Raises FormatError if it contains a lone surrogate, which UTF-8 cannot encode.
        """
        try:
            text.encode()
        except UnicodeEncodeError:
            raise self.fault("has characters that are not valid text") from None
        return text


def plain(value: object) -> str | None:
    """Returns a value as stripped text; None for a value that is neither text, a number nor a boolean.

    True and false become yes and no; NaN, a missing number, becomes an empty string.
    """
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return str(value) if value == value else ""  # NaN is not equal to itself
    return None


def spaced(text: str) -> str:
    """Collapses white space to single spaces."""
    return " ".join(text.split())
