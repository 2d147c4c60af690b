"""The first version of the scripted teacher.

For a masked text, it quotes the text around the answer, and rewords a query that found no evidence. For a
question, it searches for the title of each supporting passage as soon as this title is visible.
"""

from __future__ import annotations

from collections.abc import Iterator

from masksearch.ramp.query import alternative_queries, visible_query
from masksearch.synthesis.oracle.evidence import is_about, known_evidence
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

# -- masked texts -----------------------------------------------------------------------------------


def ramp_turns(oracle: Oracle, task: MaskedTask) -> Turns:
    """Yields the turns for a masked text.

    The teacher first names the places of the masks. Then it searches for the first mask without evidence, and
    quotes the evidence that the search found for any mask. It answers once all masks have evidence.
    """
    places, words = mask_places(task.text, task.language), phrases(task.language)
    quotes: dict[int, str] = {}  # index of the mask (from 0) -> quote of its evidence
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
        open_mask = next(index for index in range(task.masks) if index not in quotes)
        thought = "\n".join([*parts, words.open.format(number=open_mask + 1, place=places[open_mask])])


def _ramp_queries(oracle: Oracle, task: MaskedTask, found: dict[int, str]) -> Iterator[str]:
    """Yields at most `max_searches` different queries, each for the first mask without evidence.

    `found` is the caller's dictionary of quotes by mask. The caller adds to it between two queries.
    """
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
    """Returns the quoted evidence for a mask among the results, or an empty string.

    Known evidence is tried first, then other results that hold the words next to the mask (see
    `evidence.py`).
    """
    known = known_evidence(task, index)
    ordered = sorted(oracle.results, key=lambda result: result.passage_id not in known)
    for result in ordered:
        span = find_span(result.text, task.answers[index])
        if span and (result.passage_id in known or is_about(task, index, result)):
            quote = around(result.text, *span, marks=("[", "]"), language=task.language)
            return f"[{result.number}]: {quote}"
    return ""


# -- questions with known supporting passages -------------------------------------------------------


def question_turns(oracle: Oracle, question: Question) -> Turns:
    """Yields the turns for a question.

    The teacher searches for the question's words, then for the titles of supporting passages that have become
    visible. It answers once it has quoted all supporting passages and the answer is visible.
    """
    words = content_words(question.question)
    needed = list(question.supporting_passages)
    quoted: dict[str, str] = {}  # id of a supporting passage or its article -> quote from it
    titles: set[str] = set()  # titles of the quoted passages
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
        new_quotes = " ".join(f"{quote}." for quote in found.values())
        if not missing:
            if _answered(oracle, question):
                thought = f"{new_quotes} So the answer is {question.answers[0]}."
                yield turn(thought, "answer", question.answers[0])
            return
        title = _visible_title(oracle, question, titles)
        if title is None:
            return
        query = " ".join(dict.fromkeys([*content_words(title), *words[:4]]))
        thought = f"{new_quotes} I still need {title}.".strip()


def _support_quote(oracle: Oracle, question: Question, support: str) -> str:
    """Returns the quote of a supporting passage among the results, or an empty string.

    The quote is the words around the answer. Without the answer it is the words around the title of another
    supporting passage, and without such a title the first words of the passage.
    """
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
    """Whether the visible text holds the answer. The answers yes and no need not appear in it."""
    answer = question.answers[0]
    return answer.lower() in ("yes", "no") or find_span(oracle.visible, answer) is not None


def _visible_title(oracle: Oracle, question: Question, quoted: set[str]) -> str | None:
    """Returns the first supporting title that is visible, but neither quoted nor among the results."""
    shown_titles = quoted | {result.title for result in oracle.results}
    for title in question.supporting_titles:
        plain = _plain(title)
        if title not in shown_titles and find_span(oracle.visible, plain):
            return plain
    return None


def _plain(title: str) -> str:
    """Returns a title, neutralised and without its qualifier in parentheses ("Mercury (planet)")."""
    return neutralise(title).split(" (")[0]
