"""Reads plain text and Markdown files: one document per file.

A document's id is the path within the folder; its title is the first heading or the file's name. Markdown
is parsed (markdown-it-py); paragraphs, list items and quotations become one paragraph each. Front matter,
headings, code blocks, tables, images and HTML are left out. Links keep their anchor text, emphasis keeps
its words, and inline code keeps its characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from masksearch.corpus.jsonl import damage_reason
from masksearch.corpus.skipped import MAX_RECORD, TOO_LONG, SkipCount
from masksearch.errors import DataError, MissingExtraError
from masksearch.runtime.files import inner_name, open_binary

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

PLAIN = (".txt", ".text")
MARKDOWN = (".md", ".markdown")
# Front matter: YAML between `---`, or TOML between `+++`. Its first line must be a key, because a text may
# also start with a horizontal rule (`---`).
_FRONT_MATTER = re.compile(r"\A(---|\+\+\+)[ \t]*\n(?=[\w\"'-]+\s*[:=]).*?\n\1[ \t]*(?:\n|\Z)", re.DOTALL)


def read_text_file(path: str, label: str, skipped: SkipCount) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the document of a file if it can be read; `label` is its id.

    Raises MissingExtraError for a Markdown file if markdown-it-py is not installed.
    """
    try:
        with open_binary(path) as stream:
            data = stream.read(MAX_RECORD + 1)
    except DataError as error:
        skipped.add(damage_reason(error), path)
        return
    if len(data) > MAX_RECORD:
        skipped.add(TOO_LONG, path)
        return
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        skipped.add("not UTF-8 text", path)
        return
    name = PurePath(inner_name(label))
    title = ""
    if name.suffix.lower() in MARKDOWN:
        title, text = plain_markdown(text)
    yield path, {"id": label, "title": title or name.stem, "text": text}


def plain_markdown(source: str) -> tuple[str, str]:
    """Returns the first heading of a Markdown text (empty if the text has no heading), and the paragraphs.

    Empty lines separate the paragraphs.
    """
    tokens = _parser().parse(_FRONT_MATTER.sub("", source.replace("\r\n", "\n"), count=1))
    title, paragraphs, inside = "", [], ""
    for token in tokens:
        if token.type in ("heading_open", "table_open"):
            inside = token.type
        elif token.type in ("heading_close", "table_close"):
            inside = ""
        elif token.type == "inline":
            words = _inline(token.children or ())
            if not inside:
                paragraphs.append(words)
            elif inside == "heading_open" and not title:
                title = " ".join(words.split())
    return title, "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def _inline(tokens: Sequence[Token]) -> str:
    """Returns the text of inline tokens, without images and HTML."""
    kinds = {"softbreak": "\n", "hardbreak": "\n"}
    return "".join(
        token.content if token.type in ("text", "code_inline") else kinds.get(token.type, "")
        for token in tokens
    ).strip()


@cache
def _parser() -> MarkdownIt:
    try:
        from markdown_it import MarkdownIt
    except ImportError as error:
        raise MissingExtraError("markdown-it-py", "readers", "A Markdown file") from error
    return MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
