"""Keeps evaluation data out of the tasks: an article that is evaluated on is not trained on, nor is a text that quotes one.

A passage is not used if it

    shares its title    with a task, or with a supporting (gold) article of a question, as `normal_title` compares titles
    shares 13 words     in a row (`exclude_ngram`) with a task's text, a question, an answer or a gold passage

Words are compared without case, accents and punctuation, each Chinese character as one. A question or answer of fewer than 13 words counts
as a whole if it has at least eight: shorter ones turn up by chance. Runs are kept as 64-bit hashes: a million of them take 8 MB, and a process
can be sent them.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from zlib import crc32

import numpy as np
import numpy.typing as npt

from masksearch.corpus import normal_title, read_documents
from masksearch.errors import DataError, FormatError, UsageError
from masksearch.runtime.records import read_rows
from masksearch.text.words import loose_words
from masksearch.types import Passage

SHORTEST = 8
"""Words a text must have to count, where it is shorter than a run."""

Hashes = npt.NDArray[np.uint64]
_BASE: Final = 0x9E3779B97F4A7C15
_SPREAD: Final = np.uint64(0xD6E8FEB86659FD93)


@dataclass(frozen=True)
class Decontaminator:
    """Says why a passage must not be used. Can be sent to another process."""

    names: tuple[str, ...]
    """The files."""
    titles: dict[str, int]
    """Normal title -> number of the file that names it."""
    doc_ids: dict[str, int]
    """Of tasks without a title: with one, an id may be another article's in another corpus."""
    lengths: tuple[int, ...]
    """Words of the forbidden runs, longest first."""
    runs: Hashes
    """All runs, sorted; the length is part of the hash."""
    owners: npt.NDArray[np.uint16]
    """The file of each."""

    @classmethod
    def from_files(
        cls, exclude: Sequence[str], exclude_corpus: Sequence[str] = (), ngram: int = 13
    ) -> Decontaminator:
        """What these task and question files forbid; the gold passages that questions name by id are looked up in the corpora `exclude_corpus`.

        Raises FormatError for a record that is neither a task nor a question, DataError for an empty file or a corpus that holds none of the
        gold passages, UsageError for a corpus without files to go with it.
        """
        if exclude_corpus and not exclude:
            raise UsageError(
                "'exclude_corpus' only serves to look up the gold passages of the question files in 'exclude', and there are none; name them."
            )
        drafts = [_Draft.read(file, ngram) for file in exclude]
        for corpus in exclude_corpus:
            _add_gold(corpus, drafts)
        hashes = [np.frombuffer(draft.runs, dtype=np.uint64) for draft in drafts]
        runs, first = np.unique(np.concatenate([*hashes, np.empty(0, dtype=np.uint64)]), return_index=True)
        return cls(
            names=tuple(_short(draft.path) for draft in drafts),
            titles={
                title: number for number, draft in reversed(list(enumerate(drafts))) for title in draft.titles
            },
            doc_ids={
                name: number for number, draft in reversed(list(enumerate(drafts))) for name in draft.doc_ids
            },
            lengths=tuple(sorted({length for draft in drafts for length in draft.lengths}, reverse=True)),
            runs=runs,
            owners=np.repeat(np.arange(len(drafts), dtype=np.uint16), [len(part) for part in hashes])[first],
        )

    def reason(self, passage: Passage) -> str:
        """Why a passage must not be used: `shares its title with FILE` or `shares 13 words with FILE`; "" if it may."""
        owner = self.titles.get(normal_title(passage.title), self.doc_ids.get(passage.doc_id))
        if owner is not None:
            return f"shares its title with {self.names[owner]}"
        found = _runs(_words(passage.text), self.lengths)
        if not found:
            return ""
        hashes = np.concatenate([hashes for _, hashes in found])
        places = np.searchsorted(self.runs, hashes)
        places[places == len(self.runs)] = 0
        same = self.runs[places] == hashes
        if not same.any():
            return ""
        first = int(same.argmax())
        length = next(
            length
            for length, end in zip((n for n, _ in found), np.cumsum([len(h) for _, h in found]), strict=True)
            if first < end
        )
        return f"shares {length} words with {self.names[self.owners[places[first]]]}"

    __call__ = reason


