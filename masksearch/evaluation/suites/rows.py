"""Types of the suite readers: `Row` is a record of a published file, `Item` the question made from it."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import Any

from masksearch.errors import FormatError
from masksearch.types import Question

_TRUE, _FALSE = frozenset({"true", "yes", "1"}), frozenset({"false", "no", "0"})


class LeftOut(Exception):
    """Raised by a reader for a valid row that is not a question to ask. Its message is the reason."""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph that comes with a question; `gold` is true if it has evidence for the answer."""

    title: str
    text: str
    gold: bool


@dataclass(frozen=True, slots=True)
class Item:
    """A question and its paragraphs; no paragraphs if the suite publishes only questions."""

    question: Question
    paragraphs: tuple[Paragraph, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """A record of a published file, for example a line of JSON Lines or of a sheet."""

    place: str
    """File and position of the record, for error messages: for example "FILE, line 3"."""
    number: int
    """Number of the record in the file, from 0."""
    values: dict[str, Any]
    """Field -> value."""

    def fault(self, what: str) -> FormatError:
        """Returns a FormatError for this row.

        Its message is the row's place and `what`, for example "lacks the field 'x'".
        """
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
        """Returns a field as a boolean. The words true, yes, 1 and false, no, 0 count too, in any case.

        Without the field, returns `default`. Raises FormatError for any other value, or if the field is
        missing and `default` is None.
        """
        if default is not None and self.values.get(name) is None:
            return default
        word = str(self.need(name)).strip().lower()
        if word not in _TRUE | _FALSE:
            raise self.fault(f"has a field '{name}' that is neither true nor false but '{word[:40]}'")
        return word in _TRUE

    def structure(self, name: str) -> Any:
        """Returns a field that is a list or an object. A text is parsed as JSON first.

        Raises FormatError for any other value.
        """
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
        """Returns a field that is a list. Raises FormatError for any other value.

        The hub has lists of objects in the form `{"title": [..], "idx": [..]}`; such an object is converted
        to a list of objects.
        """
        value = self.structure(name)
        if isinstance(value, list):
            return value
        columns = list(value.values())
        if not all(isinstance(column, list) and len(column) == len(columns[0]) for column in columns):
            raise self.fault(f"has a field '{name}' whose lists differ in length")
        return [dict(zip(value, entry, strict=True)) for entry in zip(*columns, strict=True)]

    def encodable(self, text: str) -> str:
        """Returns the text unchanged, if UTF-8 can encode it.

        Raises FormatError if the text contains a lone surrogate.
        """
        try:
            text.encode()
        except UnicodeEncodeError:
            raise self.fault("has characters that are not valid text") from None
        return text


def plain(value: object) -> str | None:
    """Returns a value as stripped text; None for a value that is neither text, a number nor a boolean.

    True and false become yes and no. NaN, which stands for a missing number, becomes an empty string.
    """
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return str(value) if value == value else ""  # NaN is not equal to itself
    return None


def spaced(text: str) -> str:
    """Replaces every run of white space by a single space."""
    return " ".join(text.split())


def answer_texts(row: Row, field: str) -> tuple[str, ...]:
    """Returns the equally acceptable answers in a field: a text, a number, or a list of these; a text may
    hold a list as JSON. Raises FormatError for any other value, and for an empty list.
    """
    value = row.need(field)
    if isinstance(value, str) and value.lstrip().startswith("["):
        with contextlib.suppress(ValueError, RecursionError):  # an answer may begin with a bracket
            value = json.loads(value)
    entries = value if isinstance(value, list | tuple) else [value]
    texts = [plain(entry) for entry in entries]
    if None in texts:
        raise row.fault(f"has a field '{field}' with an answer that is neither text nor a number")
    found = tuple(dict.fromkeys(row.encodable(text) for text in texts if text))
    if not found:
        raise row.fault(f"has no answer in the field '{field}'")
    return found
