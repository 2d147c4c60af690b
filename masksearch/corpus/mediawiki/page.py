"""Turns one page of a dump from XML into a corpus record, or into the reason to skip the page.

The result is a pure function of the page's bytes. Each page is parsed as a separate document that starts
with `<page>`. XML allows a document type, which can declare entities, only before the first element. A page
therefore cannot declare an entity that would be expanded or fetched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple
from xml.etree import ElementTree

from masksearch.corpus.mediawiki.stream import Fault, Outside, Part, cut_pages, read_block
from masksearch.corpus.mediawiki.wikitext import MarkupError, clean_wikitext, page_kind


class Article(NamedTuple):
    """A corpus record and its place in the dump."""

    place: str
    record: dict[str, Any]


class Skipped(NamedTuple):
    """A page that is not an article or cannot be read; `place` is empty if its title is unknown."""

    place: str
    reason: str


_TITLE = re.compile(rb"<title>([^<]{0,400})</title>")
_ID = re.compile(rb"<id>([0-9]{1,20})</id>")


def read_pages(parts: Iterable[Part]) -> list[Article | Skipped]:
    """Returns the article of each page, or the reason to skip the page, in order."""
    return [read_page(part) for part in parts if not isinstance(part, Outside)]


def read_pages_of_block(path: str, start: int, end: int) -> list[Article | Skipped]:
    """Returns the articles and skipped pages of one block of a multistream dump: bytes [start, end) of the
    file."""
    return read_pages(cut_pages(read_block(path, start, end)))


def read_page(part: bytes | Fault) -> Article | Skipped:
    """Returns the article of one page, or the reason to skip the page."""
    if isinstance(part, Fault):
        return Skipped(_place(part.head), part.reason)
    place = _place(part)
    try:
        page = ElementTree.fromstring(part.decode())
    except UnicodeDecodeError:
        return Skipped(place, "a page that is not UTF-8 text")
    except ElementTree.ParseError:
        return Skipped(place, "a page of malformed XML")
    number = page.findtext("id", "").strip()
    title = page.findtext("title", "").strip()
    revision = _last(page, "revision")
    if not number or not title:
        return Skipped(place, "a page without an id or a title")
    place = _name(title, number)
    if page.findtext("ns", "0").strip() != "0":
        return Skipped(place, "a page of another namespace")
    if page.find("redirect") is not None:
        return Skipped(place, "a redirect")
    if revision is None or not (source := revision.findtext("text") or ""):
        return Skipped(place, "a page without text")
    if revision.findtext("model", "wikitext") != "wikitext":
        return Skipped(place, "a page that is not wikitext")
    if kind := page_kind(title, source):
        return Skipped(place, kind)
    try:
        text, links = clean_wikitext(source)
    except (MarkupError, RecursionError):
        return Skipped(place, "a page whose markup cannot be read")
    if not text:
        return Skipped(place, "a page without a paragraph of prose")
    return Article(place, {"id": number, "title": title, "text": text, "links": links})


def _last(page: ElementTree.Element, tag: str) -> ElementTree.Element | None:
    """Returns the last child of a page with this tag. In a dump with all revisions, this is the newest
    revision."""
    children = page.findall(tag)
    return children[-1] if children else None


def _place(page: bytes) -> str:
    """Returns the place of a page that may be malformed, from its bytes; the place is empty if the page has
    no title."""
    title, number = _TITLE.search(page), _ID.search(page)
    return _name(title[1].decode(errors="replace"), number[1].decode() if number else "?") if title else ""


def _name(title: str, number: str) -> str:
    return f"page '{title}' (id {number})"
