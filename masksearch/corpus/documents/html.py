"""Reads the running text of HTML pages, without navigation, footers, headings, tables and code."""

from __future__ import annotations

import re
from typing import Any

from masksearch.corpus.encodings import decoded
from masksearch.corpus.skipped import MAX_RECORD, TOO_LONG, BadRecord, SkipCount

_CHARSET = re.compile(
    rb"""<(?:meta[^>]*?charset|\?xml[^>]*?encoding)\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE
)
_APPARATUS = (
    "//sup[contains(@class, 'reference')] | //*["
    + " or ".join(
        f"contains(@class, '{name}')"
        for name in (
            "references",
            "reflist",
            "hatnote",
            "navbox",
            "infobox",
            "mw-editsection",
            "shortdescription",
        )
    )
    + "]"
)
SHORT = 300
"""Number of characters below which a page is short."""
_KEPT = ("p", "item", "quote")
_LEFT_OUT = (
    "script",
    "style",
    "nav",
    "header",
    "footer",
    "aside",
    "form",
    "pre",
    "table",
    "noscript",
    "template",
)
_BLOCKS = frozenset(
    ("p", "li", "dd", "dt", "blockquote", "div", "section", "article", "main", "body", "td", "figcaption")
)
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6", "title", "head"))
_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")
_BETWEEN = " -–—|·:•/"
_SPACE = re.compile(r"\s+")
_NAMES = {
    "latin1": "cp1252",
    "latin-1": "cp1252",
    "iso-8859-1": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
}
"""Names of encodings that pages use for a larger one."""


def read_html(path: str, skipped: SkipCount) -> tuple[str, str]:
    """Returns title and text of a page. Raises BadRecord if it cannot be read."""
    with open(path, "rb") as stream:
        data = stream.read(MAX_RECORD + 1)
    if len(data) > MAX_RECORD:
        raise BadRecord(TOO_LONG)
    title, text = html_text(page_text(data))
    if not text:
        raise BadRecord("a page without running text")
    return title, text


def page_text(data: bytes) -> str:
    """Returns a page in the encoding that it names, or else the one that is recognised.

    Raises BadRecord if it is none.
    """
    named = _CHARSET.search(data[:4096])
    for encoding in ("utf-8-sig", _NAMES.get(named[1].decode().lower(), named[1].decode()) if named else ""):
        try:
            if encoding:
                return data.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    text = decoded(data)[0]
    if not text:
        raise BadRecord("not UTF-8 text")
    return text


def html_text(page: str) -> tuple[str, str]:
    """Returns title (see `page_title`) and paragraphs of a page; trafilatura finds its main part."""
    import trafilatura
    from lxml import etree

    tree = parsed(page)
    if tree is None:
        return "", ""
    title = page_title(tree)
    etree.strip_elements(tree, "pre", "script", "style", with_tail=False)
    found = trafilatura.extract(
        tree,
        output_format="xml",
        include_comments=False,
        include_tables=False,
        include_links=False,
        favor_recall=True,
        deduplicate=False,
        fast=True,
    )
    paragraphs: list[str] = []
    if found:
        main = etree.fromstring(found.encode(), _xml_parser())
        paragraphs = [
            words for part in main.iter(*_KEPT) if (words := _words(part)) and not _inside_kept(part)
        ]
    return title, _fuller("\n\n".join(paragraphs), "\n\n".join(blocks(parsed(page))))


def _fuller(main: str, whole: str) -> str:
    """Returns the main part of a page, or all of its text if that is short and hardly longer: trafilatura
    joins the paragraphs of short pages."""
    return whole if len(main) < SHORT and len(whole) < 2 * len(main) + SHORT else main


def article_text(page: str) -> str:
    """Returns the paragraphs of an article as MediaWiki shows it, without notes, boxes and references."""
    tree = parsed(page)
    for part in [] if tree is None else tree.xpath(_APPARATUS):
        part.drop_tree()
    return "\n\n".join(blocks(tree))


def parsed(page: str) -> Any:
    """Returns the tree of a page; None for an empty one. No entity or file is loaded."""
    from lxml import etree, html

    # The declaration of an encoding no longer fits a text.
    text = _DECLARATION.sub("", page, count=1)
    parser = html.HTMLParser(no_network=True, remove_comments=True, remove_pis=True, encoding="utf-8")
    try:
        return html.document_fromstring(text.encode("utf-8", "replace"), parser) if text.strip() else None
    except (etree.ParserError, ValueError):
        return None


def blocks(tree: Any) -> list[str]:
    """Returns the paragraphs of a whole page or chapter, in order, without headings, tables and code."""
    if tree is None:
        return []
    paragraphs = [""]
    _gather(tree, paragraphs)
    return [words for paragraph in paragraphs if (words := _SPACE.sub(" ", paragraph).strip())]


def _gather(element: Any, paragraphs: list[str]) -> None:
    """Adds the text of an element to the last paragraph; elements that are blocks start new ones."""
    stack = [(element, False)]
    while stack:
        part, done = stack.pop()
        block = part.tag in _BLOCKS or part.tag == "br"
        if done:
            if block:
                paragraphs.append("")
            paragraphs[-1] += part.tail or ""
            continue
        if not isinstance(part.tag, str) or part.tag in _LEFT_OUT or part.tag in _HEADINGS:
            paragraphs.append("")
            paragraphs[-1] += part.tail or ""
            continue
        if block:
            paragraphs.append("")
        paragraphs[-1] += part.text or ""
        stack.append((part, True))
        stack.extend((child, False) for child in reversed(part))


def page_title(tree: Any) -> str:
    """Returns the title of a page without the name of its site, or else its first heading of level 1.

    Where a heading of level 1 is the beginning of the title, it is the title; where it is the end, it names
    the site.
    """
    headings = [words for part in tree.iter("h1") if (words := _words(part).strip(" #¶§"))]
    title = next((words for part in tree.xpath("//head/title") if (words := _words(part))), "")
    if not title:
        return headings[0] if headings else ""
    for heading in headings:
        if title.casefold().startswith(heading.casefold()):
            return heading
    for heading in headings:
        if title.casefold().endswith(heading.casefold()):
            return title[: -len(heading)].rstrip(_BETWEEN) or title
    return title


def _words(part: Any) -> str:
    return _SPACE.sub(" ", "".join(part.itertext())).strip()


def _inside_kept(part: Any) -> bool:
    return any(parent.tag in _KEPT for parent in part.iterancestors())


def _xml_parser() -> Any:
    from lxml import etree

    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
