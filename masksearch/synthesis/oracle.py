"""The scripted (oracle) teacher: knows the gold, but must earn the evidence through the ordinary agent loop.

It is a policy like any model. It searches with visible words only, reads what really came back (as shown to a model,
cut and made harmless), quotes the evidence, and gives up where it was not found; the task is then dropped. A query that
would hold a gold word not visible by then is never sent.

Two versions. The first is in this file: it quotes the span, rewords a query that failed, and goes from one supporting passage to the next by their
titles, once they are in sight. The second (`second`) quotes why a passage is evidence as well, and follows entities without knowing where they lead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from masksearch.agent.prompts import TITLE_WORDS, task_language, task_prompt
from masksearch.llm.base import Generation, Message, Sampling, TokenRecord
from masksearch.ramp.query import alternative_queries, visible_query
from masksearch.search.neutralise import neutralise
from masksearch.search.pages import beginning
from masksearch.settings import AgentSettings
from masksearch.synthesis import second
from masksearch.synthesis.evidence import known_evidence, speaks_of
from masksearch.synthesis.linking import Shown
from masksearch.synthesis.wording import around, content_words, find_span, leaks, mask_places, numbered, phrases, turn
from masksearch.types import Hit, MaskedTask, Question, Task

Version = Literal["first", "second"]
NAMES = {"first": "oracle", "second": "oracle-2"}
"""What a trajectory calls its teacher."""

Turns = Iterator[str]
"""The teacher's turns, written as a generator: it reads `Oracle.results` after each search."""


class Oracle:
    """A policy for one task; its own only session."""

    record: TokenRecord | None = None

    def __init__(self, task: Task, settings: AgentSettings, version: Version = "first") -> None:
        self.task, self.settings, self.name = task, settings, NAMES[version]
        self.visible = self.visible_before = task_prompt(task, settings.answer_form)
        self.results: list[Shown] = []
        self.gave_up = ""
        """Why there is no answer; empty in the first version, which knows one reason."""
        self.unlinked = False
        """Whether known evidence was shown that nothing visible links to the task."""
        self.hops: list[bool] = []
        """Of each search for an entity, whether it brought what was looked for."""
        self.turns: Turns = self._plan(version)

    def _plan(self, version: Version) -> Turns:
        if isinstance(self.task, MaskedTask):
            return second.ramp_turns(self, self.task) if version == "second" else ramp_turns(self, self.task)
        return second.question_turns(self, self.task) if version == "second" else question_turns(self, self.task)

    async def open(self, messages: Sequence[Message], sampling: Sampling) -> Oracle:
        """The teacher is its own session."""
        return self

    async def generate(self, stop: Sequence[str], max_tokens: int) -> Generation:
        """The next turn; an empty one where the teacher gives up."""
        text = next(self.turns, "")
        return Generation(text, "stop" if text else "end", len(text.split()))

    async def append(self, text: str, hits: Sequence[Hit] = ()) -> int:
        """Reads results."""
        self.visible_before = self.visible
        self.visible += text
        passages, words = [hit.passage for hit in hits], self.settings.passage_words
        self.results = [
            Shown(number, passage.id, passage.doc_id, passage.title, beginning(passage.text, words), beginning(passage.title, TITLE_WORDS))
            for number, passage in enumerate(passages, 1)
        ]
        return len(text.split())

    def close(self) -> None:
        """Nothing is held."""

    def may_ask(self, query: str) -> bool:
        """Whether a query gives nothing away."""
        golds = self.task.answers
        return bool(query.strip()) and not leaks(query, golds, self.visible, task_language(self.task))


# -- masked texts ---------------------------------------------------------------------------------------------------


def ramp_turns(oracle: Oracle, task: MaskedTask) -> Turns:
    """Names the places of the masks, searches for each that is still open, quotes each that was found, and fills them."""
    places, words = mask_places(task.text, task.language), phrases(task.language)
    quotes: dict[int, str] = {}
    thought = "\n".join(f"{number}: {place}" for number, place in enumerate(places, 1))
    for query in _ramp_queries(oracle, task, quotes):
        yield turn(thought, "search", query)
        found = {index: quote for index in range(task.masks) if index not in quotes and (quote := _ramp_quote(oracle, task, index))}
        quotes |= found
        parts = [words.found.format(number=index + 1, quote=quote) for index, quote in found.items()]
        if len(quotes) == task.masks:
            answer = numbered(task.answers) if oracle.settings.answer_form == "spans" else task.original
            yield turn("\n".join(parts), "answer", answer)
            return
        still = next(index for index in range(task.masks) if index not in quotes)
        thought = "\n".join([*parts, words.open.format(number=still + 1, place=places[still])])


