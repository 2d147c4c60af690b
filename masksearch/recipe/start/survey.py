"""What a folder or file of documents holds: formats, sizes, titles, languages, copies, unreadable parts."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import get_args

from masksearch.corpus.layouts.fields import parse_fields
from masksearch.corpus.readers import read_documents
from masksearch.corpus.skipped import SkipCount
from masksearch.corpus.split import document_side, names_article, side_of
from masksearch.corpus.titles import TitleCount
from masksearch.runtime.files import inner_name
from masksearch.text.sentences import UNSPACED
from masksearch.text.words import stop_words
from masksearch.types import Document, Language

LANGUAGES = get_args(Language)
HELDOUT_SHARE = 0.2
"""Share of the articles that the stage `mask` holds out by default."""
READ = 3000
"""Number of characters of a document from which its language is found."""
COMMON = 0.12
"""Share of a document's words that must be common words of a language."""
_WORD = re.compile(r"[^\W\d_]+")
_UNSPACED = re.compile(f"[{UNSPACED}]")


@dataclass(frozen=True)
class Survey:
    """What a source of documents holds."""

    source: str
    documents: int
    words: int
    median_words: int
    titled: int
    """Number of documents with a title that no other document has."""
    linked: int
    """Number of documents with links."""
    copies: int
    """Number of documents whose text an earlier document has."""
    heldout: int
    """Number of documents that the split holds out."""
    languages: Mapping[str, int]
    """Language, or `` for an unknown one -> number of documents."""
    skipped: SkipCount = field(compare=False)
    formats: Mapping[str, int] = field(default_factory=dict)
    """Ending of a file's name -> number of files; of a folder only."""

    @property
    def language(self) -> str:
        """The language of most documents; English if none is known."""
        known = {name: count for name, count in self.languages.items() if name}
        return max(known, key=lambda name: known[name]) if known else "en"


def survey(source: str, sample: int, fields: Iterable[str] = ()) -> tuple[Survey, list[Document]]:
    """Reads a source once; returns what it holds, and its first `sample` documents. `fields` are the names of
    the documents' fields, as a user gives them.

    Raises DataError and FormatError as `read_documents` does.
    """
    skipped = SkipCount()
    lengths: list[int] = []
    titles: Counter[str] = Counter()
    languages: Counter[str] = Counter()
    texts: set[int] = set()
    by_id: Counter[str] = Counter()
    count = TitleCount()
    copies = linked = 0
    first: list[Document] = []
    for document in read_documents(source, skipped=skipped, fields=parse_fields(fields)):
        lengths.append(len(document.text.split()))
        titles[document.title] += 1
        languages[document.language or language_of(document.text)] += 1
        linked += bool(document.links)
        count.add(document.title)
        by_id[document.title] += document_side(document.id, "", HELDOUT_SHARE) == "heldout"
        key = hash(" ".join(document.text.split()))
        copies += key in texts
        texts.add(key)
        if len(first) < sample:
            first.append(document)
    return Survey(
        source=source,
        documents=len(lengths),
        words=sum(lengths),
        median_words=int(median(lengths)),
        titled=sum(1 for title, count in titles.items() if count == 1 and title.strip()),
        linked=linked,
        copies=copies,
        heldout=_heldout(titles, by_id, count.common()),
        languages=dict(languages),
        skipped=skipped,
        formats=_formats(Path(source)),
    ), first


def _heldout(titles: Mapping[str, int], by_id: Mapping[str, int], common: Mapping[str, int]) -> int:
    """Returns the number of documents that the split holds out; `by_id` counts for each title those that it
    would hold out by their ids."""
    total = 0
    for title, count in titles.items():
        if not names_article(title, common):
            total += by_id[title]
        elif side_of(title, HELDOUT_SHARE) == "heldout":
            total += count
    return total


def language_of(text: str) -> str:
    """Returns the language whose common words a text uses most; empty if it uses those of none."""
    part = text[:READ]
    if len(_UNSPACED.findall(part)) > len(part) / 5:
        return "zh"
    words = [word.casefold() for word in _WORD.findall(part)]
    if not words:
        return ""
    spaced = [name for name in LANGUAGES if name != "zh"]
    shares = {name: sum(word in stop_words(name) for word in words) / len(words) for name in spaced}
    best = max(shares, key=lambda name: shares[name])
    return best if shares[best] >= COMMON else ""


def _formats(source: Path) -> dict[str, int]:
    """Returns the number of files of each ending below a folder, hidden ones left out."""
    if not source.is_dir():
        return {}
    found: Counter[str] = Counter()
    for _, folders, names in os.walk(source):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found.update(
            Path(inner_name(name)).suffix.lower() or "no ending" for name in names if not name.startswith(".")
        )
    return dict(found.most_common())


def described(found: Survey) -> Sequence[str]:
    """Returns what was found, as lines for a terminal."""
    lines = [f"{found.documents:,} documents, {found.words:,} words (median {found.median_words:,})"]
    if found.formats:
        lines.append("files: " + ", ".join(f"{count:,} {ending}" for ending, count in found.formats.items()))
    total = found.documents
    lines.append(f"titles: {found.titled:,} of {total:,} documents have one of their own")
    if found.linked:
        lines.append(f"links: {found.linked:,} documents have links to others")
    counts = sorted(found.languages.items(), key=lambda row: -row[1])
    languages = ", ".join(f"{name or 'unknown'} {count:,}" for name, count in counts)
    lines.append(f"languages: {languages}")
    if found.copies:
        lines.append(f"copies: {found.copies:,} documents have the text of an earlier one")
    if summary := found.skipped.summary():
        lines.append(summary)
    lines += [f"{count:,} files: {what}" for what, count in found.skipped.noted.items()]
    lines += [*found.skipped.file_table(), *found.skipped.warnings]
    return lines
