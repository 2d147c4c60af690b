"""Is each gold answer in the corpus, and each gold article?

The passages of an index folder are read once, until everything is found. Where the search is no folder, the
gold answers and titles are searched for, and a gold that is not among the results counts as absent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from masksearch.evaluation.audit.units import Unit, gold_ids, gold_titles, shown, units
from masksearch.protocols import PageReader, Searcher
from masksearch.runtime.progress import Progress
from masksearch.scoring.metrics import normalise
from masksearch.search.index.storage import TEXTS, StoredPassages, page_key
from masksearch.text.words import loose_words
from masksearch.types import Passage, Task

EVERY = 1000
"""Number of passages between two steps of the progress."""


@dataclass
class Wanted:
    """The golds that have not been found, and what was found."""

    by_token: dict[str, list[tuple[int, int, Unit]]] = field(default_factory=dict)
    """The longest token of a gold -> (task, unit, unit's golds) of the units that may stand with it."""
    answers: set[tuple[int, int]] = field(default_factory=set)
    """(task, unit) of all answers to find."""
    names: set[str] = field(default_factory=set)
    """Ids and title keys of all articles to find."""
    found_answers: set[tuple[int, int]] = field(default_factory=set)
    found_names: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, tasks: Sequence[Task]) -> Wanted:
        """Returns the gold answers and articles of these tasks, none of them found yet."""
        wanted = cls()
        for number, task in enumerate(tasks):
            for place, unit in enumerate(units(task)):
                wanted.answers.add((number, place))
                for gold in unit.golds:
                    for tokens in (loose_words(gold, unit.language), normalise(gold, unit.language).split()):
                        if tokens:
                            row = (number, place, unit)
                            wanted.by_token.setdefault(max(tokens, key=len), []).append(row)
            wanted.names |= {*gold_ids(task), *map(page_key, gold_titles(task))}
        return wanted

    @property
    def complete(self) -> bool:
        """Whether everything has been found."""
        return self.found_answers >= self.answers and self.found_names >= self.names

    def look(self, passage: Passage) -> None:
        """Looks for what is missing in a passage."""
        names = {passage.id, passage.doc_id, page_key(passage.title)}
        self.found_names |= names & self.names
        text = shown(passage)
        tokens = {*loose_words(text, passage.language), *normalise(text, passage.language).split()}
        for token in tokens & self.by_token.keys():
            for number, place, unit in self.by_token[token]:
                if (number, place) not in self.found_answers and unit.stands_in(text):
                    self.found_answers.add((number, place))


@dataclass(frozen=True)
class Presence:
    """What the corpus holds of one task."""

    answer: bool | None
    """Whether it holds every gold answer; None where the answer is yes or no."""
    evidence: float | None
    """Share of the gold articles that it holds; None if the task names none."""

    @property
    def whole(self) -> bool:
        """Whether nothing is known to be missing."""
        return self.answer is not False and (self.evidence is None or self.evidence >= 1)


def presence(tasks: Sequence[Task], index: str, searcher: Searcher, depth: int) -> list[Presence]:
    """Returns for each task what the corpus holds. Raises SearchError if a search fails."""
    wanted = Wanted.of(tasks)
    if (Path(index) / TEXTS).is_file():
        passages = StoredPassages(Path(index))
        with Progress("audit corpus", len(passages), "passages") as progress:
            for number, passage in enumerate(passages):
                if wanted.complete:
                    break
                wanted.look(passage)
                if number % EVERY == EVERY - 1:
                    for _ in range(EVERY):
                        progress.step()
    else:
        _search(tasks, wanted, searcher, depth)
    return [_of(number, task, wanted) for number, task in enumerate(tasks)]


def _search(tasks: Sequence[Task], wanted: Wanted, searcher: Searcher, depth: int) -> None:
    queries = dict.fromkeys(
        text
        for task in tasks
        for text in (*(gold for unit in units(task) for gold in unit.golds), *gold_titles(task))
    )
    for query in queries:
        for hit in searcher.search([query], depth)[0]:
            wanted.look(hit.passage)
    if isinstance(searcher, PageReader):
        for title in dict.fromkeys(title for task in tasks for title in gold_titles(task)):
            if page_key(title) not in wanted.found_names and searcher.page(title) is not None:
                wanted.found_names.add(page_key(title))


def _of(number: int, task: Task, wanted: Wanted) -> Presence:
    places = range(len(units(task)))
    answers = [(number, place) in wanted.found_answers for place in places]
    kinds = (gold_ids(task), tuple(map(page_key, gold_titles(task))))
    shares = [_share(names, wanted.found_names) for names in kinds if names]
    return Presence(all(answers) if answers else None, max(shares) if shares else None)


def _share(names: Iterable[str], found: set[str]) -> float:
    held = [name in found for name in names]
    return sum(held) / len(held)
