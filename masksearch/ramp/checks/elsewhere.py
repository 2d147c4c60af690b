"""Evidence from elsewhere: with its own article hidden, a mask must be filled from another one, and for a reason.

The same string in another passage is seldom evidence: "1970" and "Australia" stand everywhere. A result counts as evidence for a mask if

    it was retrieved    by a query of visible words, the source being hidden, and holds the answer
    it is linked        it names the task's title, or a rare entity that can be read in the task (never a date or a number), or its own title
                        can be read there; a title of one word must be rare, too
    it is to the point  two content words near the mask stand near the answer as well, or in the result's title
    it is no copy       less than NEAR_COPY of its runs of five words are the source's, and fewer than COPIED_RUN words around the answer

What is rare is a matter of the index: an entity of which one word stands in at most one of 2,500 passages, but 20 in any case, and never
more than 1,000. The bounds were set by reading results on HotpotQA's passages (52,592 of at most 60 words): where a title linked them, or the
other title named the answer, 14 of 14 were real evidence; of those linked by an entity in at most 20 passages 10 of 14, in 21 to 52 7 of 14.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import pairwise, takewhile
from typing import Final, Protocol, runtime_checkable

from masksearch.protocols import Searcher
from masksearch.ramp.checks.duplicates import shingles
from masksearch.ramp.checks.retrievable import Found, Mask, contains_span, find_evidence
from masksearch.ramp.checks.verdict import Verdict
from masksearch.text.words import STEM, base_title, loose_words, stop_words
from masksearch.types import MASK, Hit, MaskedTask, Passage, Span

TESTS: Final = ("retrieved elsewhere", "linked by a rare entity or the title", "to the point", "no near-copy")
"""In this order; a result reaches as far as it passes."""
NO_EVIDENCE = "no evidence elsewhere"
UNLINKING: Final = frozenset({"DATE", "NUMBER"})
"""Categories that link nothing: the same year is no reason."""

NEAR_COPY = 0.3
COPIED_RUN = 8
NEARBY = 10
"""Words on each side of a mask, or of the answer in a result, that count as near."""
SHARED = 2


@runtime_checkable
class CountingSearcher(Searcher, Protocol):
    """A searcher that can say how rare a word is."""

    @property
    def passages(self) -> Sequence[Passage]:
        """All that is indexed."""

    def document_frequency(self, text: str) -> int:
        """How many passages hold the rarest word of a text; 0 for an unknown one."""


def verify_elsewhere(
    tasks: Sequence[MaskedTask],
    passages: Sequence[Passage],
    spans: Sequence[Sequence[Span]],
    searcher: CountingSearcher,
    k: int,
) -> list[Verdict]:
    """Whether each mask has evidence in another article within the first `k` results of a search with visible words.

    `passages` are those the tasks were made of, `spans` all that were found in them, usable or not (offsets in the passage). `data`, for
    each mask: `ranks`, `evidence` (the passage's id), `links` (the entity or title it shares), None where there is none; and `reached`, the
    last of TESTS that a result passed, or "". `survived` has an entry for each mask and test, and one named "tried" for each mask.
    """
    hidden = [
        task if task.source_hidden else task.model_copy(update={"source_hidden": True}) for task in tasks
    ]
    judges = [
        _Judge(task, passage, found, searcher)
        for task, passage, found in zip(hidden, passages, spans, strict=True)
    ]
    reached: Counter[Mask] = Counter()

    def is_evidence(mask: Mask, hit: Hit) -> bool:
        tests = judges[mask[0]].tests_passed(mask[1], hit.passage)
        reached[mask] = max(reached[mask], tests)
        return tests == len(TESTS)

    found = find_evidence(hidden, searcher, k, is_evidence)
    return [_verdict(number, judge, found, reached) for number, judge in enumerate(judges)]


def rare_limit(passages: int) -> int:
    """How many passages a word may stand in to count as rare, in an index of so many."""
    return min(max(20, passages // 2500), 1000)


def _verdict(number: int, judge: _Judge, found: Mapping[Mask, Found], reached: Counter[Mask]) -> Verdict:
    masks = [(number, mask) for mask in range(judge.task.masks)]
    evidence = [found.get(mask) for mask in masks]
    data = {
        "ranks": [one and one.rank for one in evidence],
        "evidence": [one and one.hit.passage.id for one in evidence],
        "links": [one and judge.link(one.hit.passage) for one in evidence],
        "reached": [TESTS[reached[mask] - 1] if reached[mask] else "" for mask in masks],
    }
    categories = judge.task.categories or ("",) * judge.task.masks
    survived = [
        (category, test)
        for mask, category in zip(masks, categories, strict=True)
        for test in ("tried", *TESTS[: reached[mask]])
    ]
    return Verdict(all(evidence), data, "" if all(evidence) else NO_EVIDENCE, tuple(survived))


class _Judge:
    """Weighs results for the masks of one task."""

    def __init__(
        self, task: MaskedTask, passage: Passage, spans: Sequence[Span], searcher: CountingSearcher
    ) -> None:
        self.task, self.passage, self.spans, self.searcher = task, passage, spans, searcher
        self.answers = [loose_words(answer, task.language) for answer in task.answers]

    def tests_passed(self, mask: int, found: Passage) -> int:
        """How many of TESTS a passage passes for a mask, in their order."""
        if not contains_span(found.text, self.task.answers[mask], self.task.language):
            return 0
        if not self.link(found):
            return 1
        if not self._to_the_point(mask, found):
            return 2
        return 3 if self._is_copy(mask, found) else 4

    def link(self, found: Passage) -> str:
        """The task's title or a rare visible entity, if a passage names it, or the passage's title, if the task names that; "" if neither."""
        text = f"{found.title} | {found.text}"
        links = (link for link in self._links if contains_span(text, link, self.task.language))
        title = base_title(found.title)
        # As it is written: the article "Festival" is not what a lower-case festival is about.
        named = (
            title in self.task.text
            and contains_span(self.task.text, title, self.task.language)
            and self._says_something(title)
        )
        return next(links, title if named else "")

    @cached_property
    def _links(self) -> list[str]:
        """What a passage may name to be linked."""
        title = base_title(self.task.title)
        entities = (
            self.passage.text[span.start : span.end] for span in self.spans if span.category not in UNLINKING
        )
        visible = [
            entity
            for entity in entities
            if self._is_rare(entity) and contains_span(self.task.text, entity, self.task.language)
        ]
        return list(dict.fromkeys([title, *visible] if self._says_something(title) else visible))

    def _is_rare(self, text: str) -> bool:
        return 0 < self.searcher.document_frequency(text) <= rare_limit(len(self.searcher.passages))

    def _says_something(self, title: str) -> bool:
        """A title of one word only where it is rare: `Europe` links nothing."""
        content = [
            word
            for word in loose_words(title, self.task.language)
            if word not in stop_words(self.task.language)
        ]
        return len(content) > 1 or self._is_rare(title)

    @cached_property
    def _source_runs(self) -> frozenset[str]:
        return frozenset(shingles(self.passage.text, self.task.language))

    @cached_property
    def _sides(self) -> list[tuple[list[str], list[str]]]:
        """The words before and after each mask, in the text as it was: other masks are filled."""
        pieces = self.task.text.split(MASK)
        sides = []
        for mask in range(self.task.masks):
            before = (
                "".join(
                    piece + answer
                    for piece, answer in zip(pieces[:mask], self.task.answers[:mask], strict=True)
                )
                + pieces[mask]
            )
            after = pieces[mask + 1] + "".join(
                answer + piece
                for answer, piece in zip(self.task.answers[mask + 1 :], pieces[mask + 2 :], strict=True)
            )
            sides.append((loose_words(before, self.task.language), loose_words(after, self.task.language)))
        return sides

    def _to_the_point(self, mask: int, found: Passage) -> bool:
        """Whether enough of the visible content words near the mask, or of the title, stand near the answer or in the other title."""
        language = self.task.language
        before, after = self.task.text.split(MASK)[mask : mask + 2]
        asked = self._content(loose_words(before, language)[-NEARBY:]) | self._content(
            loose_words(after, language)[:NEARBY]
        )
        asked = (asked | self._content(loose_words(base_title(self.task.title), language))) - self._content(
            self.answers[mask]
        )
        title = self._content(loose_words(base_title(found.title), language))
        return any(
            len(asked & (title | self._content(left[-NEARBY:]) | self._content(right[:NEARBY]))) >= SHARED
            for left, right in self._places(mask, found)
        )

    def _is_copy(self, mask: int, found: Passage) -> bool:
        """Whether a passage repeats the source, as a whole or around the answer."""
        runs = frozenset(shingles(found.text, self.task.language))
        if len(runs & self._source_runs) >= NEAR_COPY * min(len(runs), len(self._source_runs)):
            return True
        before, after = self._sides[mask]
        return any(
            _common(reversed(left), reversed(before)) + _common(right, after) >= COPIED_RUN
            for left, right in self._places(mask, found)
        )

    def _places(self, mask: int, found: Passage) -> Iterator[tuple[list[str], list[str]]]:
        """The words before and after each place where the answer stands."""
        words, answer = loose_words(found.text, self.task.language), self.answers[mask]
        for place in range(len(words) - len(answer) + 1):
            if words[place : place + len(answer)] == answer:
                yield words[:place], words[place + len(answer) :]

    def _content(self, words: Sequence[str]) -> set[str]:
        """Content words by their first letters; in Chinese, where each character is a word, pairs of neighbours."""
        silent = stop_words(self.task.language)
        if self.task.language == "zh":
            return {
                first + second
                for first, second in pairwise(words)
                if first not in silent and second not in silent
            }
        return {word[:STEM] for word in words if len(word) > 1 and word not in silent}


def _common(first: Iterable[str], second: Iterable[str]) -> int:
    """How many words two texts begin with alike."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))