def _ramp_queries(oracle: Oracle, task: MaskedTask, found: dict[int, str]) -> Iterator[str]:
    """Queries for the first mask that is open, each asked once, until the searches are used up."""
    asked: set[str] = set()
    while len(asked) < oracle.settings.max_searches:
        index = next(index for index in range(task.masks) if index not in found)
        first = visible_query(task.text, index, task.title, language=task.language)
        candidates = [first, *alternative_queries(task.text, index, task.title, language=task.language)]
        query = next((query for query in candidates if query not in asked and oracle.may_ask(query)), None)
        if query is None:
            return
        asked.add(query)
        yield query


def _ramp_quote(oracle: Oracle, task: MaskedTask, index: int) -> str:
    """The evidence for a mask among the results, or "": a passage known to hold it, else one that speaks of the same thing.

    Evidence is matched by passage: the same words elsewhere may be another matter. Known are the text's own passage and, where that is
    hidden, the one that the check found in another article.
    """
    known = known_evidence(task, index)
    ordered = sorted(oracle.results, key=lambda result: result.passage_id not in known)
    for result in ordered:
        span = find_span(result.text, task.answers[index])
        if span and (result.passage_id in known or speaks_of(task, index, result)):
            return f"[{result.number}]: {around(result.text, *span, marks=('[', ']'), language=task.language)}"
    return ""


# -- questions with known supporting passages -----------------------------------------------------------------------


def question_turns(oracle: Oracle, question: Question) -> Turns:
    """Searches for the question's words, then for each supporting passage whose title has come in sight; quotes them all."""
    words = content_words(question.question)
    needed = list(question.supporting_passages)
    quoted: dict[str, str] = {}
    titles: set[str] = set()
    query, thought = " ".join(words[:14]), "I search for the words of the question."
    for _ in range(oracle.settings.max_searches):
        if not oracle.may_ask(query):
            return
        yield turn(thought, "search", query)
        found = {support: quote for support in needed if support not in quoted and (quote := _support_quote(oracle, question, support))}
        quoted |= found
        titles |= {result.title for result in oracle.results if found.keys() & {result.passage_id, result.doc_id}}
        missing = [support for support in needed if support not in quoted]
        told = " ".join(f"{quote}." for quote in found.values())
        if not missing:
            if _answered(oracle, question):
                yield turn(f"{told} So the answer is {question.answers[0]}.", "answer", question.answers[0])
            return
        title = _visible_title(oracle, question, titles)
        if title is None:
            return
        query = " ".join(dict.fromkeys([*content_words(title), *words[:4]]))
        thought = f"{told} I still need {title}.".strip()


def _support_quote(oracle: Oracle, question: Question, support: str) -> str:
    """What a supporting passage among the results tells: the words around the answer, or around the next title, or its first ones."""
    for result in oracle.results:
        if support not in (result.passage_id, result.doc_id):
            continue
        marks: list[str] = [question.answers[0], *(title for title in question.supporting_titles if title != result.title)]
        span = next((span for mark in marks if (span := find_span(result.text, _plain(mark)))), None)
        quote = around(result.text, *span, left=8, right=5) if span else " ".join(result.text.split()[:12])
        return f'[{result.number}] {_plain(result.title)}: "{quote}"'
    return ""


def _answered(oracle: Oracle, question: Question) -> bool:
    """Whether the answer can be read off what was shown (a yes or no is concluded from it)."""
    answer = question.answers[0]
    return answer.lower() in ("yes", "no") or find_span(oracle.visible, answer) is not None


def _visible_title(oracle: Oracle, question: Question, quoted: set[str]) -> str | None:
    """The first title of a supporting passage that is in sight, but neither quoted yet nor among the results."""
    shown_titles = quoted | {result.title for result in oracle.results}
    for title in question.supporting_titles:
        plain = _plain(title)
        if title not in shown_titles and find_span(oracle.visible, plain):
            return plain
    return None


def _plain(title: str) -> str:
    """A title without its bracketed qualifier, made harmless."""
    return neutralise(title).split(" (")[0]
