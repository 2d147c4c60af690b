"""What an answer rests on: the results that were shown, and the sentence of each that holds the answer."""

from __future__ import annotations

from collections.abc import Sequence

from masksearch.agent.watch import Event, Showed
from masksearch.scoring.grounding import ground, stands_in
from masksearch.text.neutralise import neutralise
from masksearch.text.sentences import sentence_spans
from masksearch.types import Hit, Record, Trajectory


class Source(Record):
    """A passage that was shown before the answer."""

    title: str
    passage_id: str
    sentence: str
    """The sentence that holds a quote of the thoughts or the answer; empty if none does."""
    text: str
    """The whole passage, neutralised."""
    quoted: bool
    """Whether a thought quotes it."""
    holds_answer: bool
    """Whether it holds the answer's words."""


class Found(Record):
    """The sources of an answer, and whether they hold it."""

    grounded: bool
    """Whether the results hold the answer, or the model inferred it from them (scoring/grounding)."""
    declined: bool
    """Whether the answer says that nothing was found."""
    false_quotes: int
    """Number of quotes whose words the named result does not hold."""
    sources: tuple[Source, ...]
    """Passages that hold the answer or a quote, those of the answer first."""


def sources_of(trajectory: Trajectory, events: Sequence[Event]) -> Found:
    """Returns the passages that an answer rests on. `events` are those of its episode."""
    grounding = ground(trajectory)
    quotes = [quote.text for quote in grounding.details if quote.stands]
    rows: dict[str, Source] = {}
    for hit in (hit for event in events if isinstance(event, Showed) for hit in event.hits):
        if hit.passage.id not in rows:
            rows[hit.passage.id] = _source(hit, trajectory.answer, quotes)
    used = [row for row in rows.values() if row.quoted or row.holds_answer]
    return Found(
        grounded=grounding.grounded,
        declined=grounding.declined,
        false_quotes=grounding.false_quotes,
        sources=tuple(sorted(used, key=lambda row: (not row.holds_answer, not row.quoted))),
    )


def _source(hit: Hit, answer: str, quotes: Sequence[str]) -> Source:
    text, title = neutralise(hit.passage.text), neutralise(hit.passage.title)
    held = [quote for quote in quotes if stands_in(quote, f"{title}: {text}")]
    holds = bool(answer) and stands_in(answer, f"{title}: {text}")
    wanted = [answer, *held] if holds else held
    return Source(
        title=title,
        passage_id=hit.passage.id,
        sentence=_sentence(text, wanted, hit.passage.language),
        text=text,
        quoted=bool(held),
        holds_answer=holds,
    )


def _sentence(text: str, wanted: Sequence[str], language: str) -> str:
    sentences = [text[start:end] for start, end in sentence_spans(text, language)]
    for part in wanted:
        for sentence in sentences:
            if stands_in(part, sentence):
                return sentence
    return ""
