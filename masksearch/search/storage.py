"""Passages on disk that are read one at a time: a JSON Lines file, and where each line begins.

Opening an index of a million passages costs no more than opening one of ten; the operating system keeps what is in use.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import overload

import numpy as np
from pydantic import ValidationError

from masksearch.errors import SearchError
from masksearch.types import Passage

TEXTS = "passages.jsonl"
OFFSETS = "passages.offsets.npy"


def write_passages(directory: Path, passages: Iterable[Passage]) -> None:
    """Writes both files. Offsets: int64, one more than there are passages, in bytes."""
    offsets = [0]
    with open(directory / TEXTS, "wb") as stream:
        for passage in passages:
            offsets.append(offsets[-1] + stream.write(passage.model_dump_json().encode() + b"\n"))
    np.save(directory / OFFSETS, np.asarray(offsets, dtype=np.int64))


class StoredPassages(Sequence[Passage]):
    """The passages of an index folder, memory-mapped. Safe to read from several threads."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / TEXTS
        self._offsets = np.asarray(np.load(directory / OFFSETS, mmap_mode="r"))
        with open(self._path, "rb") as stream:
            self._data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        if len(self._data) != int(self._offsets[-1]):
            raise ValueError(f"{TEXTS} and {OFFSETS} do not fit together")

    def __len__(self) -> int:
        return len(self._offsets) - 1

    @overload
    def __getitem__(self, index: int) -> Passage: ...

    @overload
    def __getitem__(self, index: slice) -> list[Passage]: ...

    def __getitem__(self, index: int | slice) -> Passage | list[Passage]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        try:
            return Passage.model_validate_json(self._data[int(self._offsets[index]) : int(self._offsets[index + 1])])
        except ValidationError as error:
            raise SearchError(f"{self._path}, line {index + 1} is damaged; build the index again.") from error
