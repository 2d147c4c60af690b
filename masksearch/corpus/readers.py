"""Reads documents from files, folders, standard input, a hub data set, or the packaged Wikipedia summaries.

    JSON Lines     .jsonl .json .ndjson      id, title, text; optionally language and links
    Parquet        .parquet                  the same columns
    MediaWiki      .xml                      a dump's articles, with their links
    plain text     .txt .text .md .markdown  one document per file

Each file may be compressed (.gz, .bz2, .zst). A bad record or a damaged file does not stop the reading of a
large corpus: it is skipped and counted, with the first example of each reason. A source without a single
good record raises an error that names the file and the line.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import ValidationError

from masksearch.corpus.distinct import SeenIds
from masksearch.corpus.hub import PREFIX as HUB
from masksearch.corpus.hub import read_hub
from masksearch.corpus.jsonl import read_json_objects
from masksearch.corpus.packaged import PREFIX as PACKAGED
from masksearch.corpus.packaged import read_summaries
from masksearch.corpus.parquet import read_parquet
from masksearch.corpus.skipped import MAX_RECORD, TOO_LONG, BadRecord, SkipCount, path_text
from masksearch.corpus.textfiles import MARKDOWN, PLAIN, read_text_file
from masksearch.errors import DataError, FormatError
from masksearch.runtime.files import inner_name
from masksearch.text.nearest import no_path
from masksearch.types import Document, Language, Link

__all__ = ["SkipCount", "read_documents"]

JSON_LINES = (".jsonl", ".json", ".ndjson")
PARQUET = ".parquet"
_KNOWN = ", ".join((*JSON_LINES, PARQUET, ".xml", *PLAIN, *MARKDOWN))
# Files with these suffixes cannot be read and are rejected at once. A single file with any other unknown
# suffix is read as JSON Lines.
_UNREADABLE = frozenset(
    """.zip .tar .tgz .7z .xz .lz4 .rar .csv .tsv .pdf .doc .docx .odt .rtf .epub .html .htm .xml .xls .xlsx
    .npy .npz .arrow""".split()  # noqa: SIM905
)
LANGUAGES = get_args(Language)

Records = Iterator[tuple[str, dict[str, Any]]]
"""Pairs of a record's place, such as "docs.jsonl, line 7", and the record."""
Kind = Literal["json lines", "parquet", "dump", "text"]


def read_documents(
    source: str,
    limit: int | None = None,
    skipped: SkipCount | None = None,
    language: str = "",
    workers: int = 1,
) -> Iterator[Document]:
    """Yields the documents of a source, at most `limit`.

    A source is a file of a kind listed above, a folder of such files and folders (read in the order of their
    names), `-` for JSON Lines from standard input, `hf:OWNER/NAME[:CONFIG][@SPLIT]`, or `wiki-summaries`
    (`:en`, `:es`, `:fr`).

    `language` is the language of documents that do not name their own language. `workers` processes parse a
    dump; the documents and their order do not depend on the number of workers. Raises DataError if the
    source is missing, unreadable or empty, FormatError if it has no valid record, and MissingExtraError if
    a required package is not installed.
    """
    skipped = SkipCount() if skipped is None else skipped
    before = skipped.total
    seen = SeenIds()
    if limit is not None and limit < 1:
        return
    with contextlib.closing(_records(source, skipped, language, workers)) as records:
        for where, value in records:
            try:
                document = _document(value, language, seen, where, skipped)
            except BadRecord as fault:
                skipped.add(str(fault), where)
                continue
            yield document
            if len(seen) == limit:
                return
    if not len(seen):
        raise _no_documents(source, skipped, skipped.total - before)


def _no_documents(source: str, skipped: SkipCount, count: int) -> DataError:
    """Returns the error of a source without documents; `count` of its records were skipped."""
    name = "Standard input" if source == "-" else source
    if not count:
        return DataError(f"{name} is empty: it holds no documents.")
    reason, where = next(iter(skipped.examples.items()))
    if list(skipped.counts) == ["not UTF-8 text"]:
        return DataError(f"{name} is not UTF-8 text ({where}); convert it, for example with iconv.")
    if reason.startswith("a file that"):
        return DataError(f"{name} could not be read: {'it' if where == name else where} is {reason}.")
    remedy = (
        "; each record must have the fields id, title and text"
        if reason.startswith(("a record", "not ", "a Parquet"))
        else ""
    )
    return FormatError(f"{name} holds no valid document: {where} is {reason}{remedy}.")


