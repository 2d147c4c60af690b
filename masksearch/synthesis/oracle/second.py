"""The oracle teacher's second version: quotes that carry their link, and hops to entities that a result has named.

    1: [mask] accepted species (after of)                               the places of the masks
    1 is open: [mask] accepted species (after of)                       no evidence yet:
    Next in [1]: Iris (plant) ... family [Iridaceae] and the            an entity that was read, and where
    Iridaceae did not help.                                             it was the wrong one, and that is said
    1 in [2]: Iris (plant) ... genus of [310] accepted species          evidence: the link, and the span

The right answer decides what is evidence, and so when a search did not help, from which passage the search goes on, and when it ends; among what can
be read there, no word of a query and no entity is chosen by it (`hops`). A passage
without a link is no evidence, even where it is known to be. Once a first search has failed, an entity is followed before the query is worded anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from masksearch.ramp.query import alternative_queries, visible_query
from masksearch.synthesis.oracle.evidence import known_evidence, speaks_of
from masksearch.synthesis.oracle.hops import Candidate, next_entities, open_names
from masksearch.synthesis.oracle.linking import (
    Asked,
    Link,
    Shown,
    find_link,
    heading,
    near_mask,
    near_span,
    quote,
    quote_pieces,
    stems,
    title_links,
)
from masksearch.synthesis.oracle.teacher import Oracle
from masksearch.synthesis.oracle.wording import (
    content_words,
    find_span,
    find_spans,
    mask_places,
    numbered,
    phrases,
    turn,
)
from masksearch.text.names import names
from masksearch.text.neutralise import neutralise
from masksearch.text.words import base_title, folded
from masksearch.types import MaskedTask, Question

NO_EVIDENCE = "evidence not found"
NO_LINK = "evidence without a link"
NO_ENTITY = "no entity to search for next"
NO_ANSWER = "answer not in the evidence"

SHARED = 2
"""Words of the task near a span that make a passage evidence which is linked, but was not known to be."""
CONTEXT = 4
"""Words of the task in a query for an entity."""
PLANNED = 3
"""Names said to be looked for, at most."""
BEGINNING = 12
"""Words quoted of a passage that supports a question, but holds neither the answer nor an entity to follow."""


class _Trail:
    """Entities that were searched for, and everything that was shown."""

    def __init__(self) -> None:
        self.tried: list[str] = []
        self.helped: list[str] = []
        """What was read or searched for and led to evidence: it links what comes after."""
        self.results: list[Shown] = []

    def show(self, results: Sequence[Shown]) -> None:
        """Results of a search; those that were shown before stay where they were."""
        known = {result.passage_id for result in self.results}
        self.results = (
            [
                *results,
                *(
                    result
                    for result in self.results
                    if result.passage_id not in {one.passage_id for one in results}
                ),
            ]
            if known
            else [*results]
        )


def _next_line(oracle: Oracle, candidate: Candidate, language: str = "") -> str:
    """Where a candidate was read; a number only where it is one of the results just shown."""
    if candidate.shown is None or candidate.link is None:
        return phrases(language).next.format(entity=candidate.entity)
    told = quote(candidate.shown, candidate.span, candidate.link, language)
    shown = any(candidate.shown is result for result in oracle.results)
    return phrases(language).read.format(quote=told if shown else told.split(": ", 1)[1])


# -- masked texts ---------------------------------------------------------------------------------------------------


def ramp_turns(oracle: Oracle, task: MaskedTask) -> Iterator[str]:
    """Names the places of the masks, searches for the first that is open, follows entities, quotes evidence with its link, and fills all."""
    places, words = mask_places(task.text, task.language), phrases(task.language)
    quotes: dict[int, str] = {}
    trail, asked_before, hop, aim = _Trail(), set[str](), None, 0
    lines = [f"{number}: {place}" for number, place in enumerate(places, 1)]
    query = _worded(oracle, task, 0, asked_before)
    for _ in range(oracle.settings.max_searches):
        if not query:
            break
        asked_before.add(query)
        yield turn("\n".join(lines), "search", query)
        trail.show(oracle.results)
        found = {
            index: told
            for index in range(task.masks)
            if index not in quotes and (told := _evidence(oracle, task, index, trail, hop))
        }
        quotes |= found
        lines = []
        if hop is not None:
            oracle.hops.append(aim in found)
            if found:
                trail.helped.append(hop.entity)
            else:
                lines.append(words.unhelpful.format(entity=hop.entity))
        lines += [words.found.format(number=index + 1, quote=told) for index, told in found.items()]
        if len(quotes) == task.masks:
            yield turn(
                "\n".join(lines),
                "answer",
                numbered(task.answers) if oracle.settings.answer_form == "spans" else task.original,
            )
            return
        first = bool(found) and aim in found
        aim = next(index for index in range(task.masks) if index not in quotes)
        lines.append(words.open.format(number=aim + 1, place=places[aim]))
        hop, query = (None, "") if first else _next_of(oracle, task, aim, trail, asked_before)
        query = query or _worded(oracle, task, aim, asked_before)
        if hop is not None:
            trail.tried.append(hop.entity)
            lines.append(_next_line(oracle, hop, task.language))
    oracle.gave_up = NO_LINK if oracle.unlinked else NO_EVIDENCE


def _worded(oracle: Oracle, task: MaskedTask, index: int, before: set[str]) -> str:
    """A query of the words around a mask that was not asked yet, or ""."""
    first = visible_query(task.text, index, task.title, language=task.language)
    candidates = [first, *alternative_queries(task.text, index, task.title, language=task.language)]
    return next((query for query in candidates if query not in before and oracle.may_ask(query)), "")


def _asked(task: MaskedTask, index: int, trail: _Trail, *more: str) -> Asked:
    text = neutralise(task.text)
    return Asked(
        "\n".join([text, *trail.helped, *more]), near_mask(text, index, task.language), task.language
    )


def _next_of(
    oracle: Oracle, task: MaskedTask, index: int, trail: _Trail, before: set[str]
) -> tuple[Candidate | None, str]:
    """The best entity to follow for a mask, and the query for it; none after an even number of searches, so that the query is worded anew as well."""
    if len(before) % 2 == 0:
        return None, ""
    context = visible_query(task.text, index, "", language=task.language).split()
    context = _untold(context, [base_title(result.heading) for result in trail.results], task.language)
    for candidate in next_entities(
        _asked(task, index, trail), trail.results, neutralise(task.text), trail.tried
    ):
        name = [candidate.entity] if task.language == "zh" else content_words(candidate.entity)
        query = " ".join(dict.fromkeys([*name, *context]))
        if query not in before and oracle.may_ask(query):
            return candidate, query
    return None, ""


def _evidence(oracle: Oracle, task: MaskedTask, index: int, trail: _Trail, hop: Candidate | None) -> str:
    """The evidence for a mask among the results, quoted with its link, or "".

    Evidence are the text's own passage, the one that the check found in another article, and a passage that is linked by a name and shares two
    words near the mask, or all words beside it. Of several places where the span stands the one counts that has most words of the mask beside it.
    """
    asked = _asked(task, index, trail, *([hop.entity] if hop else []))
    known = known_evidence(task, index)
    for result in sorted(oracle.results, key=lambda result: result.passage_id not in known):
        spans = sorted(
            find_spans(result.text, task.answers[index]), key=lambda span: -_company(asked, result, span)
        )
        if not spans:
            continue
        link = find_link(asked, result, spans[0])
        if link and (
            result.passage_id in known
            or speaks_of(task, index, result)
            or _to_the_point(asked, result, spans[0], link)
        ):
            return quote(result, spans[0], link, task.language)
        oracle.unlinked = oracle.unlinked or (link is None and result.passage_id in known)
    return ""


def _company(asked: Asked, result: Shown, span: tuple[int, int]) -> float:
    """How much of the mask's surroundings stands around a span: closer words count more."""
    return sum(len(near_span(result.text, span, asked.language, reach) & asked.near) for reach in (1, 3, 10))


