"""The check `elsewhere`: each mask needs evidence in an article other than the source of the task.

It replaces the check `retrievable` for tasks with a hidden source (`hide_source`). A passage that merely
contains the answer is seldom evidence: "1970" and "Australia" occur everywhere. A search result counts as
evidence for a mask if it passes four tests:

    retrieved     A query of visible words finds it with the source hidden, and it contains the answer.
    linked        The result names the task's title, or a rare entity that is visible in the task (never a
                  date or a number); or the task names the result's title. A title of one word must be rare.
    to the point  Two content words near the mask also occur near the answer in the result, or in the
                  result's title.
    no near-copy  The result shares less than NEAR_COPY of its runs of five words with the source, and fewer
                  than COPIED_RUN words in a row around the answer.

An entity is rare if its rarest word occurs in at most one of 2,500 passages of the index; this limit is at
least 20 and at most 1,000 passages. To set the limits, we read search results for tasks from HotpotQA's
passages (52,592 of at most 60 words) and judged whether each result is real evidence. It was real evidence

    in 14 of 14 results that are linked by a title, or whose title names the answer
    in 10 of 14 results that are linked by an entity in at most 20 passages
    in  7 of 14 results that are linked by an entity in 21 to 52 passages
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
"""The tests in the order in which they run; the first failed test ends the tests of a result."""
NO_EVIDENCE = "no evidence elsewhere"
UNLINKING: Final = frozenset({"DATE", "NUMBER"})
"""Categories that never link a result to a task: a shared year is not a relation."""

NEAR_COPY = 0.3
"""A result is a copy if it shares at least this fraction of its runs of five words with the source. If the
source has fewer runs than the result, the fraction is taken of the source's runs."""
COPIED_RUN = 8
"""A result is a copy if it shares at least this many words in a row, around the answer, with the source."""
NEARBY = 10
"""Number of words on each side of a mask, or of the answer in a result, that count as near."""
SHARED = 2
"""Minimum number of content words that occur both near the mask and near the answer."""


@runtime_checkable
class CountingSearcher(Searcher, Protocol):
    """A searcher that also counts the passages in which a word occurs."""

    @property
    def passages(self) -> Sequence[Passage]:
        """All indexed passages."""

    def document_frequency(self, text: str) -> int:
        """Returns the number of passages that contain the rarest word of `text`, or 0."""


def verify_elsewhere(
    tasks: Sequence[MaskedTask],
    passages: Sequence[Passage],
    spans: Sequence[Sequence[Span]],
    searcher: CountingSearcher,
    k: int,
) -> list[Verdict]:
    """Checks each mask for evidence in another article among the first `k` results; one verdict per task.

    `passages` are the sources of the tasks. `spans` are all spans found in each source, masked or not
    (offsets in the passage).

    The verdict's `data` has four lists with one entry per mask. `ranks`, `evidence` (the id of the passage
    that is the evidence) and `links` (the shared entity or title) hold None for a mask without evidence.
    `reached` holds the last of TESTS that any result passed, or an empty string. The verdict's `survived`
    has one entry for each mask and test that a result passed, and one entry "tried" for each mask.
    """
    hidden = [
        task if task.source_hidden else task.model_copy(update={"source_hidden": True}) for task in tasks
    ]
    judges = [
        _Judge(task, passage, task_spans, searcher)
        for task, passage, task_spans in zip(hidden, passages, spans, strict=True)
    ]
    reached: Counter[Mask] = Counter()

    def is_evidence(mask: Mask, hit: Hit) -> bool:
        tests = judges[mask[0]].tests_passed(mask[1], hit.passage)
        reached[mask] = max(reached[mask], tests)
        return tests == len(TESTS)

    found = find_evidence(hidden, searcher, k, is_evidence)
    return [_verdict(number, judge, found, reached) for number, judge in enumerate(judges)]


