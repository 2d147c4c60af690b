"""The planned teacher's turns for a masked passage in English: one mask after the other, in plain sentences.

I need the words at [mask] in "of [mask] in Catalonia.".
[1]: "town of Lleida in Catalonia. It". So the masked place is Lleida.
"""

from __future__ import annotations

from collections.abc import Iterator

from masksearch.ramp.query import alternative_queries, visible_query
from masksearch.synthesis.oracle.evidence import is_about, known_evidence
from masksearch.synthesis.oracle.planned.quoting import Found, quoted
from masksearch.synthesis.oracle.teacher import Oracle
from masksearch.synthesis.oracle.wording import LEFT, RIGHT, Place, find_spans, numbered, surroundings, turn
from masksearch.types import MaskedTask

NO_EVIDENCE = "evidence not found"
_KINDS = {
    "PERSON": "person", "GPE": "place", "LOC": "place", "FAC": "place", "DATE": "date", "YEAR": "year",
    "NUMBER": "number", "ORG": "organization", "WORK_OF_ART": "work", "EVENT": "event",
}  # fmt: skip


def masked_turns(oracle: Oracle, task: MaskedTask) -> Iterator[str]:
    """Yields the turns: searches for the first mask without evidence, quotes, and the answer."""
    places = surroundings(task.text, task.language)
    found: dict[int, Found] = {}
    asked: set[str] = set()
    thought = _needed(places, 0)
    while len(asked) < oracle.settings.max_searches:
        target = next(index for index in range(task.masks) if index not in found)
        query = _next_query(oracle, task, target, asked)
        if not query:
            break
        asked.add(query)
        yield turn(thought, "search", query)
        new = {
            index: evidence
            for index in range(task.masks)
            if index not in found and (evidence := _evidence(oracle, task, index)) is not None
        }
        found |= new
        said = " ".join(_said(task, index, evidence) for index, evidence in new.items())
        if len(found) == task.masks:
            spans = oracle.settings.answer_form == "spans"
            yield turn(said, "answer", numbered(task.answers) if spans else task.original)
            return
        target = next(index for index in range(task.masks) if index not in found)
        said = said or "No result gives it. I search again in other words."
        thought = f"{said} {_needed(places, target)}" if new else said
    oracle.gave_up = NO_EVIDENCE


def _needed(places: list[Place], index: int) -> str:
    place = places[index]
    part = f"{place.before} {place.following}".strip().replace('"', "")
    if len(places) == 1:
        return f'I need the words at [mask] in "{part}".'
    first = f"There are {len(places)} masks. " if index == 0 else ""
    return f'{first}I need mask {index + 1} in "{part}".'


def _next_query(oracle: Oracle, task: MaskedTask, index: int, asked: set[str]) -> str:
    first = visible_query(task.text, index, task.title, language=task.language)
    candidates = [first, *alternative_queries(task.text, index, task.title, language=task.language)]
    return next((query for query in candidates if query not in asked and oracle.may_ask(query)), "")


def _evidence(oracle: Oracle, task: MaskedTask, index: int) -> Found | None:
    """Returns the evidence for a mask among the results; known evidence first (see `evidence.py`)."""
    known = known_evidence(task, index)
    for result in sorted(oracle.results, key=lambda result: result.passage_id not in known):
        span = next(find_spans(result.text, task.answers[index]), None)
        if span and (result.passage_id in known or is_about(task, index, result)):
            return Found(result, result.text[slice(*span)], quoted(result, *span, LEFT, RIGHT))
    return None


def _said(task: MaskedTask, index: int, evidence: Found) -> str:
    category = task.categories[index] if index < len(task.categories) else ""
    kind = _KINDS.get(category, "part")
    number = f" {index + 1}" if task.masks > 1 else ""
    name = f"mask{number} is the {kind}" if number else f"the masked {kind} is"
    return f"{evidence.line} So {name} {evidence.value}."