def _to_the_point(asked: Asked, result: Shown, span: tuple[int, int], link: Link) -> bool:
    subject = stems(base_title(result.heading), asked.language)
    return (
        link.is_named and len((near_span(result.text, span, asked.language) & asked.near) - subject) >= SHARED
    )


# -- questions with known supporting passages -----------------------------------------------------------------------


def question_turns(oracle: Oracle, question: Question) -> Iterator[str]:
    """Searches for the question's words, then for one entity after another that was read or that the question names; quotes what supports the answer."""
    words = content_words(question.question)
    trail, hop, seen = _Trail(), None, list[str]()
    quoted: dict[str, Shown] = {}
    query, lines = " ".join(words[:14]), [_plan(question)]
    for _ in range(oracle.settings.max_searches):
        if not oracle.may_ask(query):
            break
        yield turn("\n".join(lines), "search", query)
        trail.show(oracle.results)
        seen += [result.heading for result in oracle.results]
        before = oracle.visible_before
        found = _supports(oracle, question, quoted, trail, hop)
        quoted |= {support: result for support, (result, _) in found.items()}
        done = len(quoted) == len(question.supporting_passages) and _answered(question, quoted)
        lines = []
        if hop is not None:
            helped = bool(found) or (done and find_span(before, question.answers[0]) is None)
            oracle.hops.append(helped)
            if helped:
                trail.helped.append(hop.entity)
            else:
                lines.append(phrases().unhelpful.format(entity=hop.entity))
        if done:
            lines += [_supporting(question, result, link, quoted) for result, link in found.values()]
            yield turn(
                "\n".join([*lines, f"So the answer is {question.answers[0].removesuffix('.')}."]),
                "answer",
                question.answers[0],
            )
            return
        hop = _next_for(oracle, question, trail, seen)
        source = (
            hop.shown.doc_id if hop and hop.shown else None
        )  # what the next entity is read in is quoted there
        lines += [
            _supporting(question, result, link, quoted)
            for result, link in found.values()
            if result.doc_id != source
        ]
        if hop is None:
            oracle.gave_up = NO_ENTITY
            return
        trail.tried.append(hop.entity)
        lines.append(_next_line(oracle, hop))
        query = _query_for(hop, question, seen)
    missing = len(quoted) < len(question.supporting_passages)
    oracle.gave_up = NO_LINK if missing and oracle.unlinked else NO_EVIDENCE if missing else NO_ANSWER


