"""Which entity to search for next, judged by nothing but what has been shown.

A candidate is a name that stands in a result and was not known before; in a question, also one that the question names and no result is about.
It ranks higher the nearer it stands to words that the task asks with ("directed by X" where a director is asked for), in a passage that is linked
to the task, by its title best, as a name of more than one word, in an earlier result and an earlier place, and in one result rather than in all.
What the right answer is plays no part: whether the first candidate was right is counted, not arranged (`Oracle.hops`).
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
"""Words away from a candidate at which a word of the task counts no more."""
NAMED, COMPARED, TOLD = 3.0, 5.0, 1.5
"""What an entity is worth that the question names and no result is about: as a rule; as one of two that it sets side by side; where a result that is
linked to the question tells of it already."""


@dataclass(frozen=True)
class Candidate:
    """An entity, and the result it was read in; without one, the question names it."""

    entity: str
    score: float
    shown: Shown | None = None
    span: tuple[int, int] = (0, 0)
    link: Link | None = None


@dataclass
class HopCounts:
    """How often the entity that was searched for brought what was looked for: all tasks, dropped ones included, and those kept."""

    tasks: int = 0
    """Tasks in which an entity was searched for."""
    first_right: int = 0
    """Those in which the first one was right."""
    searches: int = 0
    right: int = 0
    kept: int = 0
    kept_first_right: int = 0

    def add(self, hops: Sequence[bool], kept: bool) -> None:
        """Counts one task: of each search for an entity, whether it was right (`Oracle.hops`)."""
        if not hops:
            return
        self.tasks += 1
        self.first_right += hops[0]
        self.searches += len(hops)
        self.right += sum(hops)
        self.kept += kept
        self.kept_first_right += kept and hops[0]

    def to_json(self) -> dict[str, int]:
        """The counts by their names."""
        return asdict(self)


def next_entities(
    asked: Asked, results: Sequence[Shown], known: str, tried: Collection[str]
) -> list[Candidate]:
    """Candidates, the best first. `known` is the text the task showed, `tried` the entities that were searched for."""
    over = [name_words(one) for one in [*tried, *(base_title(result.heading) for result in results)]]
    found: dict[frozenset[str], Candidate] = {}
    for result in results:
        for name in names(result.text, asked.language):
            new = not Asked(known, frozenset(), asked.language).names_it(name.text) and not any(
                _same(name, words) for words in over
            )
            link = find_link(asked, result, (name.start, name.end)) if new else None
            if link is None or not link.is_named:
                continue
            candidate = Candidate(
                name.text, _score(asked, result, name, results), result, (name.start, name.end), link
            )
            if name.words not in found or found[name.words].score < candidate.score:
                found[name.words] = candidate
    # "Grafton" is "Sue Grafton", where both were read.
    longest = [one for words, one in found.items() if not any(words < other for other in found)]
    return sorted(longest, key=lambda candidate: -candidate.score)


def open_names(asked: Asked, results: Sequence[Shown], tried: Collection[str]) -> list[Candidate]:
    """Entities a task names that no result so far is about, and that were not searched for."""
    over = [name_words(one) for one in [*tried, *(base_title(result.heading) for result in results)]]
    found: dict[frozenset[str], Candidate] = {}
    for name in names(asked.text.split("\n", 1)[0], asked.language):
        # "Nominated" in "Nominated for" is no more a name in a question than elsewhere: a lone word counts where two are set side by side.
        compared = _is_compared(asked.text, name)
        if any(name.words <= words or words <= name.words for words in over) or not (
            name.is_long or compared
        ):
            continue
        told = any(find_span(result.text, name.text) and title_links(asked, result) for result in results)
        found.setdefault(name.words, Candidate(name.text, COMPARED if compared else TOLD if told else NAMED))
    return sorted(found.values(), key=lambda candidate: -candidate.score)


def _same(name: Name, words: frozenset[str]) -> bool:
    """Whether a name may stand for what has these words: "Anslinger" and "Harry Jacob Anslinger" for "Harry J. Anslinger"."""
    ends = name_words(name.text.split()[0]) | name_words(name.text.split()[-1])
    return name.words <= words or (len(ends) > 1 and ends <= words)


def _is_compared(text: str, name: Name) -> bool:
    """Whether a name stands beside "or", or beside "and" in a question that asks of both."""
    beside = (
        (text[: name.start].split()[-1:] + text[name.end :].strip('?,"” ').split()[:1])
        if text.rstrip().endswith("?")
        else []
    )
    both = re.search(
        r"(?i)^(?:are|were|was|is|do|did|does|have|had|has|which|who)\b|\b(?:both|same|common|share\w*)\b",
        text,
    )
    return "or" in beside or ("and" in beside and bool(both))


def _score(asked: Asked, result: Shown, name: Name, results: Sequence[Shown]) -> float:
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
    """What the words of the task that stand near a name are worth together; those of the passage's own title say nothing."""
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
