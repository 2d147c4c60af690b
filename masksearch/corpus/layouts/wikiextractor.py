"""Reads the files of WikiExtractor: articles between `<doc id="12" url="..." title="Anarchism">` and
`</doc>`.

They are in folders `AA`, `AB`, ... under the names `wiki_00`, `wiki_01`, ..., compressed or not. With
`--json` WikiExtractor writes JSON Lines under the same names, which jsonl.py reads.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

from masksearch.corpus.jsonl import damage_reason, lines_of
from masksearch.corpus.skipped import TOO_LONG, SkipCount
from masksearch.errors import DataError
from masksearch.runtime.files import open_binary

NAME = re.compile(r"wiki_\d\d+")
"""Name of a file, without the ending of a compressed one."""
_HEAD = re.compile(r'<doc id="(?P<id>[^"]*)"(?P<rest>.*)>\s*\Z')
_TITLE = re.compile(r'\btitle="(.*?)"(?=\s+[\w-]+="|\s*\Z)')


def starts_with_doc(path: str) -> bool:
    """Whether a file starts with an article of WikiExtractor."""
    try:
        with open_binary(path) as stream:
            return stream.read(4096).lstrip(b"\xef\xbb\xbf \r\n").startswith(b'<doc id="')
    except (DataError, OSError):
        return False


def read_extracted(path: str, skipped: SkipCount) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the articles of a file with their places; damaged parts are counted in `skipped`."""
    number, record, paragraphs = 0, None, [""]
    try:
        with open_binary(path) as stream:
            for number, data in enumerate(lines_of(stream), 1):
                if data is None:
                    skipped.add(TOO_LONG, f"{path}, line {number}")
                    continue
                line = data.decode(errors="replace").strip()
                if head := _HEAD.match(line):
                    record, paragraphs = _record(head), []
                    place = f"{path}, line {number}"
                elif line == "</doc>" and record is not None:
                    if paragraphs:
                        yield place, record | {"text": "\n\n".join(paragraphs)}
                    else:
                        skipped.add("a page without text", place)
                    record = None
                elif line and record is not None:
                    text = html.unescape(line)
                    if paragraphs or text != record["title"]:
                        paragraphs.append(text)
    except DataError as error:
        skipped.add(damage_reason(error), f"{path}, after line {number}" if number else path)
    if record is not None:
        skipped.add("an article that breaks off", place)


def _record(head: re.Match[str]) -> dict[str, Any]:
    title = _TITLE.search(head["rest"])
    return {"id": head["id"], "title": html.unescape(title[1]) if title else ""}
