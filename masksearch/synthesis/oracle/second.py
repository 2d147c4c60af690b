"""The second version of the scripted teacher: it quotes links, and searches for entities that results name.

Its lines, with an explanation of each:

    1: [mask] accepted species (after of)                               the places of the masks
    1 is open: [mask] accepted species (after of)                       a mask without evidence
    Next in [1]: Iris (plant) ... family [Iridaceae] and the            the next entity, quoted from a result
    Iridaceae did not help.                                             the search for it found no evidence
    1 in [2]: Iris (plant) ... genus of [310] accepted species          evidence: the link and the span

A *hop* is a search for an entity. A *link* is words that a passage shares with the task (see `linking.py`).
The gold answer decides which passages are evidence. So it also decides whether a hop helped, and when the
search ends. It never decides the words of a query or the entity of a hop (see `hops.py`). A passage without a
link is not used as evidence, even if it is known evidence. After the first failed search, the teacher tries a
hop before it rewords the query.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from masksearch.ramp.query import alternative_queries, visible_query
from masksearch.synthesis.oracle.evidence import is_about, known_evidence
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

# Reasons why the teacher gives up.
NO_EVIDENCE = "evidence not found"
NO_LINK = "evidence without a link"
NO_ENTITY = "no entity to search for next"
NO_ANSWER = "answer not in the evidence"

SHARED = 2
"""Number of words near the mask that a passage must have near the span to be evidence, if it is not known
evidence."""
CONTEXT = 4
"""Maximum number of words of the task in the query of a hop."""
PLANNED = 3
"""Maximum number of names in the first thought about a question."""
BEGINNING = 12
"""Number of words quoted from the start of a supporting passage that holds neither the answer nor an entity
to follow."""


class _Trail:
    """The results found and the entities searched for so far, for one task."""

    def __init__(self) -> None:
        self.tried: list[str] = []
        """Entities of all hops."""
        self.helped: list[str] = []
        """Entities of the hops that found evidence. Later links may use them as words of the task."""
        self.results: list[Shown] = []
        """All results, the results of the last search first; each passage once."""

    def show(self, results: Sequence[Shown]) -> None:
        """Puts the results of a search before the earlier results."""
        shown_now = {result.passage_id for result in results}
        earlier = [result for result in self.results if result.passage_id not in shown_now]
        self.results = [*results, *earlier]


def _next_line(oracle: Oracle, hop: Candidate, language: str = "") -> str:
    """Returns the line that names the next entity, with a quote of the result that names it.

    The quote has a result number only if the result is from the last search, because each search numbers its
    results from 1.
    """
    if hop.shown is None or hop.link is None:
        return phrases(language).next.format(entity=hop.entity)
    numbered_quote = quote(hop.shown, hop.span, hop.link, language)
    if any(hop.shown is result for result in oracle.results):
        return phrases(language).read.format(quote=numbered_quote)
    return phrases(language).read.format(quote=numbered_quote.split(": ", 1)[1])


# -- masked texts -----------------------------------------------------------------------------------


def ramp_turns(oracle: Oracle, task: MaskedTask) -> Iterator[str]:
    """Yields the turns for a masked text.

    The teacher first names the places of the masks. Then it searches for the first mask without evidence,
    with words around the mask or with a hop, and quotes the evidence that the search found for any mask. It
    answers once all masks have evidence.
    """
    places, words = mask_places(task.text, task.language), phrases(task.language)
    quotes: dict[int, str] = {}  # index of the mask (from 0) -> quote of its evidence
    trail, asked_queries = _Trail(), set[str]()
    hop: Candidate | None = None  # the entity of the last query, if it was a hop
    target = 0  # index of the mask that the last query searched for
    lines = [f"{number}: {place}" for number, place in enumerate(places, 1)]
    query = _reworded_query(oracle, task, target, asked_queries)
    for _ in range(oracle.settings.max_searches):
        if not query:
            break
        asked_queries.add(query)
        yield turn("\n".join(lines), "search", query)

        trail.show(oracle.results)
        open_masks = [index for index in range(task.masks) if index not in quotes]
        evidence = {index: _mask_evidence(oracle, task, index, trail, hop) for index in open_masks}
        found = {index: quoted for index, quoted in evidence.items() if quoted}
        quotes |= found
        lines = []
        if hop is not None:
            oracle.hops.append(target in found)
            # A hop that found evidence only for another mask does not count as right. The line "did not help"
            # would be wrong too, so it is left out.
            if found:
                trail.helped.append(hop.entity)
            else:
                lines.append(words.unhelpful.format(entity=hop.entity))
        lines += [words.found.format(number=index + 1, quote=quoted) for index, quoted in found.items()]
        if len(quotes) == task.masks:
            spans = oracle.settings.answer_form == "spans"
            yield turn("\n".join(lines), "answer", numbered(task.answers) if spans else task.original)
            return

        target_found = target in found
        target = next(index for index in range(task.masks) if index not in quotes)
        lines.append(words.open.format(number=target + 1, place=places[target]))
        hop, query = None, ""
        # The first query for a mask has the words around it; a hop is tried only after a failed search.
        if not target_found:
            hop, query = _next_hop_for_mask(oracle, task, target, trail, asked_queries)
        query = query or _reworded_query(oracle, task, target, asked_queries)
        if hop is not None:
            trail.tried.append(hop.entity)
            lines.append(_next_line(oracle, hop, task.language))
    oracle.gave_up = NO_LINK if oracle.unlinked else NO_EVIDENCE


def _reworded_query(oracle: Oracle, task: MaskedTask, index: int, asked_queries: set[str]) -> str:
    """Returns the next unsent query of words around mask number `index`, or an empty string."""
    first = visible_query(task.text, index, task.title, language=task.language)
    candidates = [first, *alternative_queries(task.text, index, task.title, language=task.language)]
    return next((query for query in candidates if query not in asked_queries and oracle.may_ask(query)), "")


def _asked_of_mask(task: MaskedTask, index: int, trail: _Trail, *entities: str) -> Asked:
    """Returns what a link may share: the task's text, the entities that helped, and `entities`."""
    text = neutralise(task.text)
    shareable = "\n".join([text, *trail.helped, *entities])
    return Asked(shareable, near_mask(text, index, task.language), task.language)


