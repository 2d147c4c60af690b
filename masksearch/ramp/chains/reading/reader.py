"""Reads the facts that the first passages of an article state about its subject.

A sentence counts if its subject is the article's: by name, by "the film" of a film, or by a pronoun whose
last named subject was the article's. In a text whose title names nothing (a file name, no title at all),
the subject of each sentence is its own: a named entity, whose name takes the place of the title.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from masksearch.ramp.chains.reading.family import of_owned_subject, relatives
from masksearch.ramp.chains.reading.life import life_dates
from masksearch.ramp.chains.reading.patterns import WORKS, Stated, stated, subject_of
from masksearch.ramp.chains.reading.phrases import of_person, of_work
from masksearch.ramp.chains.reading.values import NAMES, Value
from masksearch.ramp.chains.records import Fact, Relation
from masksearch.types import Passage

PASSAGES = 3
"""Number of passages of a document that are read. Facts about the subject stand at its beginning."""
SENTENCES = 5
"""Number of sentences of a passage that are read."""
CHARACTERS = 1500
"""Length after which a passage is cut before it is parsed."""
PRONOUNS = frozenset(["he", "she", "it", "they"])
_PARTS = frozenset(["music", "score", "soundtrack", "song"])
"""Parts of a work whose sentences state who composed it. Who sings a film's song does not perform the
film."""
_BRACKETS = re.compile(r"\s*\(.*\)$")
_NO_ARTICLE = re.compile(r"(?:List|Lists|Index|Outline|Timeline|Glossary) of\b|\(disambiguation\)$|\([^()]*$")


def read_documents(documents: Sequence[Sequence[Passage]], nlp: Any) -> list[list[Fact]]:
    """Returns the facts of each document. `documents` holds the passages of each document, in order.

    `nlp` is a spaCy pipeline with a tagger, a parser, a lemmatizer and an entity recogniser.
    """
    rows = [passage for passages in documents for passage in passages[:PASSAGES]]
    parsed = iter(nlp.pipe([passage.text[:CHARACTERS] for passage in rows], batch_size=64))
    return [
        _distinct(_Reader(passages[0].title if passages else "").read(passages[:PASSAGES], parsed))
        for passages in documents
    ]


def _distinct(facts: Iterable[Fact]) -> list[Fact]:
    found: dict[tuple[Any, ...], Fact] = {}
    for fact in facts:
        found.setdefault((fact.title, fact.relation.key, fact.value), fact)
    return list(found.values())


class _Reader:
    """Reads one document, and remembers whose pronouns its sentences use."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.words = set(re.findall(r"\w+", _BRACKETS.sub("", title).lower()))
        self.noun = ""
        """Noun of "X is a NOUN": "the film" means the article's subject too."""
        self.current = ""
        """Name of the subject that a pronoun means; empty after a sentence about something else."""
        self.named = False
        """Whether the text's own sentences name the title, so that the title is a subject."""

    def read(self, passages: Sequence[Passage], parsed: Iterator[Any]) -> Iterator[Fact]:
        docs = [next(parsed) for _ in passages]
        if _NO_ARTICLE.search(self.title) or not docs:
            return
        first = next(docs[0].sents, None)
        subject = subject_of(first) if first is not None else None
        self.named = subject is not None and bool(self.words & _phrase(subject))
        for number, (passage, doc) in enumerate(zip(passages, docs, strict=True)):
            for place, sentence in enumerate(doc.sents):
                if place < SENTENCES:
                    yield from self._sentence(passage, sentence, number == place == 0)

    def _sentence(self, passage: Passage, sentence: Any, first: bool) -> Iterator[Fact]:
        subject = subject_of(sentence)
        if subject is not None and self.current:
            for relation, value in of_owned_subject(subject):
                yield self._fact(passage, self.current, relation, subject.doc, value)
        title = self._subject(subject, first) if subject is not None else ""
        self.current = title
        if not title:
            if self.named and self.noun in WORKS and subject is not None and subject.lemma_ in _PARTS:
                made = self._phrases(passage, self.title, sentence)
                yield from (fact for fact in made if fact.relation.word == "compose")
            return
        if subject is not None and subject.text.lower() not in PRONOUNS:
            label = next((token.ent_type_ for token in subject.subtree if token.ent_type_ in NAMES), "")
            if label:
                yield self._fact(passage, title, Relation("name", ""), subject.doc, Value(0, 0, label))
        if subject is not None and (pronoun := subject.text.lower()) in ("he", "she"):
            yield self._fact(passage, title, Relation("pronoun", pronoun), subject.doc, Value(0, 0, ""))
        if first:
            yield from self._life(passage, title, sentence)
        parsed = [self._fact(passage, title, *stated_fact) for stated_fact in self._parsed(sentence, subject)]
        read = list(self._phrases(passage, title, sentence))
        yield from _merged(parsed, read)

    def _parsed(self, sentence: Any, subject: Any) -> Iterator[tuple[Relation, Any, Value]]:
        """Yields what the parse of a sentence states, and notes what its subject is."""
        if subject is not None:
            for relation, value in relatives(sentence, subject):
                yield relation, subject.doc, value
        for relation, value in _usable(stated(sentence)):
            if relation.form == "isa" and not self.noun:
                self.noun = relation.word
            yield relation, sentence.doc, value

    def _phrases(self, passage: Passage, title: str, sentence: Any) -> Iterator[Fact]:
        """Yields what the words of a sentence state."""
        found = of_work if self.noun in WORKS else of_person
        for phrase in found(sentence.text):
            start, end = sentence.start_char + phrase.start, sentence.start_char + phrase.end
            text = sentence.doc.text[start:end]
            yield _place(passage, title, phrase.relation, text, start, end, phrase.kind)

    def _subject(self, token: Any, first: bool) -> str:
        """Returns the name of the subject that a grammatical subject means; empty if unknown."""
        if token.text.lower() in PRONOUNS:
            return "" if first else self.current
        if self.named:
            if token.pos_ == "PROPN" or first:
                return self.title if self.words & _phrase(token) else ""
            the = any(child.text.lower() == "the" for child in token.children)
            return self.title if the and self.noun and token.lemma_.lower() == self.noun else ""
        entity = next((entity for entity in token.doc.ents if entity.root == token), None)
        return entity.text if entity is not None and entity.label_ in NAMES - {"NORP"} else ""

    def _life(self, passage: Passage, title: str, sentence: Any) -> Iterator[Fact]:
        """Yields the dates of birth and death in brackets, and the place of birth after them."""
        for found in life_dates(sentence.text):
            start, end = sentence.start_char + found.start, sentence.start_char + found.end
            text = sentence.doc.text[start:end]
            relation = Relation(found.form, found.form, "on", "past")
            yield _place(passage, title, relation, text, start, end, "DATE")
            place = _place_after(sentence.doc, end) if found.form == "born" else None
            if place is not None:
                born = Relation("passive", "bear", "in", "past", "born")
                yield self._fact(passage, title, born, sentence.doc, Value(place.start, place.end, "GPE"))

    def _fact(self, passage: Passage, title: str, relation: Relation, doc: Any, value: Value) -> Fact:
        span = doc[value.start : value.end]
        start, end = (span.start_char, span.end_char) if len(span) else (0, 0)
        return _place(passage, title, relation, span.text, start, end, value.kind, value.noun)


