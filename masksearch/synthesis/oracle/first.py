"""The oracle teacher's first version: it quotes the span, rewords a query that failed, and goes from one supporting passage to
the next by their titles, once these are visible.
"""

from __future__ import annotations

from collections.abc import Iterator

from masksearch.ramp.query import alternative_queries, visible_query
from masksearch.synthesis.oracle.evidence import known_evidence, speaks_of
from masksearch.synthesis.oracle.teacher import Oracle, Turns
from masksearch.synthesis.oracle.wording import (
    around,
    content_words,
    find_span,
    mask_places,
    numbered,
    phrases,
    turn,
)
from masksearch.text.neutralise import neutralise
from masksearch.types import MaskedTask, Question

# -- masked texts ---------------------------------------------------------------------------------------------------


def ramp_turns(oracle: Oracle, task: MaskedTask) -> Turns:
    """Names the places of the masks, searches for each that is still open, quotes each that was found, and fills them."""
    places, words = mask_places(task.text, task.language), phrases(task.language)
    quotes: dict[int, str] = {}
    thought = "\n".join(f"{number}: {place}" for number, place in enumerate(places, 1))
    for query in _ramp_queries(oracle, task, quotes):
        yield turn(thought, "search", query)
        found = {
            index: quote
            for index in range(task.masks)
            if index not in quotes and (quote := _ramp_quote(oracle, task, index))
        }
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
            return (
                f"[{result.number}]: {around(result.text, *span, marks=('[', ']'), language=task.language)}"
            )
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
        found = {
            support: quote
            for support in needed
            if support not in quoted and (quote := _support_quote(oracle, question, support))
        }
        quoted |= found
        titles |= {
            result.title for result in oracle.results if found.keys() & {result.passage_id, result.doc_id}
        }
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
        marks: list[str] = [
            question.answers[0],
            *(title for title in question.supporting_titles if title != result.title),
        ]
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
