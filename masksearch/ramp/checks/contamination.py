"""Keeps evaluation data out of the tasks: excludes articles of an evaluation and texts that quote them.

A passage is not used in two cases:

    same title       Its title is that of an evaluation task, or of a supporting (gold) article of a question
                     (compared by `normal_title`). A title that names no article, because many documents have
                     it, is not compared; the documents' ids are.
    shared run       It shares 13 words in a row (`exclude_ngram`) with a task's text, a question, an answer
                     or a gold passage.

Words are compared without case, accents and punctuation; each Chinese character is a word. A run is
13 words in a row of a text. A text of fewer than 13 words counts as one run if it has at least eight words.
Texts of fewer than eight words are ignored, because they occur in other passages by chance. Runs are stored
as 64-bit hashes: a million hashes take 8 MB and can be pickled to a worker process.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from zlib import crc32

import numpy as np
import numpy.typing as npt

from masksearch.corpus import names_article, normal_title, read_documents
from masksearch.errors import DataError, FormatError, UsageError
from masksearch.runtime.records import read_rows
from masksearch.text.words import loose_words
from masksearch.types import Passage

SHORTEST = 8
"""Minimum number of words of a text that counts as one run although it has fewer than `exclude_ngram`
words."""

Hashes = npt.NDArray[np.uint64]
_BASE: Final = 0x9E3779B97F4A7C15
_SPREAD: Final = np.uint64(0xD6E8FEB86659FD93)


@dataclass(frozen=True)
class Decontaminator:
    """A picklable filter that finds the reason why a passage must not be used."""

    names: tuple[str, ...]
    """Short names of the files in `exclude` (see `_short`), shown in reasons."""
    titles: dict[str, int]
    """Normalised title -> index in `names` of the file with this title."""
    doc_ids: dict[str, int]
    """Document id -> index in `names`, only for tasks whose title names no article. Where it names
    one, the title is compared, because another corpus may use the same id for another article."""
    lengths: tuple[int, ...]
    """The different lengths, in words, of the excluded runs, longest first."""
    runs: Hashes
    """(number of runs,) uint64: hashes of all excluded runs, sorted. Runs of different lengths have
    different hashes."""
    owners: npt.NDArray[np.uint16]
    """(number of runs,): for each hash in `runs`, the index in `names` of its file."""

    @classmethod
    def from_files(
        cls,
        exclude: Sequence[str],
        exclude_corpus: Sequence[str] = (),
        ngram: int = 13,
        common: Collection[str] = (),
    ) -> Decontaminator:
        """Reads task and question files, and the gold passages of the questions from `exclude_corpus`.

        `common` holds the titles of the masked corpus that name no article.

        Raises FormatError for a record that is neither a task nor a question, DataError for an empty file
        or a corpus without any of the gold passages, and UsageError for `exclude_corpus` without `exclude`.
        """
        if exclude_corpus and not exclude:
            raise UsageError(
                "'exclude_corpus' provides the gold passages of the question files in 'exclude', "
                "but 'exclude' is empty; name the question files there."
            )
        drafts = [_Draft.read(file, ngram, common) for file in exclude]
        for corpus in exclude_corpus:
            _add_gold(corpus, drafts)
        hashes = [np.frombuffer(draft.runs, dtype=np.uint64) for draft in drafts]
        runs, first = np.unique(np.concatenate([*hashes, np.empty(0, dtype=np.uint64)]), return_index=True)
        titles: dict[str, int] = {}
        doc_ids: dict[str, int] = {}
        # If several files have the same title or id, `reason` names the first file.
        for number, draft in enumerate(drafts):
            for title in draft.titles:
                titles.setdefault(title, number)
            for doc_id in draft.doc_ids:
                doc_ids.setdefault(doc_id, number)
        return cls(
            names=tuple(_short(draft.path) for draft in drafts),
            titles=titles,
            doc_ids=doc_ids,
            lengths=tuple(sorted({length for draft in drafts for length in draft.lengths}, reverse=True)),
            runs=runs,
            owners=np.repeat(np.arange(len(drafts), dtype=np.uint16), [len(part) for part in hashes])[first],
        )

    def reason(self, passage: Passage) -> str:
        """Returns `shares its title with FILE` or `shares 13 words with FILE`; empty for a usable passage."""
        owner = self.titles.get(normal_title(passage.title), self.doc_ids.get(passage.doc_id))
        if owner is not None:
            return f"shares its title with {self.names[owner]}"
        found = _runs(_words(passage.text), self.lengths)
        if not found:
            return ""
        hashes = np.concatenate([hashes for _, hashes in found])  # (runs of the passage,), longest runs first
        places = np.searchsorted(self.runs, hashes)
        places[places == len(self.runs)] = 0  # hash above all stored ones: index 0 cannot match
        same = self.runs[places] == hashes
        if not same.any():
            return ""
        first = int(same.argmax())
        lengths = np.repeat([length for length, _ in found], [len(hashes) for _, hashes in found])
        length = int(lengths[first])
        return f"shares {length} words with {self.names[self.owners[places[first]]]}"

    __call__ = reason


@dataclass
class _Draft:
    """The titles, ids and runs of one excluded file, collected while the file is read."""

    path: str
    ngram: int
    common: Collection[str] = ()
    titles: set[str] = field(default_factory=set)
    doc_ids: set[str] = field(default_factory=set)
    gold: set[str] = field(default_factory=set)
    """Ids of the gold passages that the questions of the file name."""
    lengths: set[int] = field(default_factory=set)
    runs: array[int] = field(default_factory=lambda: array("Q"))

    @classmethod
    def read(cls, path: str, ngram: int, common: Collection[str]) -> _Draft:
        """Reads all tasks and questions of a file.

        Raises FormatError for a record that is neither, and DataError for a file without records.
        """
        draft = cls(path, ngram, common)
        place = ""
        for place, row in read_rows(path):
            # A trajectory holds its task.
            record = row["task"] if isinstance(row.get("task"), dict) else row
            if "masks" in record:
                draft._add_task(record)
            elif "question" in record:
                draft._add_question(record)
            else:
                raise FormatError(
                    f"{place} is neither a task nor a question (it has no 'masks' and no 'question'), "
                    "so it cannot be excluded; name a corpus of gold passages in 'exclude_corpus' instead."
                )
        if not place:
            raise DataError(f"{path} has no tasks or questions to exclude.")
        return draft

    def _add_task(self, record: dict[str, Any]) -> None:
        self._add_steps(record)
        self._add_article(str(record.get("title", "")), str(record.get("doc_id", "")))
        self.add_text(str(record.get("original") or record.get("text", "")))

    def _add_steps(self, record: dict[str, Any]) -> None:
        """Adds the articles of a chained task: each of its steps has its own."""
        for step in record.get("steps") or ():
            passage = str(step.get("passage_id", ""))
            self._add_article(str(step.get("title", "")), passage.rpartition("#")[0] or passage)

    def _add_article(self, title: str, doc_id: str) -> None:
        """Adds an article by its title, or by its document's id if the title names none."""
        if names_article(title, self.common):
            self.titles.add(normal_title(title))
        elif doc_id:
            self.doc_ids.add(doc_id)

    def _add_question(self, record: dict[str, Any]) -> None:
        self._add_steps(record)
        self.titles.update(
            filter(None, (normal_title(str(title)) for title in record.get("supporting_titles") or ()))
        )
        names = [str(name) for name in record.get("supporting_passages") or ()]
        # A chained task names passages: ID#2 is the second passage of the document ID.
        self.gold.update(names, (name.rpartition("#")[0] for name in names if "#" in name))
        for text in (record["question"], *(record.get("answers") or ())):
            self.add_text(str(text))

    def add_text(self, text: str) -> None:
        """Adds the runs of a text; a text of `SHORTEST` to `ngram` - 1 words is added as one run."""
        words = _words(text)
        length = min(self.ngram, len(words))
        if length >= min(SHORTEST, self.ngram):
            self.lengths.add(length)
            for _, hashes in _runs(words, [length]):
                self.runs.frombytes(hashes.tobytes())