def _next_hop_for_mask(
    oracle: Oracle, task: MaskedTask, index: int, trail: _Trail, asked_queries: set[str]
) -> tuple[Candidate | None, str]:
    """Returns the best entity to follow for a mask and the query for it, or None and an empty query.

    After an even number of searches the function returns no hop, so that hops and reworded queries alternate.
    """
    if len(asked_queries) % 2 == 0:
        return None, ""
    context = visible_query(task.text, index, "", language=task.language).split()
    titles = [base_title(result.heading) for result in trail.results]
    context = _words_not_shown(context, titles, task.language)
    asked = _asked_of_mask(task, index, trail)
    for candidate in next_entities(asked, trail.results, neutralise(task.text), trail.tried):
        name = [candidate.entity] if task.language == "zh" else content_words(candidate.entity)
        query = " ".join(dict.fromkeys([*name, *context]))
        if query not in asked_queries and oracle.may_ask(query):
            return candidate, query
    return None, ""


def _mask_evidence(oracle: Oracle, task: MaskedTask, index: int, trail: _Trail, hop: Candidate | None) -> str:
    """Returns the evidence for a mask among the results, quoted with its link, or an empty string.

    A passage with a link is evidence in three cases: it is known evidence (see `evidence.py`); it holds all
    words next to the mask; or its link is a name, and `SHARED` words near the mask are near the span too. If
    the passage holds the span in several places, the place that shares most words with the surroundings of
    the mask is used. Sets `oracle.unlinked` if known evidence has no link.
    """
    asked = _asked_of_mask(task, index, trail, *([hop.entity] if hop else []))
    known = known_evidence(task, index)
    for result in sorted(oracle.results, key=lambda result: result.passage_id not in known):
        spans = list(find_spans(result.text, task.answers[index]))
        if not spans:
            continue
        # Of equally good places, `max` takes the first one in the passage.
        span = max(spans, key=lambda span: _context_overlap(asked, result, span))
        link = find_link(asked, result, span)
        if link is None:
            oracle.unlinked = oracle.unlinked or result.passage_id in known
            continue
        if (
            result.passage_id in known
            or is_about(task, index, result)
            or _shares_context(asked, result, span, link)
        ):
            return quote(result, span, link, task.language)
    return ""


def _context_overlap(asked: Asked, result: Shown, span: tuple[int, int]) -> int:
    """Returns how many words are near both the mask and a span; closer words count up to three times."""
    return sum(len(near_span(result.text, span, asked.language, reach) & asked.near) for reach in (1, 3, 10))