@dataclass
class _Draft:
    """A file while it is read."""

    path: str
    ngram: int
    titles: set[str] = field(default_factory=set)
    doc_ids: set[str] = field(default_factory=set)
    gold: set[str] = field(default_factory=set)
    """Ids of the gold passages."""
    lengths: set[int] = field(default_factory=set)
    runs: array[int] = field(default_factory=lambda: array("Q"))

    @classmethod
    def read(cls, path: str, ngram: int) -> _Draft:
        """All records of a file. Raises FormatError, DataError."""
        draft = cls(path, ngram)
        place = ""
        for place, record in read_rows(path):
            if "masks" in record:
                draft._add_task(record)
            elif "question" in record:
                draft._add_question(record)
            else:
                raise FormatError(
                    f"{place} is neither a task nor a question (it has no 'masks' and no 'question'), so it cannot be excluded; "
                    "a corpus of gold passages belongs to 'exclude_corpus'."
                )
        if not place:
            raise DataError(f"{path} holds no tasks or questions to exclude.")
        return draft

    def _add_task(self, record: dict[str, Any]) -> None:
        title = normal_title(str(record.get("title", "")))
        if title:
            self.titles.add(title)
        else:
            self.doc_ids.add(str(record.get("doc_id", "")))
        self.add_text(str(record.get("original") or record.get("text", "")))

    def _add_question(self, record: dict[str, Any]) -> None:
        self.titles.update(
            filter(None, (normal_title(str(title)) for title in record.get("supporting_titles") or ()))
        )
        self.gold.update(str(name) for name in record.get("supporting_passages") or ())
        for text in (record["question"], *(record.get("answers") or ())):
            self.add_text(str(text))

    def add_text(self, text: str) -> None:
        """Forbids the runs of a text, or the whole of a short one."""
        words = _words(text)
        length = min(self.ngram, len(words))
        if length >= min(SHORTEST, self.ngram):
            self.lengths.add(length)
            for _, hashes in _runs(words, [length]):
                self.runs.frombytes(hashes.tobytes())


def _add_gold(corpus: str, drafts: Sequence[_Draft]) -> None:
    """Forbids the gold passages that a corpus holds. Raises DataError where it holds none."""
    found = False
    for document in read_documents(corpus):
        for draft in drafts:
            if document.id in draft.gold:
                draft.add_text(document.text)
                found = True
    if not found:
        names = ", ".join(draft.path for draft in drafts)
        raise DataError(
            f"{corpus} holds none of the gold passages named under 'supporting_passages' in {names}; give the corpus of these questions."
        )


def _words(text: str) -> list[str]:
    """The same whatever the language: nothing says in which one a question is."""
    return loose_words(text, "zh")


def _runs(words: Sequence[str], lengths: Sequence[int]) -> list[tuple[int, Hashes]]:
    """(length, hashes of all runs of so many words) for each length there are words for, in the order of `lengths`.

    A hash is a polynomial in the words' own hashes, modulo 2^64, so that each length follows from the one before.
    """
    values = np.array([crc32(word.encode()) for word in words], dtype=np.uint64) * _SPREAD
    values ^= values >> np.uint64(32)
    found: dict[int, Hashes] = {}
    hashes = np.zeros(len(words) + 1, dtype=np.uint64)
    factor = 1
    for length in range(1, min(max(lengths, default=0), len(words)) + 1):
        hashes = hashes[:-1] + values[length - 1 :] * np.uint64(factor)
        factor = factor * _BASE % 2**64
        if length in lengths:
            found[length] = hashes ^ np.uint64(length)
    return [(length, found[length]) for length in lengths if length in found]


def _short(path: str) -> str:
    """A file's name with its folder's, since many are called `questions.jsonl`."""
    return "/".join(Path(path).parts[-2:])