def _document(
    value: dict[str, Any], language: str, seen: SeenIds, where: str, skipped: SkipCount
) -> Document:
    """Returns the document of a record; `where` is the place of the record. Raises BadRecord if a field is
    invalid."""
    for name in ("id", "title", "text"):
        if name not in value or (value[name] is None and name != "id"):
            raise BadRecord(f"a record that lacks the field '{name}'")
    number, text = value["id"], value["text"]
    fields = {
        "id": str(number) if isinstance(number, int | float) and not isinstance(number, bool) else number,
        "title": value["title"],
        "text": text,
        "language": _language(value.get("language")) or language,
        "links": _links(value.get("links"), text),
    }
    try:
        document = Document.model_validate(fields)
    except ValidationError as error:
        raise BadRecord(f"a record with a bad field '{error.errors()[0]['loc'][0]}'") from None
    if len(document.text) > MAX_RECORD:
        raise BadRecord(TOO_LONG)
    try:
        f"{document.id}{document.title}{document.text}".encode()
    except UnicodeEncodeError:  # A lone surrogate, written as an escape, raises this.
        raise BadRecord("a record with characters that are not valid text") from None
    if not document.text.strip():
        raise BadRecord("a record with an empty text")
    if not seen.add(document.id):
        raise BadRecord("a record with an id that was used before")
    if value.get("links") and not document.links:
        skipped.repair("a record with links that do not fit its text (used without them)", where)
    return document


def _language(value: object) -> str:
    """Returns a record's language as a supported code (`en-US` becomes `en`). Raises BadRecord for another
    language."""
    if value is None or value == "":
        return ""
    name = value.lower().replace("_", "-").partition("-")[0] if isinstance(value, str) else ""
    if name not in LANGUAGES:
        raise BadRecord(f"a record in a language other than {', '.join(LANGUAGES)}")
    return name


def _links(value: object, text: object) -> tuple[Link, ...]:
    """Returns the links of a record in text order.

    Returns no link at all if a single link is not [start, end, title] within the text, because the offsets
    were then probably counted in another unit, for example bytes.
    """
    if not isinstance(value, list | tuple) or not isinstance(text, str):
        return ()
    links: list[Link] = []
    for link in value:
        parts = list(link.values()) if isinstance(link, dict) else link
        if not isinstance(parts, list | tuple) or len(parts) != 3:
            return ()
        start, end, target = parts
        if (
            type(start) is not int
            or type(end) is not int
            or not isinstance(target, str)
            or not 0 <= start < end <= len(text)
        ):
            return ()
        links.append((start, end, target))
    try:
        "".join(target for _, _, target in links).encode()
    except UnicodeEncodeError:
        return ()
    return tuple(sorted(links))


def _records(
    source: str, skipped: SkipCount, language: str, workers: int
) -> Generator[tuple[str, dict[str, Any]], None, None]:
    if source.startswith(HUB):
        yield from read_hub(source)
    elif source == "-":
        yield from read_json_objects(source, skipped)
    elif source.partition(":")[0] == PACKAGED:
        yield from read_summaries(source)
    else:
        for path, label, kind in _files(Path(source), skipped):
            yield from _file_records(path, label, kind, skipped, language, workers)


def _file_records(
    path: str, label: str, kind: Kind, skipped: SkipCount, language: str, workers: int
) -> Records:
    if kind == "parquet":
        return read_parquet(path, label, skipped)
    if kind == "text":
        return read_text_file(path, label, skipped)
    if kind == "dump":
        from masksearch.corpus.mediawiki.dump import read_dump

        return read_dump(path, skipped, language, workers)
    return read_json_objects(path, skipped)


def _files(source: Path, skipped: SkipCount) -> Iterable[tuple[str, str, Kind]]:
    """Returns the files of a source: path, name within the source, kind.

    Raises DataError if the source has no readable file.
    """
    if not source.exists():
        raise DataError(
            f"There is no file or folder {source}{no_path(source)} The packaged Wikipedia summaries are "
            f"{PACKAGED}:en."
        )
    if source.is_dir():
        return _folder_files(source, skipped)
    kind = _kind(source)
    if kind is None and Path(inner_name(source)).suffix.lower() in _UNREADABLE:
        raise DataError(
            f"{source} is of a kind that cannot be read; convert it to JSON Lines with the fields id, title "
            "and text (.jsonl, .jsonl.gz)."
        )
    return [(str(source), path_text(source.name), kind or "json lines")]


def _folder_files(source: Path, skipped: SkipCount) -> Iterator[tuple[str, str, Kind]]:
    """Yields the readable files of a folder, then of its subfolders, in the order of their names.

    Skips hidden files and folders.
    """
    found = False
    for folder, folders, names in os.walk(
        source, onerror=lambda error: skipped.add("a folder that cannot be read", str(error.filename))
    ):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(folder, name)
            if not name.startswith(".") and (kind := _kind(path)) is not None:
                found = True
                yield str(path), path_text(path.relative_to(source).as_posix()), kind
    if not found:
        raise DataError(
            f"The folder {source} holds no file that can be read ({_KNOWN}; plain, .gz, .bz2 or .zst)."
        )


def _kind(path: Path) -> Kind | None:
    """Returns the kind of a file by its name.

    A dump (`enwiki-articles1.xml-p10p30302.bz2`) must also start with the right element.
    """
    inner = Path(inner_name(path))
    suffix = inner.suffix.lower()
    if ".xml" in inner.name.lower():
        from masksearch.corpus.mediawiki.dump import is_dump

        return "dump" if path.is_file() and is_dump(str(path)) else None
    if suffix in JSON_LINES:
        return "json lines"
    if suffix == PARQUET:
        return "parquet"
    # A multistream dump comes with an index, a .txt file that is not prose.
    return "text" if suffix in (*PLAIN, *MARKDOWN) and "multistream-index" not in inner.name else None