def _shares_context(asked: Asked, result: Shown, span: tuple[int, int], link: Link) -> bool:
    """Whether the link is a name, and at least `SHARED` words near the span are near the mask too.

    Words of the passage's title do not count.
    """
    title = stems(base_title(result.heading), asked.language)
    shared = near_span(result.text, span, asked.language) & asked.near
    return link.is_named and len(shared - title) >= SHARED


# -- questions with known supporting passages -------------------------------------------------------


def question_turns(oracle: Oracle, question: Question) -> Iterator[str]:
    """Yields the turns for a question.

    The teacher searches for the question's words, then for entities that results or the question name. It
    quotes the supporting passages. It answers once it has found all of them and they hold the answer.
    """
    answer = question.answers[0]
    words = content_words(question.question)
    trail = _Trail()
    hop: Candidate | None = None  # the entity of the last query, if that query was a hop
    titles: list[str] = []  # titles of all results so far
    supports: dict[str, Shown] = {}  # id of a supporting passage or article -> the quoted result
    query, lines = " ".join(words[:14]), [_first_thought(question)]
    for _ in range(oracle.settings.max_searches):
        if not oracle.may_ask(query):
            break
        yield turn("\n".join(lines), "search", query)

        trail.show(oracle.results)
        titles += [result.heading for result in oracle.results]
        found = _new_supports(oracle, question, supports, trail, hop)
        supports |= {support: result for support, (result, _) in found.items()}
        done = len(supports) == len(question.supporting_passages) and _answer_is_found(question, supports)
        lines = []
        if hop is not None:
            answer_is_new = find_span(oracle.visible_before, answer) is None
            helped = bool(found) or (done and answer_is_new)
            oracle.hops.append(helped)
            if helped:
                trail.helped.append(hop.entity)
            else:
                lines.append(phrases().unhelpful.format(entity=hop.entity))
        if done:
            lines += [_quote_support(question, result, link, supports) for result, link in found.values()]
            lines.append(f"So the answer is {answer.removesuffix('.')}.")
            yield turn("\n".join(lines), "answer", answer)
            return

        hop = _next_hop_for_question(oracle, question, trail, titles)
        # The line for the next entity quotes the passage that names the entity; this passage is not quoted
        # a second time.
        quoted_below = hop.shown.doc_id if hop and hop.shown else None
        lines += [
            _quote_support(question, result, link, supports)
            for result, link in found.values()
            if result.doc_id != quoted_below
        ]
        if hop is None:
            oracle.gave_up = NO_ENTITY
            return
        trail.tried.append(hop.entity)
        lines.append(_next_line(oracle, hop))
        query = _hop_query(hop, question, titles)
    if len(supports) == len(question.supporting_passages):
        oracle.gave_up = NO_ANSWER
    else:
        oracle.gave_up = NO_LINK if oracle.unlinked else NO_EVIDENCE


def _first_thought(question: Question) -> str:
    """Returns the thought before the first search: the names in the question."""
    named = list(dict.fromkeys(name.text for name in names(neutralise(question.question)) if name.is_long))
    return f"I look for {', '.join(named[:PLANNED])}." if named else "I search for the words of the question."


def _asked_of_question(question: Question, trail: _Trail, *entities: str) -> Asked:
    """Returns the text that a link may share: the question, the entities that helped, and `entities`."""
    text = neutralise(question.question)
    all_entities = (*trail.helped, *entities)
    return Asked("\n".join([text, *all_entities]), stems(text), entities=all_entities)


def _next_hop_for_question(
    oracle: Oracle, question: Question, trail: _Trail, titles: Sequence[str]
) -> Candidate | None:
    """Returns the best entity whose query holds no gold word that is not visible yet, or None."""
    asked, text = _asked_of_question(question, trail), neutralise(question.question)
    candidates = [
        *open_names(asked, trail.results, trail.tried),
        *next_entities(asked, trail.results, text, [*trail.tried, *titles]),
    ]
    for candidate in sorted(candidates, key=lambda candidate: -candidate.score):
        if oracle.may_ask(_hop_query(candidate, question, titles)):
            return candidate
    return None


def _hop_query(hop: Candidate, question: Question, titles: Sequence[str]) -> str:
    """Returns the query of a hop: the entity, and a few words of the question.

    Words that occur in a title shown so far, or in the passage that names the entity, are left out.
    """
    shown = [*map(base_title, titles), hop.shown.text if hop.shown else ""]
    words = _words_not_shown(content_words(question.question), shown)
    return " ".join(dict.fromkeys([*content_words(hop.entity), *words]))