def _add_gold(corpus: str, drafts: Sequence[_Draft]) -> None:
    """Adds the runs of the gold passages in a corpus. Raises DataError if the corpus has none of them."""
    found = False
    for document in read_documents(corpus):
        for draft in drafts:
            if document.id in draft.gold:
                draft.add_text(document.text)
                found = True
    if not found:
        names = ", ".join(draft.path for draft in drafts)
        raise DataError(
            f"{corpus} has none of the gold passages that {names} name under 'supporting_passages'; "
            "set 'exclude_corpus' to the corpus of these questions."
        )


def _words(text: str) -> list[str]:
    """Splits a text of any language into words."""
    # Question files do not name their language, so the rules for Chinese are used; they also suit other
    # scripts.
    return loose_words(text, "zh")


def _runs(words: Sequence[str], lengths: Sequence[int]) -> list[tuple[int, Hashes]]:
    """Returns (length, hashes of all runs of that length) for each of `lengths` up to the text's length.

    The hash of a run is a polynomial in the hashes of its words, modulo 2^64. The hashes of one length are
    therefore computed from the hashes of the next shorter length.
    """
    values = np.array([crc32(word.encode()) for word in words], dtype=np.uint64) * _SPREAD  # (words,)
    values ^= values >> np.uint64(32)
    found: dict[int, Hashes] = {}
    hashes = np.zeros(len(words) + 1, dtype=np.uint64)
    factor = 1
    for length in range(1, min(max(lengths, default=0), len(words)) + 1):
        hashes = hashes[:-1] + values[length - 1 :] * np.uint64(factor)  # (words - length + 1,)
        factor = factor * _BASE % 2**64
        if length in lengths:
            found[length] = hashes ^ np.uint64(length)
    return [(length, found[length]) for length in lengths if length in found]


def _short(path: str) -> str:
    """Returns FOLDER/NAME of a path, since many files are called `questions.jsonl`."""
    return "/".join(Path(path).parts[-2:])
