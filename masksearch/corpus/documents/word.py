"""Reads Word documents (.docx): the paragraphs of their body, without headings, in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from masksearch.corpus.documents.archives import DAMAGED, only_xml
from masksearch.corpus.skipped import BadRecord

CELL_WORDS = 12
"""Number of words from which a cell of a table is a paragraph of prose; shorter ones are left out."""
MADE_TITLES = frozenset(
    ("", "word document", "document", "untitled", "powerpoint presentation", "presentation")
)


def read_docx(path: str) -> tuple[str, str]:
    """Returns title and text of a document. Raises BadRecord if it cannot be read.

    The title is the paragraph in the style Title, or else the first heading of level 1, or else the title in
    the document's properties.
    """
    import docx

    copy = only_xml(path, ".docx")
    try:
        document = docx.Document(copy)
        styles, titles, paragraphs = ("Title", "Heading 1"), dict[str, str](), []
        for style, text in _paragraphs(document):
            if style.startswith(("Heading", "Title", "Subtitle", "TOC", "Caption")):
                titles.setdefault(style, text)
            else:
                paragraphs.append(text)
        named = document.core_properties.title or ""
    except Exception as error:  # python-docx raises errors of several packages
        raise BadRecord(f"{DAMAGED} (.docx)") from error
    title = next((titles[style] for style in styles if style in titles), named_title(named))
    if not paragraphs:
        raise BadRecord("a document without text")
    return title, "\n\n".join(paragraphs)


def named_title(title: str) -> str:
    """Returns the title in a document's properties; empty for one that a program put there."""
    plain = " ".join(title.split())
    return "" if plain.lower() in MADE_TITLES else plain


def _paragraphs(container: Any) -> Iterator[tuple[str, str]]:
    """Yields the style and the text of each paragraph, and of the long cells of tables."""
    from docx.table import Table

    for item in container.iter_inner_content():
        if isinstance(item, Table):
            yield from (("", text) for text in _cells(item))
            continue
        text = " ".join(item.text.split())
        if text:
            style = item.style
            yield (style.name or "") if style is not None else "", text


def _cells(table: Any) -> Iterator[str]:
    seen = set()
    for row in table.rows:
        for cell in row.cells:
            # A merged cell is in several places of its rows.
            if cell._tc in seen:
                continue
            seen.add(cell._tc)
            yield from (text for _, text in _paragraphs(cell) if len(text.split()) >= CELL_WORDS)
