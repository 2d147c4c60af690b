"""Reads plain text and Markdown files: one document per file.

A document's id is the path within the folder; its title is the `title` of its front matter, or else its first
heading of level 1, or else the path without its ending. Markdown is parsed (markdown-it-py); paragraphs, list
items and quotations become one paragraph each. Front matter, headings, code blocks, tables, images and HTML
are left out. Links keep their anchor text, emphasis keeps its words, and inline code keeps its characters. A
file of more than `MAX_RECORD` bytes is read in parts, which are documents of their own.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from masksearch.corpus.encodings import (
    NOT_UTF8,
    decoded,
    guessed_encoding,
    is_utf8,
    marked_encoding,
    noted,
    unknown,
)
from masksearch.corpus.jsonl import damage_reason
from masksearch.corpus.skipped import MAX_RECORD, SkipCount
from masksearch.errors import DataError, MissingExtraError
from masksearch.runtime.files import inner_name, open_binary

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

PLAIN = (".txt", ".text")
MARKDOWN = (".md", ".markdown")
PART: Final = 2**20
"""Number of characters of a part of a file that is too long for one document."""
# Front matter: YAML between `---`, or TOML between `+++`. Its first line must be a key, because a text may
# also start with a horizontal rule (`---`).
_FRONT_MATTER = re.compile(r"\A(---|\+\+\+)[ \t]*\n(?=[\w\"'-]+\s*[:=]).*?\n\1[ \t]*(?:\n|\Z)", re.DOTALL)
_TITLE = re.compile(
    r"^[\"']?title[\"']?[ \t]*[:=][ \t]*(?P<title>\S.*?)[ \t]*$", re.MULTILINE | re.IGNORECASE
)
_QUOTED = re.compile(r"""(?:"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>(?:[^']|'')*)')[ \t]*(?:\#.*)?\Z""")
_BLOCK = re.compile(r"[|>][+-]?\d*\Z")
Texts = Iterator[tuple[str, dict[str, Any]]]


def read_text_file(path: str, label: str, skipped: SkipCount) -> Texts:
    """Yields the document of a file, or its parts, if it can be read; `label` is its id.

    Raises MissingExtraError for a Markdown file if markdown-it-py is not installed.
    """
    try:
        with open_binary(path) as stream:
            data = stream.read(MAX_RECORD + 1)
            if len(data) > MAX_RECORD:
                yield from _parts(data, stream, path, label, skipped)
                return
    except DataError as error:
        skipped.add(damage_reason(error), path)
        return
    text, encoding = decoded(data)
    if data and not encoding:
        skipped.add(unknown(), path)
        return
    if data and not encoding.startswith("utf-8"):
        skipped.note(noted(encoding), path)
    title, text = _titled(text, label)
    yield path, {"id": label, "title": title, "text": text}


def _titled(text: str, label: str) -> tuple[str, str]:
    """Returns title and text of a file."""
    name = PurePath(inner_name(label))
    title = ""
    if name.suffix.lower() in MARKDOWN:
        title, text = plain_markdown(text)
    return title or path_title(label), text


def path_title(label: str) -> str:
    """Returns the title of a file that has none of its own: its path within the source, without endings."""
    return PurePath(label).with_name(inner_name(label)).with_suffix("").as_posix()


def _parts(data: bytes, stream: Any, path: str, label: str, skipped: SkipCount) -> Texts:
    """Yields the parts of a long file; `data` is its beginning, which was read from `stream`."""
    encoding = marked_encoding(data)
    if not encoding:
        whole = data[: data.rfind(b"\n") + 1] or data[:-4]
        encoding = "utf-8" if is_utf8(whole) else guessed_encoding(whole.splitlines(keepends=True))
    if not encoding:
        skipped.add(unknown(), path)
        return
    if not encoding.startswith("utf-8"):
        skipped.note(noted(encoding), path)
    skipped.note(f"a file of more than {MAX_RECORD / 2**20:g} MiB (read in parts)", path)
    number = 0
    try:
        for number, part in enumerate(_cut(data, stream, encoding), 1):
            title, text = _titled(part, label)
            title = f"{title}, part {number}" if title == path_title(label) else title
            yield f"{path}, part {number}", {"id": f"{label}#{number}", "title": title, "text": text}
    except UnicodeDecodeError:
        skipped.add(NOT_UTF8, f"{path}, after part {number}" if number else path)


def _cut(data: bytes, stream: Any, encoding: str) -> Iterator[str]:
    """Yields parts of about `PART` characters that end at an empty line, or else a line, or else a space."""
    decoder = codecs.getincrementaldecoder(encoding)()
    waiting, text = io.BytesIO(data), ""
    while True:
        more = waiting.read(PART) or stream.read(PART)
        text += decoder.decode(more, final=not more).replace("\r\n", "\n")
        while len(text) > PART or (text.strip() and not more):
            end = len(text) if len(text) <= PART else _end(text[:PART])
            if text[:end].strip():
                yield text[:end]
            text = text[end:]
        if not more:
            return


def _end(text: str) -> int:
    """Returns where a part ends, in its second half if possible."""
    for mark in ("\n\n", "\n", ". ", " "):
        place = text.rfind(mark, len(text) // 2)
        if place >= 0:
            return place + len(mark)
    return len(text)


def plain_markdown(source: str) -> tuple[str, str]:
    """Returns the title of a Markdown text and its paragraphs, which empty lines separate.

    The title is that of the front matter, or else the first heading of level 1; empty if there is neither.
    """
    source = source.replace("\r\n", "\n")
    front = _FRONT_MATTER.match(source)
    tokens = _parser().parse(source[front.end() :] if front else source)
    title, paragraphs, inside = _front_title(front[0]) if front else "", [], ""
    for token in tokens:
        if token.type in ("heading_open", "table_open"):
            inside = token.tag if token.type == "heading_open" else token.type
        elif token.type in ("heading_close", "table_close"):
            inside = ""
        elif token.type == "inline":
            words = _inline(token.children or ())
            if not inside:
                paragraphs.append(words)
            elif inside == "h1" and not title:
                title = " ".join(words.split())
    return title, "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def _front_title(front: str) -> str:
    """Returns the `title` of front matter on one line; empty if it has none."""
    found = _TITLE.search(front)
    if found is None or _BLOCK.match(found["title"]):
        return ""
    quoted = _QUOTED.match(found["title"])
    if quoted is None:
        return found["title"].split(" #")[0].strip()
    double = quoted["double"]
    title = quoted["single"].replace("''", "'") if double is None else double.replace('\\"', '"')
    return " ".join(title.split())


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
