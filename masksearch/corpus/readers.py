"""Reads documents from files, folders, standard input, a hub data set, or the packaged Wikipedia summaries.

`walk.py` lists the kinds of files, `layouts/` the layouts of records. A bad record or a damaged file does not
stop the reading of a large corpus: it is skipped and counted, with the first example of each reason, and the
files of a folder are counted by ending. A source without a single good record raises an error that names the
file and the line.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from masksearch.corpus.distinct import SeenIds
from masksearch.corpus.documents import read_document
from masksearch.corpus.encodings import NOT_UTF8
from masksearch.corpus.hub import PREFIX as HUB
from masksearch.corpus.hub import read_hub
from masksearch.corpus.jsonl import read_json_objects, unreadable
from masksearch.corpus.layouts.fields import plain_record
from masksearch.corpus.layouts.tables import read_table
from masksearch.corpus.layouts.wikiextractor import read_extracted
from masksearch.corpus.layouts.wikimedia import cirrus_records
from masksearch.corpus.packaged import PREFIX as PACKAGED
from masksearch.corpus.packaged import read_summaries
from masksearch.corpus.parquet import read_parquet
from masksearch.corpus.skipped import MAX_RECORD, TOO_LONG, BadRecord, SkipCount
from masksearch.corpus.textfiles import read_text_file
from masksearch.corpus.titles import TitleCount
from masksearch.corpus.walk import SourceFile, ending_of, source_files
from masksearch.errors import DataError, FormatError
from masksearch.text.plain import plain, plain_with_spans
from masksearch.types import Document, Language, Link

__all__ = ["SkipCount", "read_documents"]

LANGUAGES = get_args(Language)

Records = Iterator[tuple[str, dict[str, Any]]]
"""Pairs of a record's place, such as "docs.jsonl, line 7", and the record."""
NO_FIELDS: Mapping[str, str] = {}
NAMED = ("json lines", "table", "parquet")
"""Kinds of files whose fields a user can name."""


def read_documents(
    source: str,
    limit: int | None = None,
    skipped: SkipCount | None = None,
    language: str = "",
    workers: int = 1,
    fields: Mapping[str, str] = NO_FIELDS,
) -> Iterator[Document]:
    """Yields the documents of a source, at most `limit`.

    A source is a file of a kind that walk.py lists, a folder of such files and folders (read in the order of
    their names), `-` for JSON Lines from standard input, `hf:OWNER/NAME[:CONFIG][@SPLIT]`, or
    `wiki-summaries` (`:en`, `:es`, `:fr`).

    `language` is the language of documents that do not name their own language. `workers` processes parse a
    dump; the documents and their order do not depend on the number of workers. `fields` maps id, title, text
    and language to the names that the records have for them; without it, known names are found. Raises
    DataError if the source is missing, unreadable or empty, FormatError if it has no valid record, and
    MissingExtraError if a required package is not installed.
    """
    skipped = SkipCount() if skipped is None else skipped
    before = skipped.total
    seen, titles = SeenIds(), TitleCount()
    if limit is not None and limit < 1:
        return
    with contextlib.closing(_records(source, skipped, language, workers, fields)) as records:
        for where, value, names in records:
            try:
                document = _document(plain_record(value, names), language, seen, where, skipped)
            except BadRecord as fault:
                skipped.add(str(fault), where)
                continue
            titles.add(document.title)
            yield document
            if len(seen) == limit:
                break
    if not len(seen):
        raise _no_documents(source, skipped, skipped.total - before)
    for warning in titles.warnings():
        skipped.warn(warning)


def _no_documents(source: str, skipped: SkipCount, count: int) -> DataError:
    """Returns the error of a source without documents; `count` of its records were skipped."""
    name = "Standard input" if source == "-" else source
    if not count:
        return DataError(f"{name} is empty: it holds no documents.")
    reason, where = next(iter(skipped.examples.items()))
    if all(reason.startswith(NOT_UTF8) for reason in skipped.counts):
        more = reason.removeprefix(NOT_UTF8)
        return DataError(f"{name} is not UTF-8 text ({where}); convert it, for example with iconv{more}.")
    if reason.startswith("a file that"):
        return DataError(f"{name} could not be read: {'it' if where == name else where} is {reason}.")
    return FormatError(f"{name} holds no valid document: {where} is {reason}{_remedy(reason, name)}.")


def _remedy(reason: str, name: str) -> str:
    """Returns what to do about a source whose records are skipped for a reason, as the end of a sentence."""
    if reason == "not valid JSON" and ending_of(name) not in (".json", ".jsonl", ".ndjson"):
        return "; a file of plain text must be named .txt or .md, records of another form must be converted"
    if reason.startswith(("not ", "a record of")):
        return "; each record must be an object of JSON on one line, with the fields title and text"
    if reason.startswith(("a record that lacks", "a Parquet")):
        return "; name its fields with --fields, such as --fields text=body,title=headline"
    return "; each record must have the fields id, title and text" if reason.startswith("a record") else ""


def _document(
    value: dict[str, Any], language: str, seen: SeenIds, where: str, skipped: SkipCount
) -> Document:
    """Returns the document of a record; `where` is the place of the record. Raises BadRecord if a field is
    invalid."""
    for name in ("id", "title", "text"):
        if name not in value or (value[name] is None and name != "id"):
            raise BadRecord(f"a record that lacks the field '{name}'")
    number, text = value["id"], value["text"]
    links = _links(value.get("links"), text)
    title = value["title"]
    if isinstance(text, str) and isinstance(title, str):
        title = plain(title)
        text, links = plain_with_spans(text, links)
    fields = {
        "id": str(number) if isinstance(number, int | float) and not isinstance(number, bool) else number,
        "title": title,
        "text": text,
        "language": _language(value.get("language")) or language,
        "links": links,
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
    source: str, skipped: SkipCount, language: str, workers: int, fields: Mapping[str, str]
) -> Generator[tuple[str, dict[str, Any], Mapping[str, str]], None, None]:
    """Yields the records of a source with their places and the names of their fields: texts, documents and
    dumps have fields of their own."""
    if source.startswith(HUB):
        yield from ((where, value, fields) for where, value in read_hub(source, fields))
    elif source == "-":
        records = cirrus_records(read_json_objects(source, skipped), skipped)
        yield from ((where, value, fields) for where, value in records)
    elif source.partition(":")[0] == PACKAGED:
        yield from ((where, value, NO_FIELDS) for where, value in read_summaries(source))
    else:
        for file in source_files(Path(source), skipped):
            names = fields if file.kind in NAMED else NO_FIELDS
            found = False
            try:
                for where, value in _file_records(file, skipped, language, workers, fields):
                    found = True
                    yield where, value, names
            except DataError as error:
                if not file.in_folder:
                    raise
                skipped.add(unreadable(error), file.path)
            finally:
                if file.in_folder:
                    skipped.file(file.ending, found)


def _file_records(
    file: SourceFile, skipped: SkipCount, language: str, workers: int, fields: Mapping[str, str]
) -> Records:
    path, label = file.path, file.label
    if file.kind == "parquet":
        return read_parquet(path, label, skipped, fields)
    if file.kind == "text":
        return read_text_file(path, label, skipped)
    if file.kind == "document":
        return read_document(path, label, file.ending, skipped)
    if file.kind == "table":
        return read_table(path, label, skipped, file.ending, fields)
    if file.kind == "extracted":
        return read_extracted(path, skipped)
    if file.kind == "dump":
        from masksearch.corpus.mediawiki.dump import read_dump

        return read_dump(path, skipped, language, workers)
    return cirrus_records(read_json_objects(path, skipped, label), skipped)
