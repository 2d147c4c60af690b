"""Finds id, title, text and language of a record, by names that corpora use or by names that a user gives.

    title, text                        our own files, BEIR (`_id`), Pyserini and Parquet data sets
    contents                           FlashRAG and the wiki-18 of Search-R1: the title in quotes on the first
                                       line; Pyserini: the text alone, or below a title
    page_content, metadata             LangChain
    article_body, name, identifier     Wikimedia Enterprise (see wikimedia.py)

A record without an id gets the one that its reader proposes under the key `MADE`, such as `docs.jsonl#7`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from masksearch.corpus.layouts import MADE
from masksearch.corpus.layouts.wikimedia import enterprise_record, is_enterprise

GIVEN: Final = ("id", "title", "text", "language")
"""Fields whose names a user can give."""
IDS = ("id", "_id", "doc_id", "docid", "docno", "page_id", "pageid", "pid", "passage_id")
TITLES = ("title", "page_title", "headline", "name")
TEXTS = ("text", "contents", "content", "page_content", "body", "passage")
LANGUAGES = ("language", "lang")
OTHERS = ("links", "metadata", "identifier", "namespace", "in_language", "article_body", "sections")
KNOWN: Final = frozenset((*IDS, *TITLES, *TEXTS, *LANGUAGES, *OTHERS, MADE))
"""Names of all columns that a layout may use; others need not be decoded."""
LONGEST_TITLE = 200
"""Longest first line, in characters, that can be the title of a record's `contents`."""
_QUOTED = re.compile(r'\s*"([^\n]*)"[ \t]*\n')
_LINE = re.compile(r"\s*(\S[^\n]*?)[ \t]*\n(?=\s*\S)")
_ENDED = re.compile(r"[.!?;:,…。！？；：，]\s*\Z")


def parse_fields(given: Iterable[str]) -> dict[str, str]:
    """Returns the names of fields that a user gives: ("text=body", ...) -> {"text": "body", ...}.

    Raises ValueError for a text of another form.
    """
    fields: dict[str, str] = {}
    for text in given:
        field, _, name = (part.strip() for part in text.partition("="))
        if field not in GIVEN or not name or not all(part.strip() for part in name.split("+")):
            raise ValueError(
                f"'{text}' names no field of the records; write id=NAME, title=NAME, text=NAME or "
                "language=NAME"
            )
        fields[field] = name
    return fields


def columns(fields: Mapping[str, str]) -> frozenset[str]:
    """Returns the names of all columns of which a record may use something."""
    given = [part.strip() for name in fields.values() for part in name.split("+")]
    return KNOWN | {name for part in given for name in (part, part.partition(".")[0])}


def text_columns(fields: Mapping[str, str]) -> frozenset[str]:
    """Returns the names of the columns of which one must hold the text."""
    if "text" not in fields:
        return frozenset((*TEXTS, "article_body", "sections"))
    given = [part.strip() for part in fields["text"].split("+")]
    return frozenset(name for part in given for name in (part, part.partition(".")[0]))


def plain_record(value: dict[str, Any], fields: Mapping[str, str]) -> dict[str, Any]:
    """Returns a record with id, title, text and what else it has of our fields.

    A field that cannot be found is left out, except the id and the title: a record without a title is
    untitled. Raises BadRecord for a page of a dump that is not an article.
    """
    if not fields and _is_plain(value):
        return value
    made = value.pop(MADE, None)
    if not fields and is_enterprise(value):
        return enterprise_record(value)
    record: dict[str, Any] = {name: value[name] for name in ("language", "links") if name in value}
    named = {name: given_value(value, fields[name]) for name in GIVEN if name in fields}
    number = named["id"] if "id" in fields else _first(value, IDS)
    record["id"] = made if number is None or number == "" else number
    text = named["text"] if "text" in fields else _first(value, TEXTS)
    title = named["title"] if "title" in fields else _title(value)
    if "contents" in value and "text" not in fields and text is value["contents"] and title is None:
        title, text = titled_contents(text)
    record["title"] = "" if title is None else title
    if text is not None:
        record["text"] = text
    language = named["language"] if "language" in fields else _first(value, LANGUAGES)
    if language is not None:
        record["language"] = language
    return record


def _is_plain(value: dict[str, Any]) -> bool:
    """Whether a record has id, title and text under these names."""
    get = value.get
    return get("id") is not None and get("title") is not None and get("text") is not None


def given_value(value: Mapping[str, Any], name: str) -> Any:
    """Returns the field that a user names: `body`, `metadata.title` inside another, or several joined by a
    line: `abstract+body`. None if the record has none of them."""
    found = [given for part in name.split("+") if (given := _inside(value, part.strip())) is not None]
    if "+" not in name or len(found) < 2:
        return found[0] if found else None
    return "\n\n".join(str(part) for part in found)


def _inside(value: Any, name: str) -> Any:
    if isinstance(value, Mapping) and name in value:
        return value[name]
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _first(value: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((value[name] for name in names if value.get(name) is not None), None)


def _title(value: Mapping[str, Any]) -> Any:
    """Returns the title of a record, or that of its metadata: its `title`, or else its `source`."""
    title = _first(value, TITLES)
    more = value.get("metadata")
    return _first(more, ("title", "source")) if title is None and isinstance(more, Mapping) else title


def titled_contents(text: Any) -> tuple[Any, Any]:
    """Returns the title in the first line of `contents`, and the rest; None where there is no title.

    A title is in quotes, or is a short line without a full stop above the text.
    """
    if not isinstance(text, str):
        return None, text
    if quoted := _QUOTED.match(text):
        return quoted[1].strip(), text[quoted.end() :]
    line = _LINE.match(text)
    if line and len(line[1]) <= LONGEST_TITLE and not _ENDED.search(line[1]):
        return line[1], text[line.end() :]
    return None, text
