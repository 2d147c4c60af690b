"""Passages on disk that are read one at a time: a JSON Lines file, where each line begins, at which row each document does, and its title.

Opening an index of a million passages costs no more than opening one of ten; the operating system keeps what is in use.
"""

from __future__ import annotations

import mmap
from array import array
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import overload

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from masksearch.corpus import normal_title
from masksearch.errors import SearchError
from masksearch.search.index.vocabulary import Vocabulary, term_hashes
from masksearch.text.neutralise import neutralise
from masksearch.types import Page, Passage

TEXTS = "passages.jsonl"
OFFSETS = "passages.offsets.npy"
DOCUMENTS = "documents.npy"
TITLES = "titles"
"""What the files are called after that say which document has a title."""
KEPT = 8192
"""Passages that stay in memory once read: a group of rollouts asks nearly the same queries, and finds the same again and again."""

Rows = npt.NDArray[np.int64]


def write_passages(directory: Path, passages: Iterable[Passage]) -> None:
    """Writes the files, one passage in memory at a time (and 8 bytes for each passage, 16 for each document).

    Offsets: int64, one more than there are passages, in bytes. Documents: int64, the first row of each document. Titles: their hashes, and the
    number of the document that each is the title of.
    """
    offsets, starts, titles = array("q", [0]), array("q"), array("Q")
    document = None
    with open(directory / TEXTS, "wb") as stream:
        for row, passage in enumerate(passages):
            if passage.doc_id != document:
                document = passage.doc_id
                starts.append(row)
                titles.append(int(_title_hash(passage.title)))
            # Defaults are left out: most passages have no links, and many no language of their own.
            offsets.append(
                offsets[-1] + stream.write(passage.model_dump_json(exclude_defaults=True).encode() + b"\n")
            )
    np.save(directory / OFFSETS, np.frombuffer(offsets, dtype=np.int64))
    np.save(directory / DOCUMENTS, np.array(starts, dtype=np.int64))
    Vocabulary.of_hashes(np.array(titles, dtype=np.uint64)).save(directory, TITLES)


def page_key(title: str) -> str:
    """What a page is opened by: titles are the same as they stand and as they are shown, whatever their case and white space."""
    return normal_title(neutralise(title))


def _title_hash(title: str) -> np.uint64:
    return np.uint64(term_hashes([page_key(title)])[0])


def document_starts(passages: Iterable[Passage]) -> Rows:
    """int64: the rows at which each document begins, that is, where `doc_id` differs from the row before."""
    starts, document = array("q"), None
    for row, passage in enumerate(passages):
        if passage.doc_id != document:
            document = passage.doc_id
            starts.append(row)
    return np.array(starts, dtype=np.int64)


def page_of(passages: Sequence[Passage]) -> Page:
    """The passages of one document, in order, as a page."""
    first = passages[0]
    return Page(
        doc_id=first.doc_id,
        title=first.title,
        text="\n".join(passage.text for passage in passages),
        language=first.language,
    )


class StoredPassages(Sequence[Passage]):
    """The passages of an index folder, memory-mapped. Safe to read from several threads."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / TEXTS
        self._offsets = np.asarray(np.load(directory / OFFSETS, mmap_mode="r"))
        with open(self._path, "rb") as stream:
            self._data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        if len(self._data) != int(self._offsets[-1]):
            raise ValueError(f"{TEXTS} and {OFFSETS} do not fit together")
        # Everything is opened at once: the folder may be replaced by another build at any time.
        self.document_starts: Rows = np.asarray(np.load(directory / DOCUMENTS, mmap_mode="r"))
        """int64: the rows at which each document begins."""
        self._titles = Vocabulary.load(directory, TITLES)
        self._passage = lru_cache(KEPT)(self._read)

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def page(self, title: str) -> Page | None:
        """The first document with a title (compared by `page_key`); None where there is none, or no title is given."""
        if not page_key(title):
            return None
        number = int(self._titles.find(term_hashes([page_key(title)]))[0])
        if number < 0:
            return None
        starts = self.document_starts
        page = page_of(
            self[int(starts[number]) : int(starts[number + 1]) if number + 1 < len(starts) else len(self)]
        )
        return page if page_key(page.title) == page_key(title) else None

    @overload
    def __getitem__(self, index: int) -> Passage: ...

    @overload
    def __getitem__(self, index: slice) -> list[Passage]: ...

    def __getitem__(self, index: int | slice) -> Passage | list[Passage]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self._passage(index)

    def _read(self, index: int) -> Passage:
        try:
            return Passage.model_validate_json(
                self._data[int(self._offsets[index]) : int(self._offsets[index + 1])]
            )
        except ValidationError as error:
            raise SearchError(f"{self._path}, line {index + 1} is damaged; build the index again.") from error