def rare_limit(passages: int) -> int:
    """Returns the largest number of passages in which a rare word may occur, for an index of `passages`."""
    return min(max(20, passages // 2500), 1000)


def _verdict(number: int, judge: _Judge, found: Mapping[Mask, Found], reached: Counter[Mask]) -> Verdict:
    """Returns the verdict on task `number` of the batch."""
    masks = [(number, mask) for mask in range(judge.task.masks)]
    evidence = [found.get(mask) for mask in masks]
    data = {
        "ranks": [item.rank if item else None for item in evidence],
        "evidence": [item.hit.passage.id if item else None for item in evidence],
        "links": [judge.link(item.hit.passage) if item else None for item in evidence],
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
    """Judges results as evidence for the masks of one task."""

    def __init__(
        self, task: MaskedTask, passage: Passage, spans: Sequence[Span], searcher: CountingSearcher
    ) -> None:
        self.task, self.passage, self.spans, self.searcher = task, passage, spans, searcher
        self.answers = [loose_words(answer, task.language) for answer in task.answers]

    def tests_passed(self, mask: int, found: Passage) -> int:
        """Returns how many of the four TESTS a passage passes for a mask before it fails one."""
        if not contains_span(found.text, self.task.answers[mask], self.task.language):
            return 0
        if not self.link(found):
            return 1
        if not self._to_the_point(mask, found):
            return 2
        return 3 if self._is_copy(mask, found) else 4

    def link(self, found: Passage) -> str:
        """Returns the name that links a passage to the task, or an empty string without a link.

        The link is the task's title or a rare visible entity of the task, if the passage names it.
        Otherwise it is the passage's title, if the task names it.
        """
        text = f"{found.title} | {found.text}"
        links = (link for link in self._links if contains_span(text, link, self.task.language))
        title = base_title(found.title)
        # `contains_span` ignores case. `in` does not: a task about a "festival" does not name "Festival".
        named = (
            title in self.task.text
            and contains_span(self.task.text, title, self.task.language)
            and self._can_link(title)
        )
        return next(links, title if named else "")

    @cached_property
    def _links(self) -> list[str]:
        """Returns the task's title and its rare visible entities, which link a passage to the task."""
        title = base_title(self.task.title)
        entities = (
            self.passage.text[span.start : span.end] for span in self.spans if span.category not in UNLINKING
        )
        visible = [
            entity
            for entity in entities
            if self._is_rare(entity) and contains_span(self.task.text, entity, self.task.language)
        ]
        return list(dict.fromkeys([title, *visible] if self._can_link(title) else visible))

    def _is_rare(self, text: str) -> bool:
        return 0 < self.searcher.document_frequency(text) <= rare_limit(len(self.searcher.passages))

    def _can_link(self, title: str) -> bool:
        """Whether a title is specific enough for a link: several content words, or one rare word."""
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
        """Returns, for each mask, the text's words before and after it, with all other masks filled in."""
        pieces = self.task.text.split(MASK)
        sides = []
        for mask in range(self.task.masks):
            before, after = pieces[0], pieces[mask + 1]
            for answer, piece in zip(self.task.answers[:mask], pieces[1 : mask + 1], strict=True):
                before += answer + piece
            for answer, piece in zip(self.task.answers[mask + 1 :], pieces[mask + 2 :], strict=True):
                after += answer + piece
            sides.append((loose_words(before, self.task.language), loose_words(after, self.task.language)))
        return sides

    def _to_the_point(self, mask: int, found: Passage) -> bool:
        """Whether a passage passes the test `to the point` for a mask.

        Two sets of content words are compared. The first set is near the mask or in the
        task's title. The second set is near the answer in the passage, or in the passage's title. The two
        sets must share at least SHARED words.
        """
        language = self.task.language
        before, after = self.task.text.split(MASK)[mask : mask + 2]
        wanted = self._content(loose_words(before, language)[-NEARBY:])
        wanted |= self._content(loose_words(after, language)[:NEARBY])
        wanted |= self._content(loose_words(base_title(self.task.title), language))
        wanted -= self._content(self.answers[mask])
        title = self._content(loose_words(base_title(found.title), language))
        for left, right in self._places(mask, found):
            near = title | self._content(left[-NEARBY:]) | self._content(right[:NEARBY])
            if len(wanted & near) >= SHARED:
                return True
        return False

    def _is_copy(self, mask: int, found: Passage) -> bool:
        """Whether a passage copies the source, as a whole or around the answer (`COPIED_RUN`)."""
        runs = frozenset(shingles(found.text, self.task.language))
        if len(runs & self._source_runs) >= NEAR_COPY * min(len(runs), len(self._source_runs)):
            return True
        before, after = self._sides[mask]
        return any(
            _common(reversed(left), reversed(before)) + _common(right, after) >= COPIED_RUN
            for left, right in self._places(mask, found)
        )

    def _places(self, mask: int, found: Passage) -> Iterator[tuple[list[str], list[str]]]:
        """Yields, for each occurrence of the answer in a passage, the words before it and after it."""
        words, answer = loose_words(found.text, self.task.language), self.answers[mask]
        for place in range(len(words) - len(answer) + 1):
            if words[place : place + len(answer)] == answer:
                yield words[:place], words[place + len(answer) :]

    def _content(self, words: Sequence[str]) -> set[str]:
        """Returns the first `STEM` letters of each content word; in Chinese, adjacent character pairs."""
        stops = stop_words(self.task.language)
        if self.task.language == "zh":
            return {
                first + second
                for first, second in pairwise(words)
                if first not in stops and second not in stops
            }
        return {word[:STEM] for word in words if len(word) > 1 and word not in stops}


def _common(first: Iterable[str], second: Iterable[str]) -> int:
    """Returns the length of the common prefix of two sequences of words."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))
