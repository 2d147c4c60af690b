"""Reads the records of Wikimedia's other dumps: search indexes (Cirrus) and snapshots of the Enterprise API.

Cirrus        pairs of lines: {"index": {"_id": "12"}}, then the page with title, text and namespace
Enterprise    an object a page: name, identifier, namespace, in_language, article_body.wikitext and .html;
              the structured contents have `sections` instead of `article_body`
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from masksearch.corpus.layouts import MADE
from masksearch.corpus.skipped import BadRecord, SkipCount

OTHER_NAMESPACE: Final = "a page of another namespace"
NO_PROSE: Final = "a page without a paragraph of prose"
_PROSE = ("paragraph", "list_item")
_LEFT_OUT = frozenset(
    ("References", "External links", "See also", "Further reading", "Notes", "Bibliography", "Sources")
)


def cirrus_records(
    records: Iterator[tuple[str, dict[str, Any]]], skipped: SkipCount
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the records of a file, and those of a Cirrus dump with the ids of the lines before them.

    Pages of other namespaces are counted as skipped.
    """
    number = None
    for place, value in records:
        if "index" in value and (found := _action(value)) is not None:
            number = found
            continue
        if number is not None:
            if value.get("namespace", 0) != 0:
                skipped.add(OTHER_NAMESPACE, place)
                number = None
                continue
            value["id"], number = number, None
        yield place, value


def _action(value: Mapping[str, Any]) -> str | None:
    """Returns the id in the line before a page of a Cirrus dump; None for any other record."""
    action = value["index"]
    if len(value) - (MADE in value) != 1 or not isinstance(action, Mapping) or "_id" not in action:
        return None
    return str(action["_id"])


def is_enterprise(value: Mapping[str, Any]) -> bool:
    """Whether a record is a page as the Enterprise API gives it."""
    return "identifier" in value and "name" in value and ("article_body" in value or "sections" in value)


def enterprise_record(value: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the article of an Enterprise page. Raises BadRecord for a page that is not an article."""
    if _inner(value, "namespace", "identifier") not in (None, 0):
        raise BadRecord(OTHER_NAMESPACE)
    body = value.get("article_body")
    wikitext = body.get("wikitext") if isinstance(body, Mapping) else None
    html = body.get("html") if isinstance(body, Mapping) else None
    record = {"id": value["identifier"], "title": value["name"]}
    language = _inner(value, "in_language", "identifier")
    if isinstance(language, str):
        record["language"] = language
    if isinstance(wikitext, str) and wikitext:
        return record | _of_wikitext(str(value["name"]), wikitext)
    if isinstance(html, str) and html:
        from masksearch.corpus.documents.html import article_text

        return record | {"text": article_text(html)}
    if isinstance(value.get("sections"), list):
        return record | {"text": "\n\n".join(_prose(value["sections"]))}
    raise BadRecord("a page without text")


def _of_wikitext(title: str, source: str) -> dict[str, Any]:
    from masksearch.corpus.mediawiki.wikitext import MarkupError, clean_wikitext, page_kind

    if kind := page_kind(title, source):
        raise BadRecord(kind)
    try:
        text, links = clean_wikitext(source)
    except (MarkupError, RecursionError):
        raise BadRecord("a page whose markup cannot be read") from None
    if not text:
        raise BadRecord(NO_PROSE)
    return {"text": text, "links": links}


def _prose(parts: list[Any]) -> Iterator[str]:
    """Yields the paragraphs and list items of structured sections, in order."""
    for part in parts:
        if not isinstance(part, Mapping) or part.get("name") in _LEFT_OUT:
            continue
        text = part.get("value")
        if part.get("type") in _PROSE and isinstance(text, str) and text.strip():
            yield text.strip()
        if isinstance(part.get("has_parts"), list):
            yield from _prose(part["has_parts"])


def _inner(value: Mapping[str, Any], *names: str) -> Any:
    found: Any = value
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
