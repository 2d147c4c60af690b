"""Ranks the entities that the second version of the teacher may search for next, from the visible text alone.

A candidate is a name that a result contains and the task does not. The result must be linked to the task near
this name, by its title or by a name (see `linking.py`). For questions, a name in the question is a candidate
too if no result is about it. A candidate ranks higher
  - near words of the task ("directed by X" if the task asks for a director),
  - in a passage whose title the task names,
  - as a name of more than one word,
  - in an earlier result and at an earlier place,
  - in one result rather than in several.
The ranking does not use the gold answer. `Oracle.hops` records whether each search for a candidate found
evidence.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass

from masksearch.synthesis.oracle.linking import Asked, Link, Shown, find_link, near_span, stems, title_links
from masksearch.synthesis.oracle.wording import find_span
from masksearch.text.names import Name, name_words, names
from masksearch.text.words import STEM, base_title, stop_words

REACH = 8
"""Distance in words between a candidate and a word of the task at which the word no longer counts."""
NAMED, COMPARED, MENTIONED = 3.0, 5.0, 1.5
"""Scores of an entity that the question names and no result is about. COMPARED: the question compares the
entity with another one. MENTIONED: a result whose title the question names mentions the entity. NAMED: all
others."""


@dataclass(frozen=True)
class Candidate:
    """An entity with its score, and the result that names it (None if the question names it)."""

    entity: str
    score: float
    shown: Shown | None = None
    span: tuple[int, int] = (0, 0)
    """Place of the entity in the result's text, as character offsets [start, end)."""
    link: Link | None = None
    """Link between the result and the task."""


@dataclass
class HopCounts:
    """Counts how often a search for an entity found evidence, over all tasks and over the kept tasks."""

    tasks: int = 0
    """Number of tasks with at least one search for an entity."""
    first_right: int = 0
    """Number of tasks whose first search for an entity found evidence."""
    searches: int = 0
    """Number of searches for an entity, over all tasks."""
    right: int = 0
    """Number of searches for an entity that found evidence, over all tasks."""
    kept: int = 0
    """Number of kept tasks with at least one search for an entity."""
    kept_first_right: int = 0
    """Number of kept tasks whose first search for an entity found evidence."""

    def add(self, hops: Sequence[bool], kept: bool) -> None:
        """Adds one task. `hops` holds whether each search for an entity found evidence (`Oracle.hops`)."""
        if not hops:
            return
        self.tasks += 1
        self.first_right += hops[0]
        self.searches += len(hops)
        self.right += sum(hops)
        self.kept += kept
        self.kept_first_right += kept and hops[0]

    def to_json(self) -> dict[str, int]:
        """Returns the counts by name."""
        return asdict(self)


def next_entities(
    asked: Asked, results: Sequence[Shown], known: str, tried: Collection[str]
) -> list[Candidate]:
    """Returns the candidates that the results name, best first.

    Names in `known` (the text of the task) and entities in `tried` (already searched for) are left out.
    """
    visible = Asked(known, frozenset(), asked.language)
    covered = _covered(results, tried)
    found: dict[frozenset[str], Candidate] = {}
    for result in results:
        for name in names(result.text, asked.language):
            if visible.names_it(name.text) or any(_same(name, words) for words in covered):
                continue
            span = (name.start, name.end)
            link = find_link(asked, result, span)
            if link is None or not link.is_named:
                continue
            candidate = Candidate(name.text, _score(asked, result, name, results), result, span, link)
            if name.words not in found or found[name.words].score < candidate.score:
                found[name.words] = candidate
    # Drops "Grafton" if "Sue Grafton" is a candidate too: both are the same entity.
    longest = [one for words, one in found.items() if not any(words < other for other in found)]
    return sorted(longest, key=lambda candidate: -candidate.score)


def open_names(asked: Asked, results: Sequence[Shown], tried: Collection[str]) -> list[Candidate]:
    """Returns the question's entities that no result is about and no search was for, best first."""
    covered = _covered(results, tried)
    found: dict[frozenset[str], Candidate] = {}
    for name in names(asked.text.split("\n", 1)[0], asked.language):
        compared = _is_compared(asked.text, name)
        # A capitalised single word is not always a name ("Nominated for ..."), so it counts only in a
        # comparison.
        if not (name.is_long or compared):
            continue
        if any(name.words <= words or words <= name.words for words in covered):
            continue
        mentioned = any(
            find_span(result.text, name.text) and title_links(asked, result) for result in results
        )
        score = MENTIONED if mentioned else NAMED
        if compared:
            score = COMPARED
        found.setdefault(name.words, Candidate(name.text, score))
    return sorted(found.values(), key=lambda candidate: -candidate.score)


def _covered(results: Sequence[Shown], tried: Collection[str]) -> list[frozenset[str]]:
    """Returns the words of each entity that was searched for (`tried`) or that a result is about."""
    titles = [base_title(result.heading) for result in results]
    return [name_words(entity) for entity in [*tried, *titles]]


def _same(name: Name, words: frozenset[str]) -> bool:
    """Whether a name may mean the entity that has these words.

    "Anslinger" and "Harry Jacob Anslinger" may both mean "Harry J. Anslinger".
    """
    ends = name_words(name.text.split()[0]) | name_words(name.text.split()[-1])
    return name.words <= words or (len(ends) > 1 and ends <= words)


def _is_compared(text: str, name: Name) -> bool:
    """Whether a question compares a name: "or" is next to it, or "and" in a question about two entities."""
    if not text.rstrip().endswith("?"):
        return False
    neighbours = text[: name.start].split()[-1:] + text[name.end :].strip('?,"” ').split()[:1]
    about_both = re.search(
        r"(?i)^(?:are|were|was|is|do|did|does|have|had|has|which|who)\b|\b(?:both|same|common|share\w*)\b",
        text,
    )
    return "or" in neighbours or ("and" in neighbours and bool(about_both))


def _score(asked: Asked, result: Shown, name: Name, results: Sequence[Shown]) -> float:
    """Returns the score by which a name in a result is ranked (see the list at the top of this module)."""
    others = sum(name.words <= name_words(other.text) for other in results if other is not result)
    place = len(result.text[: name.start].split())
    worth = (
        1.0 * title_links(asked, result)
        + 0.5 * name.is_long
        - 0.15 * (result.number - 1)
        - 0.005 * place
        - 0.3 * others
    )
    return worth + _company(asked, result, name)


def _company(asked: Asked, result: Shown, name: Name) -> float:
    """Returns the summed weights of the task's words near a name.

    A word next to the name weighs 1; the weight falls to 0 at a distance of `REACH` words. Words of the
    passage's own title do not count, because they are related to every name in the passage.
    """
    subject = stems(base_title(result.heading), asked.language)
    if asked.language == "zh":
        return 0.5 * len((near_span(result.text, (name.start, name.end), "zh", REACH) & asked.near) - subject)
    near: dict[str, float] = {}
    for word, start, end in zip(*result.words, strict=True):
        stem = word[:STEM]
        if (
            stem not in asked.near
            or stem in subject
            or word in stop_words(asked.language)
            or name.start <= start < name.end
        ):
            continue
        apart = len(result.text[min(name.end, end) : max(name.start, start)].split())
        near[stem] = max(near.get(stem, 0.0), 1 - apart / REACH)
    return sum(near.values())