def _plan(question: Question) -> str:
    """What is looked for first."""
    named = list(dict.fromkeys(name.text for name in names(neutralise(question.question)) if name.is_long))
    return f"I look for {', '.join(named[:PLANNED])}." if named else "I search for the words of the question."


def _question_asked(question: Question, trail: _Trail, *more: str) -> Asked:
    text = neutralise(question.question)
    return Asked("\n".join([text, *trail.helped, *more]), stems(text), entities=(*trail.helped, *more))


def _next_for(oracle: Oracle, question: Question, trail: _Trail, seen: Sequence[str]) -> Candidate | None:
    """The best entity to follow."""
    asked, text = _question_asked(question, trail), neutralise(question.question)
    candidates = [
        *open_names(asked, trail.results, trail.tried),
        *next_entities(asked, trail.results, text, [*trail.tried, *seen]),
    ]
    ranked = sorted(candidates, key=lambda candidate: -candidate.score)
    return next(
        (candidate for candidate in ranked if oracle.may_ask(_query_for(candidate, question, seen))), None
    )


def _query_for(candidate: Candidate, question: Question, seen: Sequence[str]) -> str:
    """An entity, with a few words of the question that neither a title seen so far has nor the passage that named the entity."""
    told = [*map(base_title, seen), candidate.shown.text if candidate.shown else ""]
    words = _untold(content_words(question.question), told)
    return " ".join(dict.fromkeys([*content_words(candidate.entity), *words]))


