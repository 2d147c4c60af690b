"""Finds the titles that say nothing about a document, because many documents have them.

A title that covers more than `COMMON` of the documents, and at least `LEAST`, such as "Untitled" or the
name of a manual, is no name of an article. It is counted while the documents are read, with a bounded number
of counters (Misra and Gries): a title is counted too low by at most one in `COUNTERS` documents.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

COMMON: Final = 0.05
"""Share of the documents above which a title names none of them."""
LEAST: Final = 3
"""Number of documents from which a title can be common: two articles of a few may have the same one."""
COUNTERS: Final = 10_000
UNTITLED: Final = frozenset(("", "untitled", "untitled document", "no title"))
"""Titles of documents without a title, as `normal_title` returns them."""


def normal_title(title: str) -> str:
    """Returns a title in lower case, without surplus white space: `" Alan  TURING"` -> `"alan turing"`."""
    return " ".join(title.casefold().split())


class TitleCount:
    """Counts the titles of a corpus."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._shown: dict[str, str] = {}
        self._documents = 0

    def add(self, title: str) -> None:
        """Counts the title of one document."""
        self._documents += 1
        counts = self._counts
        counts[title] = counts.get(title, 0) + 1
        if len(counts) > COUNTERS:
            self._counts = {name: count - 1 for name, count in counts.items() if count > 1}

    def common(self) -> dict[str, int]:
        """Returns the titles that cover more than `COMMON` of the documents, with their numbers, the most
        frequent first."""
        counts: Counter[str] = Counter()
        self._shown = {}
        for title, count in self._counts.items():
            counts[normal_title(title)] += count
            self._shown.setdefault(normal_title(title), title)
        least = COMMON * self._documents
        return {title: count for title, count in counts.most_common() if count > least and count >= LEAST}

    def warnings(self) -> Iterator[str]:
        """Yields a sentence for each title that covers too many documents."""
        for title, count in self.common().items():
            name = f"the title '{self._shown[title].strip()}'" if title else "no title"
            yield (
                f"{count:,} of {self._documents:,} documents have {name}; they are divided into training and "
                "held-out ones by their ids"
            )
