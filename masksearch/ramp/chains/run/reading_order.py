"""The order in which a run with a limit reads the documents: each is followed by those that it names.

A random sample of a corpus hardly holds two articles of which one names the other. So a document is drawn at
random, then come the documents that its links or its text name, and so on.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from masksearch.ramp.chains.book.articles import plain_title
from masksearch.ramp.chains.reading.reader import PASSAGES
from masksearch.ramp.run.plan import Plan

PER_TASK = 12
"""Number of documents that are read for each task of the limit."""
LEAST = 3000
"""Minimum number of documents that are read."""
LONGEST_TITLE = 8
"""Titles of more words are not looked for in texts."""
FOLLOWED = 4
"""Number of named documents that follow a document."""
_WORD = re.compile(r"[^\W_]+(?:['’.-][^\W_]+)*")


def linked_order(plan: Plan, shuffled: npt.NDArray[np.int64], most: int) -> npt.NDArray[np.int64]:
    """Returns the numbers of at most `most` documents, in the order in which they are read.

    `shuffled` is a random order of all documents of the plan.
    """
    titles = _Titles(plan)
    taken: dict[int, None] = {}
    for start in shuffled:
        queue = [int(start)]
        while queue and len(taken) < most:
            document = queue.pop()
            if document not in taken:
                taken[document] = None
                named = [other for other in titles.named_by(document) if other not in taken]
                queue += named[:FOLLOWED]
        if len(taken) >= most:
            break
    return np.fromiter(taken, dtype=np.int64, count=len(taken))


class _Titles:
    """The titles of a corpus, and which documents name which."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._by_title: dict[str, int] = {}
        self._by_word: dict[str, list[tuple[tuple[str, ...], int]]] = defaultdict(list)
        starts = plan.passages.document_starts
        for document in range(len(starts)):
            title = plan.passages[int(starts[document])].title
            self._by_title.setdefault(title, document)
            words = tuple(_WORD.findall(plain_title(title)))
            if 1 < len(words) <= LONGEST_TITLE or (words and len(words[0]) > 5):
                self._by_word[words[0]].append((words, document))

    def named_by(self, document: int) -> Iterator[int]:
        """Yields the documents whose titles the first passages of a document link to or hold, in order."""
        for passage in self._plan.source(document).passages[:PASSAGES]:
            for _, _, target in passage.links:
                if target in self._by_title:
                    yield self._by_title[target]
            words = _WORD.findall(passage.text)
            for place, word in enumerate(words):
                for title, other in self._by_word.get(word, ()):
                    if other != document and tuple(words[place : place + len(title)]) == title:
                        yield other
