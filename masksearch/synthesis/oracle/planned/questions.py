"""The planned teacher's turns for a question with labelled supporting passages, and no recorded steps.

The order of the steps follows from the text alone: a supporting article is looked up once its title is
visible, those that the question names first, and after each of them the one that its passage names. What
is needed of two compared articles is read off the words of the question.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from masksearch.ramp.chains.book.dates import sortable
from masksearch.ramp.chains.reading.life import DATE_PATTERN
from masksearch.synthesis.oracle.linking import Shown
from masksearch.synthesis.oracle.planned.quoting import Found, definition_of, find_value, quoted
from masksearch.synthesis.oracle.planned.sayings import a_kind, asked_kind, compared, side_by_side
from masksearch.synthesis.oracle.teacher import Oracle
from masksearch.synthesis.oracle.wording import content_words, find_span, turn
from masksearch.text.neutralise import neutralise
from masksearch.text.words import base_title
from masksearch.types import Question

NO_TITLE = "no supporting article to search for next"
NO_SUPPORT = "a supporting passage was not found"
NO_ANSWER = "answer not in the evidence"
_NEEDS = (
    (r"nationalit|same country|from the same|both (?:american|british|french|german|italian)", "nationality"),
    (r"\b(?:older|younger|born|age)\b", "date of birth"),
    (r"\b(?:die|died|dead|lived longer)\b", "date of death"),
    (r"\b(?:occupation|profession|career|job)s?\b", "occupation"),
    (r"\b(?:founded|established|formed|started|opened|incorporated)\b", "year of foundation"),
    (r"\b(?:released?|came out|published|premiered|aired)\b", "year of release"),
    (r"\b(?:located|based|headquarter\w*|city|state|country)\b", "location"),
    (r"^(?:are|were|is|was)\b.*\b(?:both|all)\b", "kind"),
)
_DATED = ("date of birth", "date of death", "year of foundation", "year of release")
_ADJECTIVE = re.compile(
    r"\b(?:an?|the|former|retired|late)\s+"
    r"((?:[A-Z][a-z]+-)?[A-Z][a-z]+(?:ish|ese|ian|ean|an|ic|ench|utch|elsh|reek|wiss|hai))\b"
)
_NO_NATIONALITY = frozenset(["Jewish", "Catholic", "Christian", "Persian", "Italian-language"])
_YEAR = re.compile(r"\b(?:1[0-9]|20)\d\d\b")


def question_turns(oracle: Oracle, question: Question) -> Iterator[str]:
    """Yields the turns: one search for each supporting article, and the conclusion."""
    lookup = _Lookup(oracle, question)
    thought = lookup.plan()
    for _ in range(oracle.settings.max_searches):
        query, title = lookup.next_query()
        if not query or not oracle.may_ask(query):
            oracle.gave_up = NO_TITLE
            return
        yield turn(thought, "search", query)
        said = lookup.read(title)
        if lookup.missing:
            thought = lookup.next_thought(said)
            if not thought:
                oracle.gave_up = NO_SUPPORT
                return
            continue
        conclusion = lookup.conclusion()
        if not conclusion:
            oracle.gave_up = NO_ANSWER
            return
        yield turn(f"{said} {conclusion}".strip(), "answer", question.answers[0])
        return
    oracle.gave_up = NO_SUPPORT


class _Lookup:
    """The supporting passages that are found so far, and what they say."""

    def __init__(self, oracle: Oracle, question: Question) -> None:
        self.oracle, self.question = oracle, question
        self.missing = list(question.supporting_passages or question.supporting_titles)
        self.titles = {title: _plain(title) for title in question.supporting_titles}
        self.named = _in_order(question.question, list(self.titles.values()))
        """The supporting titles that the question names, in the order in which it does."""
        self.tried: list[str] = []
        self.newest = ""
        """Text of the supporting passage that was found last."""
        self.values: dict[str, str] = {}
        """Title -> what a comparison needs of it."""
        self.need = _need(question) if len(self.named) > 1 else ""

    def plan(self) -> str:
        """Returns the first thought."""
        if self.need:
            return f"I need the {self.need} of {self.named[0]} and of {self.named[1]}. First {self.named[0]}."
        if self.named:
            kind = asked_kind(self.question.question)
            return f"The question asks for {a_kind(kind)}. First {self.named[0]}." if kind else (
                f"I look up {self.named[0]} first.")  # fmt: skip
        return "The question names no article. I search for its words."

    def next_query(self) -> tuple[str, str]:
        """Returns the next query, and the title that it looks for (empty: the words of the question)."""
        title = self._next_title()
        if title:
            self.tried.append(title)
            extra = self.need if self.need in ("nationality",) else ""
            return f"{title} {extra}".strip(), title
        words = " ".join(content_words(self.question.question)[:14])
        if words in self.tried:
            return "", ""
        self.tried.append(words)
        return words, ""

    def _next_title(self) -> str:
        """Returns a visible supporting title that was not searched for: of the newest passage first."""
        left = [name for name in self.titles.values() if name not in self.tried]
        for text in (self.newest, self.question.question, self.oracle.visible):
            for name in _in_order(text, left):
                return name
        return ""

    def read(self, title: str) -> str:
        """Notes the supporting passages among the results; returns what they say."""
        parts = []
        for result in self.oracle.results:
            support = next(
                (s for s in self.missing if s in (result.passage_id, result.doc_id, result.title)), ""
            )
            if support:
                self.missing.remove(support)
                self.newest = result.text
                parts.append(self._said(result))
        return " ".join(parts)

    def _said(self, result: Shown) -> str:
        """Returns the quote of a supporting passage, and what it says of its article."""
        name = _plain(result.title)
        if self.need and (found := _needed_value(self.need, result)):
            self.values[name] = found.value
            return f"The {self.need} of {name}? {found.line} So the {self.need} of {name} is {found.value}."
        for value in (*self.question.answers[:1], *self._further()):
            if found := find_value([result], value, lambda _: True):
                return found.line
        return f'[{result.number}]: "{definition_of(result)}".'

    def _further(self) -> list[str]:
        return [name for name in self.titles.values() if name not in self.tried]

    def next_thought(self, said: str) -> str:
        """Returns the thought before the next search; empty if no search is left."""
        title = self._next_title()
        words = " ".join(content_words(self.question.question)[:14])
        if title:
            return f"{said or 'The results do not give it.'} Next {title}."
        return f"{said} I search for the words of the question.".strip() if words not in self.tried else ""

    def conclusion(self) -> str:
        """Returns the last sentences; empty if the answer is not visible."""
        answer = self.question.answers[0]
        if said := self._comparison(answer):
            return f"{said} So the answer is {answer}."
        if answer.lower() in ("yes", "no"):
            return f"So the answer is {answer}."
        if find_span(self.oracle.visible, answer) is None:
            return ""
        kind = asked_kind(self.question.question)
        return f"The question asks for {a_kind(kind)}: {answer}." if kind else f"So the answer is {answer}."

    def _comparison(self, answer: str) -> str:
        """Returns the comparison of the two values as a sentence; empty if it does not lead to the answer."""
        if len(self.named) < 2 or not all(name in self.values for name in self.named[:2]):
            return ""
        a, b = (self.values[name] for name in self.named[:2])
        if answer.lower() in ("yes", "no"):
            agrees = (a.casefold() == b.casefold()) == (answer.lower() == "yes")
            said = compared("same", a, b, answer.lower(), True)
            return f"{self._side_by_side()} {said}" if agrees else ""
        x, y = sortable(a), sortable(b)
        if self.need not in _DATED or not x or not y:
            return ""
        later = bool(
            re.search(r"later|younger|most recent|newer|last", self.question.question, re.IGNORECASE)
        )
        first = _plain(answer).casefold() in self.named[0].casefold()
        shared = min(len(x), len(y))
        if x[:shared] == y[:shared] or ((x[:shared] < y[:shared]) != later) != first:
            return ""
        said = compared("after" if later else "before", a, b, answer, first)
        return f"{self._side_by_side()} {said}"

    def _side_by_side(self) -> str:
        one, two = self.named[:2]
        return side_by_side(one, self.values[one], two, self.values[two])


def _need(question: Question) -> str:
    """Returns what a question needs of the two articles that it names; empty if its words do not say."""
    text = question.question
    if not re.search(r"\bor\b|\bboth\b|\bsame\b|\band\b", text):
        return ""
    return next((need for pattern, need in _NEEDS if re.search(pattern, text, re.IGNORECASE)), "")


def _needed_value(need: str, result: Shown) -> Found | None:
    """Returns the place in a passage that gives what a comparison needs; None if no pattern finds it."""
    text = result.text
    match: re.Match[str] | None = None
    group = 0
    if need == "nationality":
        adjectives = (one for one in _ADJECTIVE.finditer(text) if one[1] not in _NO_NATIONALITY)
        match, group = next(adjectives, None), 1
    elif need == "date of birth":
        match = re.search(DATE_PATTERN, text)
    elif need == "date of death":
        dates = list(re.finditer(DATE_PATTERN, text))
        match = dates[1] if len(dates) > 1 else None
    elif need in _DATED:
        match = _YEAR.search(text)
    if match is None:
        return None
    start, end = match.span(group)
    return Found(result, text[start:end], quoted(result, start, end))


def _in_order(text: str, names: Sequence[str]) -> list[str]:
    """Returns the names that a text holds, in the order of their places."""
    places = [(span[0], name) for name in names if (span := find_span(text, name))]
    return [name for _, name in sorted(places)]


def _plain(title: str) -> str:
    return base_title(neutralise(title))