def _untold(words: Sequence[str], told: Sequence[str], language: str = "") -> list[str]:
    """The first words that are still to be told: others would bring what was shown once more."""
    known = stems("\n".join(told), language)
    return [word for word in words if not stems(word, language) & known][:CONTEXT]


def _supports(
    oracle: Oracle, question: Question, quoted: dict[str, Shown], trail: _Trail, hop: Candidate | None
) -> dict[str, tuple[Shown, Link]]:
    """Supporting passages among the results that are linked: to the question, to the entity searched for, or to one that is linked itself."""
    found: dict[str, tuple[Shown, Link]] = {}
    while True:
        texts = [result.text for result in [*quoted.values(), *(result for result, _ in found.values())]]
        asked = _question_asked(question, trail, *([hop.entity] if hop else []))
        chained = replace(asked, text="\n".join([asked.text, *texts]))
        # Of two passages of an article, the one with the answer, else the earlier one.
        ordered = sorted(
            oracle.results,
            key=lambda result: (find_span(result.text, question.answers[0]) is None, result.number),
        )
        new = {
            support: (result, link)
            for support in question.supporting_passages
            if support not in quoted.keys() | found.keys()
            for result in reversed(ordered)
            if support in (result.passage_id, result.doc_id)
            and (link := _support_link(asked, chained, question, result))
        }
        if not new:
            missing = set(question.supporting_passages) - quoted.keys() - found.keys()
            oracle.unlinked = oracle.unlinked or any(
                missing & {result.passage_id, result.doc_id} for result in oracle.results
            )
            return found
        found |= new


def _support_link(asked: Asked, chained: Asked, question: Question, result: Shown) -> Link | None:
    """By the question where that will do; else by the title, as an earlier passage names it. What the question itself names may link, answer or not."""
    answer = question.answers[0]
    span = None if find_span(question.question, answer) else find_span(result.text, answer)
    link = find_link(asked, result, span) or find_link(asked, result, span, anywhere=True)
    return link or (Link(titled=True) if title_links(chained, result) else None)


def _supporting(question: Question, result: Shown, link: Link, quoted: dict[str, Shown]) -> str:
    """What a supporting passage tells: its title, its link, and the answer, or the title of another one, in brackets; or how it begins."""
    base, answer, gap = base_title(result.heading), question.answers[0], phrases().gap
    others = [base_title(other.heading) for other in quoted.values() if other is not result]
    # What the question names itself is not what a passage has to tell: then its first words tell more ("Ann Bell (born 1970) is").
    marks = [mark for mark in [answer, *others] if not _is_given(question, mark)]
    span = next((span for mark in marks if (span := find_span(result.text, mark))), None)
    if folded(base) == folded(answer) and not link.titled and not _is_given(question, answer):
        return f"[{result.number}]: [{heading(result)}]{gap}{quote_pieces(result, link.pieces)}"
    if span is not None:
        return quote(result, span, link, titled=True)
    start = " ".join(result.text.split()[:BEGINNING])
    if link.titled:
        return f"[{result.number}]: {start if base.casefold() in start.casefold() else heading(result) + gap + start}"
    return f"[{result.number}]: {heading(result)}{gap}{quote_pieces(result, link.pieces)}"


def _is_given(question: Question, mark: str) -> bool:
    return mark.lower() in ("yes", "no") or find_span(question.question, mark) is not None


def _answered(question: Question, quoted: dict[str, Shown]) -> bool:
    """Whether the answer can be read off the passages quoted, or is one of the things the question names, or a yes or no."""
    answer = question.answers[0]
    told = [f"{result.heading}: {result.text}" for result in quoted.values()]
    return _is_given(question, answer) or any(find_span(text, answer) for text in told)
