"""Finds the files of a source: what kind each one is, by its name and first bytes.

    JSON Lines     .jsonl .json .ndjson            id, title, text (layouts/fields.py)
    table          .csv .tsv                       the same columns
    Parquet        .parquet                        the same columns
    MediaWiki      .xml                            a dump's articles, with their links
    WikiExtractor  wiki_00, wiki_01, ...           its articles, or JSON Lines
    text           .txt .text .md .markdown        one document per file
    documents      .html .htm .xhtml .pdf .docx .pptx .epub

Each file but a document may be compressed (.gz, .bz2, .zst).
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from masksearch.corpus.documents import DOCUMENTS, missing_package
from masksearch.corpus.layouts.tables import TABLES
from masksearch.corpus.layouts.wikiextractor import NAME as EXTRACTED
from masksearch.corpus.layouts.wikiextractor import starts_with_doc
from masksearch.corpus.packaged import PREFIX as PACKAGED
from masksearch.corpus.skipped import SkipCount, path_text
from masksearch.corpus.textfiles import MARKDOWN, PLAIN
from masksearch.errors import DataError, MissingExtraError
from masksearch.runtime.files import PACKED, inner_name
from masksearch.text.nearest import no_path

JSON_LINES: Final = (".jsonl", ".json", ".ndjson")
PARQUET: Final = ".parquet"
KNOWN: Final = ", ".join((*JSON_LINES, *TABLES, PARQUET, ".xml", *PLAIN, *MARKDOWN, *DOCUMENTS))
HIDDEN: Final = "hidden"
"""Under which hidden files and folders are counted as not read."""
_UNPACK = "unpack it, and name the folder or file"
_SAVE = "save it as .docx, .pptx or .pdf"
_CONVERT = "convert it to JSON Lines with the fields id, title and text (.jsonl, .jsonl.gz)"
REMEDIES: Final = {
    **dict.fromkeys((".zip", ".tar", ".tgz", ".7z", ".xz", ".lz4", ".rar"), _UNPACK),
    **dict.fromkeys((".doc", ".odt", ".rtf", ".ppt", ".odp", ".pages", ".key"), _SAVE),
    **dict.fromkeys((".xls", ".xlsx", ".ods", ".numbers"), "save it as .csv"),
    **dict.fromkeys((".mobi", ".azw", ".azw3", ".fb2"), "convert it to .epub"),
    **dict.fromkeys(
        (".ps", ".djvu", ".tif", ".tiff", ".png", ".jpg", ".jpeg"), "convert it to a .pdf with text"
    ),
    **dict.fromkeys((".xml", ".npy", ".npz", ".arrow", ".sqlite", ".db", ".pkl"), _CONVERT),
}
"""Ending of a file that cannot be read -> what to do. A single file with any other unknown ending is read as
JSON Lines."""
Kind = Literal["json lines", "table", "parquet", "dump", "extracted", "text", "document"]


@dataclass(frozen=True)
class SourceFile:
    """A file that can be read."""

    path: str
    label: str
    """Its name within the source, from which ids are made."""
    kind: Kind
    in_folder: bool = False

    @property
    def ending(self) -> str:
        """The ending of its name, without that of a compressed file."""
        return ending_of(self.path)


def ending_of(path: str | Path) -> str:
    """Returns the ending of a file's name in small letters, or `no ending`."""
    return Path(inner_name(path)).suffix.lower() or "no ending"


def source_files(source: Path, skipped: SkipCount) -> Iterable[SourceFile]:
    """Returns the files of a source.

    Raises DataError if the source has no readable file, and MissingExtraError for a single file whose package
    is not installed.
    """
    if not source.exists():
        raise DataError(
            f"There is no file or folder {source}{no_path(source)} The packaged Wikipedia summaries are "
            f"{PACKAGED}:en."
        )
    if source.is_dir():
        return _folder_files(source, skipped)
    kind, ending = _kind(source), ending_of(source)
    if kind is None and ending in REMEDIES:
        raise DataError(f"{source} is of a kind that cannot be read; {REMEDIES[ending]}.")
    if kind is None and ending in DOCUMENTS:
        raise DataError(f"{source} is a compressed {ending} file; decompress it first.")
    if kind == "document" and (package := missing_package(ending)):
        raise MissingExtraError(package, "documents", f"A {ending} file")
    if kind is None and starts_with_doc(str(source)):
        kind = "extracted"
    return [SourceFile(str(source), path_text(source.name), kind or "json lines")]


