"""Stores passages on disk and reads them one at a time.

The files are one JSON Lines file of passages, the offset of each line, the first row of each document,
and the documents' titles. All are memory-mapped: opening an index of a million passages takes no longer
than opening an index of ten.
"""

from __future__ import annotations

import json
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
from masksearch.corpus.titles import TitleCount
from masksearch.errors import SearchError
from masksearch.runtime.files import write_json
from masksearch.search.index.manifest import index_folder
from masksearch.search.index.vocabulary import Vocabulary, term_hashes
from masksearch.text.neutralise import neutralise
from masksearch.types import Page, Passage

TEXTS = "passages.jsonl"
OFFSETS = "passages.offsets.npy"
DOCUMENTS = "documents.npy"
TITLES = "titles"
"""Base name of the two files that map titles to documents."""
COMMON = "common-titles.json"
"""File with the titles that name no article, because many documents have them; without such titles, none."""
KEPT = 8192
"""Number of parsed passages kept in memory. The rollouts of a group send similar queries, so they mostly
find passages that are already in memory."""

Rows = npt.NDArray[np.int64]


def write_passages(directory: Path, passages: Iterable[Passage]) -> None:
    """Writes the files with one passage in memory at a time, plus 8 bytes per passage and 16 per document.

    Offsets: int64 (passages + 1,), in bytes. Documents: int64 (documents,), the first row of each
    document. Titles: the hash of each title and the number of its document (a `Vocabulary`).
    """
    offsets, starts, titles, count = array("q", [0]), array("q"), array("Q"), TitleCount()
    document = None
    with open(directory / TEXTS, "wb") as stream:
        for row, passage in enumerate(passages):
            if passage.doc_id != document:
                document = passage.doc_id
                starts.append(row)
                titles.append(int(_title_hash(passage.title)))
                count.add(passage.title)
            # Defaults are left out to save space: most passages have no links, and many have no language.
            line = passage.model_dump_json(exclude_defaults=True).encode() + b"\n"
            offsets.append(offsets[-1] + stream.write(line))
    np.save(directory / OFFSETS, np.frombuffer(offsets, dtype=np.int64))
    np.save(directory / DOCUMENTS, np.array(starts, dtype=np.int64))
    Vocabulary.of_hashes(np.array(titles, dtype=np.uint64)).save(directory, TITLES)
    if common := sorted(count.common()):
        write_json(directory / COMMON, common)


def common_titles(directory: str | Path) -> frozenset[str]:
    """Returns the titles of an index folder that name no article, as `normal_title` returns them.

    Empty for an index of an earlier version, and for a search that is no folder.
    """
    path = index_folder(directory) / COMMON
    return frozenset(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else frozenset()


def page_key(title: str) -> str:
    """Returns the key by which a page is opened.

    A title and its neutralised form, which models are shown, have the same key; titles that differ only in
    case and white space also share a key.
    """
    return normal_title(neutralise(title))


def _title_hash(title: str) -> np.uint64:
    return np.uint64(term_hashes([page_key(title)])[0])


def document_starts(passages: Iterable[Passage]) -> Rows:
    """Returns int64 (documents,): the rows whose `doc_id` differs from the row before."""
    starts, document = array("q"), None
    for row, passage in enumerate(passages):
        if passage.doc_id != document:
            document = passage.doc_id
            starts.append(row)
    return np.array(starts, dtype=np.int64)


def page_of(passages: Sequence[Passage]) -> Page:
    """Returns the passages of one document, in order, as a page."""
    first = passages[0]
    return Page(
        doc_id=first.doc_id,
        title=first.title,
        text="\n".join(passage.text for passage in passages),
        language=first.language,
    )


class StoredPassages(Sequence[Passage]):
    """The passages of an index folder, memory-mapped. Several threads may read them."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / TEXTS
        self._offsets = np.asarray(np.load(directory / OFFSETS, mmap_mode="r"))  # int64 (passages + 1,)
        with open(self._path, "rb") as stream:
            self._data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        if len(self._data) != int(self._offsets[-1]):
            raise ValueError(f"{TEXTS} and {OFFSETS} are inconsistent")
        # All files are opened at once and not on demand, because another build may replace the folder at
        # any time.
        self.document_starts: Rows = np.asarray(np.load(directory / DOCUMENTS, mmap_mode="r"))
        """int64 (documents,): the first row of each document."""
        self._titles = Vocabulary.load(directory, TITLES)
        self._passage = lru_cache(KEPT)(self._read)

    def close(self) -> None:
        """Closes the files, without which Windows cannot rename or remove their folder. Nothing can be read
        afterwards."""
        self._data.close()
        del self._passage, self._offsets, self.document_starts, self._titles

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def page(self, title: str) -> Page | None:
        """Returns the first document with this title (compared by `page_key`), or None.

        The empty title has no page.
        """
        if not page_key(title):
            return None
        number = int(self._titles.find(term_hashes([page_key(title)]))[0])
        if number < 0:
            return None
        starts = self.document_starts
        first = int(starts[number])
        end = int(starts[number + 1]) if number + 1 < len(starts) else len(self)
        page = page_of(self[first:end])
        # Two titles may share a hash.
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
        low, high = int(self._offsets[index]), int(self._offsets[index + 1])
        try:
            return Passage.model_validate_json(self._data[low:high])
        except ValidationError as error:
            raise SearchError(f"{self._path}, line {index + 1} is damaged; build the index again.") from error