def _merged(parsed: Sequence[Fact], read: Sequence[Fact]) -> Iterator[Fact]:
    """Yields the facts of a sentence once: of a relative as the words give it, whose name is whole; of other
    things as the parse gives it, which knows more kinds."""
    family = {fact.relation.word for fact in read if fact.relation.form == "relative"}
    taken = {fact.start for fact in parsed if fact.relation.form != "relative"}
    yield from (
        fact for fact in parsed if fact.relation.form != "relative" or fact.relation.word not in family
    )
    for fact in read:
        if fact.relation.form == "relative" or fact.start not in taken:
            yield fact


def _place(
    passage: Passage,
    title: str,
    relation: Relation,
    value: str,
    start: int,
    end: int,
    kind: str,
    noun: str = "",
) -> Fact:
    over = (name for low, high, name in passage.links if low <= start < end <= high)
    return Fact(title, passage.doc_id, passage.id, relation, value, start, end, kind, noun, next(over, ""))


def _place_after(doc: Any, end: int) -> Any:
    """Returns the place in "(born 3 May 1960 in Vienna)" after the date; None if there is none."""
    for entity in doc.ents:
        if entity.label_ == "GPE" and 0 < entity.start_char - end < 6 and doc[entity.start - 1].text == "in":
            return entity
    return None


def _phrase(token: Any) -> set[str]:
    """Returns the words of a subject's own phrase, without its clauses."""
    near = ("compound", "det", "amod", "nummod", "flat", "nmod", "poss")
    return {part.text.lower() for part in token.subtree if part == token or part.dep_ in near}


def _usable(facts: Iterable[Stated]) -> Iterator[Stated]:
    """Leaves out values that say nothing by themselves: an ordinal, "today", a duration."""
    for relation, value in facts:
        if value.kind not in ("ORDINAL", "TIME", "PERCENT", "MONEY", "LANGUAGE", "LAW", "QUANTITY"):
            yield relation, value