def _folder_files(source: Path, skipped: SkipCount) -> Iterator[SourceFile]:
    """Yields the readable files of a folder, then of its subfolders, in the order of their names.

    All others are counted in `skipped`: hidden ones, those of unknown kinds, those whose package is not
    installed, and links to folders, which are not followed.
    """
    found = False
    for folder, folders, names in os.walk(
        source, onerror=lambda error: skipped.add("a folder that cannot be read", str(error.filename))
    ):
        for _ in filter(_is_hidden, folders):
            skipped.file(HIDDEN, False)
        folders[:] = sorted(itertools.filterfalse(_is_hidden, folders))
        for name in folders:
            if os.path.islink(os.path.join(folder, name)):
                skipped.add("a link to a folder, which is not followed", os.path.join(folder, name))
        for name in sorted(names):
            path = Path(folder, name)
            if _is_hidden(name):
                skipped.file(HIDDEN, False)
            elif (kind := _readable(path, skipped)) is not None:
                found = True
                yield SourceFile(str(path), path_text(path.relative_to(source).as_posix()), kind, True)
    if not found:
        raise DataError(_nothing(source, skipped))


def _is_hidden(name: str) -> bool:
    return name.startswith(".")


def _nothing(source: Path, skipped: SkipCount) -> str:
    reasons = [f"{skipped.examples[reason]} is {reason}" for reason in skipped.counts]
    more = f"; {reasons[0]}" if reasons else ""
    return f"The folder {source} holds no file that can be read ({KNOWN}; plain, .gz, .bz2 or .zst){more}."


def _readable(path: Path, skipped: SkipCount) -> Kind | None:
    """Returns the kind of a file of a folder; None, after it was counted, for one that cannot be read."""
    if _is_index(path):
        return None
    kind, ending = _kind(path), ending_of(path)
    if kind is not None and not path.is_file():
        reason = "a link to a file that does not exist" if path.is_symlink() else "not a regular file"
        skipped.add(reason, str(path))
    elif kind == "document" and (package := missing_package(ending)):
        skipped.add(
            f"a {ending} file, which needs the package '{package}' (pip install 'masksearch[documents]')",
            str(path),
        )
    elif kind is not None:
        return kind
    skipped.file(ending, False)
    return None


def _is_index(path: Path) -> bool:
    """Whether a file is the index that comes with a multistream dump: a .txt file that is not prose."""
    name = inner_name(path)
    return "multistream-index" in name and name.endswith(".txt")


def _kind(path: Path) -> Kind | None:
    """Returns the kind of a file by its name.

    A dump (`enwiki-articles1.xml-p10p30302.bz2`) must also start with the right element.
    """
    inner = Path(inner_name(path))
    suffix = inner.suffix.lower()
    if ".xml" in inner.name.lower():
        from masksearch.corpus.mediawiki.dump import is_dump

        return "dump" if path.is_file() and is_dump(str(path)) else None
    if EXTRACTED.fullmatch(inner.name):
        return "extracted" if path.is_file() and starts_with_doc(str(path)) else "json lines"
    if suffix in JSON_LINES:
        return "json lines"
    if suffix in TABLES:
        return "table"
    if suffix == PARQUET:
        return "parquet"
    if suffix in DOCUMENTS:
        return None if path.suffix.lower() in PACKED else "document"
    return "text" if suffix in (*PLAIN, *MARKDOWN) and not _is_index(path) else None
