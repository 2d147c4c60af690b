"""Reads documents that are not plain text: HTML, PDF, DOCX, PPTX, EPUB (the extra `documents`).

Nothing in a file is executed, and no entity or link of a file is loaded from anywhere. Files of more than
`MAX_FILE` bytes, and archives that unpack to more than `archives.MAX_XML` bytes of XML, are not read.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from masksearch.corpus.skipped import BadRecord, SkipCount

DOCUMENTS: Final = {
    ".html": ("trafilatura", "trafilatura"),
    ".htm": ("trafilatura", "trafilatura"),
    ".xhtml": ("trafilatura", "trafilatura"),
    ".pdf": ("pypdfium2", "pypdfium2"),
    ".docx": ("docx", "python-docx"),
    ".pptx": ("pptx", "python-pptx"),
    ".epub": ("lxml", "lxml"),
}
"""Ending -> the module that reads it, and its package."""
MAX_FILE = 256 * 2**20
"""Longest file that is read, in bytes."""
Records = Iterator[tuple[str, dict[str, Any]]]


@cache
def missing_package(ending: str) -> str:
    """Returns the package that files of an ending need, if it is not installed; else nothing."""
    module, package = DOCUMENTS[ending]
    return "" if importlib.util.find_spec(module) else package


def read_document(path: str, label: str, ending: str, skipped: SkipCount) -> Records:
    """Yields the documents of a file with their places: one, or those of a book's chapters.

    `label` is the file's name in ids, and its title where it has no other. A file that cannot be read is
    counted in `skipped`.
    """
    try:
        size = os.path.getsize(path)
        if size > MAX_FILE:
            raise BadRecord(f"a {ending} file of more than {MAX_FILE / 2**20:g} MiB (split it)")
        yield from _records(path, label, ending, skipped)
    except BadRecord as fault:
        skipped.add(str(fault), path)
    except OSError as error:
        skipped.add(f"a file that cannot be opened ({error.strerror or error})", path)


def _records(path: str, label: str, ending: str, skipped: SkipCount) -> Records:
    if ending == ".epub":
        from masksearch.corpus.documents.epub import read_epub

        yield from read_epub(path, label, skipped)
        return
    title, text = _title_and_text(path, ending, skipped)
    yield path, {"id": label, "title": title or os.path.splitext(label)[0], "text": text}


def _title_and_text(path: str, ending: str, skipped: SkipCount) -> tuple[str, str]:
    if ending == ".pdf":
        from masksearch.corpus.documents.pdf import read_pdf

        return read_pdf(path, skipped)
    if ending == ".docx":
        from masksearch.corpus.documents.word import read_docx

        return read_docx(path)
    if ending == ".pptx":
        from masksearch.corpus.documents.slides import read_pptx

        return read_pptx(path)
    from masksearch.corpus.documents.html import read_html

    return read_html(path, skipped)