def _words_not_shown(words: Sequence[str], shown: Sequence[str], language: str = "") -> list[str]:
    """Returns the first `CONTEXT` of the words that no shown text holds.

    A query with words of the shown texts would find the same passages again.
    """
    known = stems("\n".join(shown), language)
    return [word for word in words if not stems(word, language) & known][:CONTEXT]


def _new_supports(
    oracle: Oracle, question: Question, supports: dict[str, Shown], trail: _Trail, hop: Candidate | None
) -> dict[str, tuple[Shown, Link]]:
    """Returns the supporting passages among the last results that have a link and are not in `supports` yet.

    The link connects the passage to the question, to the entity of the hop, or to another supporting passage.
    A passage that is found may in turn link others, so the function repeats until it finds no more. Sets
    `oracle.unlinked` if a supporting passage has no link.
    """
    asked = _asked_of_question(question, trail, *([hop.entity] if hop else []))
    # Of two results from the same article, the result with the answer is preferred, then the result with the
    # better rank.
    ordered = sorted(
        oracle.results,
        key=lambda result: (find_span(result.text, question.answers[0]) is None, result.number),
    )
    found: dict[str, tuple[Shown, Link]] = {}
    while True:
        missing = [
            support
            for support in question.supporting_passages
            if support not in supports.keys() | found.keys()
        ]
        texts = [result.text for result in [*supports.values(), *(result for result, _ in found.values())]]
        chained = replace(asked, text="\n".join([asked.text, *texts]))
        new: dict[str, tuple[Shown, Link]] = {}
        for support in missing:
            for result in ordered:
                if support not in (result.passage_id, result.doc_id):
                    continue
                link = _support_link(asked, chained, question, result)
                if link:
                    new[support] = (result, link)
                    break
        if not new:
            oracle.unlinked = oracle.unlinked or any(
                set(missing) & {result.passage_id, result.doc_id} for result in oracle.results
            )
            return found
        found |= new


def _support_link(asked: Asked, chained: Asked, question: Question, result: Shown) -> Link | None:
    """Returns the link of a supporting passage, or None.

    The link shares words with the question: near the answer if possible, else anywhere in the passage. If
    there are none, the title is the link, provided that an already found supporting passage names it
    (`chained`). Words of the answer are no link, unless the question itself holds the answer.
    """
    answer = question.answers[0]
    span = None if find_span(question.question, answer) else find_span(result.text, answer)
    link = find_link(asked, result, span) or find_link(asked, result, span, anywhere=True)
    return link or (Link(titled=True) if title_links(chained, result) else None)


def _quote_support(question: Question, result: Shown, link: Link, supports: dict[str, Shown]) -> str:
    """Returns the quote of a supporting passage: its title, its link, and a part of its text in brackets.

    The part in brackets is the answer, or the title of another supporting passage. If the passage holds
    neither, the quote has the link, or the first words of the passage if the title is the link.
    """
    title, answer, gap = base_title(result.heading), question.answers[0], phrases().gap
    other_titles = [base_title(other.heading) for other in supports.values() if other is not result]
    # Text that the question already holds is not put in brackets, because it is no new information. The
    # passage's first words tell more ("Ann Bell (born 1970) is").
    marks = [mark for mark in [answer, *other_titles] if not _is_given(question, mark)]
    span = next((span for mark in marks if (span := find_span(result.text, mark))), None)
    if folded(title) == folded(answer) and not link.titled and not _is_given(question, answer):
        return f"[{result.number}]: [{heading(result)}]{gap}{quote_pieces(result, link.pieces)}"
    if span is not None:
        return quote(result, span, link, titled=True)
    if not link.titled:
        return f"[{result.number}]: {heading(result)}{gap}{quote_pieces(result, link.pieces)}"
    start = " ".join(result.text.split()[:BEGINNING])
    if title.casefold() in start.casefold():
        return f"[{result.number}]: {start}"
    return f"[{result.number}]: {heading(result)}{gap}{start}"


def _is_given(question: Question, text: str) -> bool:
    """Whether a text needs no passage: it is yes or no, or the question holds it."""
    return text.lower() in ("yes", "no") or find_span(question.question, text) is not None


def _answer_is_found(question: Question, supports: dict[str, Shown]) -> bool:
    """Whether the quoted passages hold the answer, or the answer needs no passage (see `_is_given`)."""
    answer = question.answers[0]
    texts = [f"{result.heading}: {result.text}" for result in supports.values()]
    return _is_given(question, answer) or any(find_span(text, answer) for text in texts)
