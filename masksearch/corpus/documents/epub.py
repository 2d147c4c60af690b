"""Reads books (.epub): one document per chapter, in the order of the book's spine."""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urldefrag

from masksearch.corpus.documents.archives import DAMAGED, checked
from masksearch.corpus.documents.html import blocks, page_text, parsed
from masksearch.corpus.skipped import BadRecord, SkipCount

CONTAINER = "META-INF/container.xml"
SHORTEST = 20
"""Number of words below which a part of a book, such as its cover, is left out."""
PROTECTED = "META-INF/encryption.xml"
_FONTS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
"""Methods that only hide a book's fonts."""


def read_epub(path: str, label: str, skipped: SkipCount) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the chapters of a book with their places; `label` is the book's name in ids.

    A chapter's title is its first heading, below the book's title. Raises BadRecord if the book cannot be
    read.
    """
    from lxml import etree

    with checked(path, ".epub") as archive:
        try:
            if PROTECTED in archive.namelist() and _is_protected(_xml(archive, PROTECTED)):
                raise BadRecord("a book with copy protection")
            book, parts = _spine(archive)
        except (KeyError, etree.XMLSyntaxError, IndexError) as error:
            raise BadRecord(f"{DAMAGED} (.epub)") from error
        number = 0
        for part in parts:
            place = f"{path}, {part}"
            try:
                tree = parsed(page_text(archive.read(part)))
            except (KeyError, BadRecord):
                skipped.add("a chapter that cannot be read", place)
                continue
            text = "\n\n".join(blocks(tree))
            if len(text.split()) < SHORTEST and len(text) < 4 * SHORTEST:
                continue
            number += 1
            heading = _heading(tree)
            title = ": ".join(filter(None, (book, heading or f"part {number}")))
            yield place, {"id": f"{label}#{number}", "title": title, "text": text}
    if not number:
        raise BadRecord("a book without text")


def _xml(archive: zipfile.ZipFile, name: str) -> Any:
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    return etree.fromstring(archive.read(name), parser)


def _is_protected(encryption: Any) -> bool:
    methods = encryption.xpath(
        "//*[local-name()='EncryptedData']/*[local-name()='EncryptionMethod']/@Algorithm"
    )
    return any(method not in _FONTS for method in methods)


def _spine(archive: zipfile.ZipFile) -> tuple[str, list[str]]:
    """Returns the title of a book and the names of its chapters, in order."""
    package = _xml(archive, CONTAINER).xpath("//*[local-name()='rootfile']/@full-path")[0]
    book = _xml(archive, package)
    title = " ".join("".join(book.xpath("string(//*[local-name()='title'])")).split())
    items = {
        item.get("id"): item for item in book.xpath("//*[local-name()='manifest']/*[local-name()='item']")
    }
    names = []
    for reference in book.xpath("//*[local-name()='spine']/*[local-name()='itemref']"):
        item = items.get(reference.get("idref"))
        if item is None or reference.get("linear") == "no" or "nav" in (item.get("properties") or "").split():
            continue
        href = unquote(urldefrag(item.get("href") or "").url)
        # A name outside the archive is not in it, so that it is counted as unreadable.
        names.append(posixpath.normpath(posixpath.join(posixpath.dirname(package), href)))
    return title, names


def _heading(tree: Any) -> str:
    for level in ("h1", "h2", "h3"):
        for found in tree.iter(level):
            if words := " ".join("".join(found.itertext()).split()):
                return words
    return ""
