"""Questions for the value of a fact: several wordings, of which a draft takes one at random.

The plain rule turns the statement round: "The film Heat was directed by [gap]" -> "The film Heat was directed
by whom?". The others put the question word first: "Who directed the film Heat?".
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from masksearch.ramp.chains.records import Fact
from masksearch.ramp.chains.wording.frames import be, do, frame, is_asked
from masksearch.ramp.chains.wording.lexicon import AGENTS, MAKERS, NOUNS, PAST, PLACES, RELATIVES, possessive

LONG = 5
"""Number of words of a subject after which a noun's question is always the statement turned round."""
TURNED = 0.2
"""Share of questions that are the statement turned round."""


def ask(fact: Fact, subject: str, noun: str, person: bool, rng: Random) -> str:
    """Returns a question for a fact's value; empty if no pattern fits.

    `subject` names or describes the subject; `noun` is what the value is ("band"), if known; `person` tells
    whether the subject is a person.
    """
    stated = frame(fact, subject, person)
    if stated is None:
        return ""
    direct = list(_ASK[fact.relation.form](fact, subject, noun or _noun_of(fact)))
    turned = _gap_word(fact, noun) if fact.relation.form in ("by", "passive", "active", "noun") else ""
    long = len(subject.split()) > LONG and fact.relation.form == "noun"
    if turned and (not direct or long or rng.random() < TURNED):
        return f"{stated.filled(turned)}?"
    return _upper(direct[rng.randrange(len(direct))]) if direct else ""


def _noun_of(fact: Fact) -> str:
    return NOUNS.get(fact.kind, "")


def _gap_word(fact: Fact, noun: str) -> str:
    if fact.kind == "PERSON":
        return "whom" if fact.relation.form == "by" else ""
    if fact.kind in NOUNS:
        return f"which {noun or NOUNS[fact.kind]}"
    return {"YEAR": "which year", "DATE": "what date"}.get(fact.kind, "")


def _upper(text: str) -> str:
    return text[0].upper() + text[1:]


Wordings = list[str]


def _or_whose(rows: Wordings, subject: str, noun: str) -> Wordings:
    whose = possessive(subject)
    return [*rows, f"what is {whose} {noun}?"] if whose else rows


def _born(fact: Fact, subject: str, noun: str) -> Wordings:
    rows = [f"when was {subject} born?", f"what is the date of birth of {subject}?"]
    return _or_whose(rows, subject, "date of birth")


def _died(fact: Fact, subject: str, noun: str) -> Wordings:
    return [f"when did {subject} die?", f"what is the date of death of {subject}?"]


def _nationality(fact: Fact, subject: str, noun: str) -> Wordings:
    rows = [f"what nationality {be(fact)} {subject}?", f"what is the nationality of {subject}?"]
    rows.append(f"which country {be(fact)} {subject} from?")
    return _or_whose(rows, subject, "nationality")


def _isa(fact: Fact, subject: str, noun: str) -> Wordings:
    return [f"what {be(fact)} the occupation of {subject}?", f"what is the profession of {subject}?"]


def _cause(fact: Fact, subject: str, noun: str) -> Wordings:
    rows = [f"why did {subject} die?", f"what is the cause of death of {subject}?"]
    return _or_whose(rows, subject, "cause of death")


def _number(fact: Fact, subject: str, noun: str) -> Wordings:
    verb, counted = fact.relation.word.split(" ", 1)
    return [f"how many {counted} {do(fact)} {subject} {verb}?"]


def _by(fact: Fact, subject: str, noun: str) -> Wordings:
    relation = fact.relation
    shown, past = relation.shown, PAST.get(relation.shown, "")
    if shown.endswith("ed"):
        past = shown
    agent = AGENTS.get(relation.word, "")
    who = "who" if fact.kind == "PERSON" else f"which {noun}"
    rows = [f"{who} {past} {subject}?"] if past else [f"by {_whom(fact, noun)} was {subject} {shown}?"]
    if fact.kind == "PERSON" and fact.noun:
        rows += [f"which {fact.noun} {past} {subject}?"] if past else []
    if agent and fact.kind == "PERSON":
        rows.append(f"who {be(fact)} the {agent} of {subject}?")
        if whose := possessive(subject):
            rows.append(f"who {be(fact)} {whose} {agent}?")
    return rows


def _relative(fact: Fact, subject: str, noun: str) -> Wordings:
    word, whose = fact.relation.word, possessive(subject)
    rows = [f"who is the {word} of {subject}?", f"who was the {word} of {subject}?"]
    return [*rows, f"who is {whose} {word}?", f"who was {whose} {word}?"] if whose else rows


def _whom(fact: Fact, noun: str) -> str:
    return "whom" if fact.kind == "PERSON" else f"which {noun}"


def _when(fact: Fact) -> Wordings:
    return ["in which year", "in what year"] if fact.kind == "YEAR" else ["when"]


_SCHOOL = (
    ("where was", "educated"), ("where did", "study"), ("where did", "graduate from"),
    ("which school did", "attend"),
)  # fmt: skip


def _passive(fact: Fact, subject: str, noun: str) -> Wordings:
    relation, shown = fact.relation, fact.relation.shown
    if fact.kind in ("DATE", "YEAR"):
        return [f"{when} was {subject} {shown}?" for when in _when(fact)]
    if (relation.word, relation.prep) == ("educate", "at"):
        return [f"{words} {subject} {verb}?" for words, verb in _SCHOOL]
    if relation.word == "bury":
        return [f"where was {subject} buried?", f"what is the place of burial of {subject}?"]
    if relation.prep == "in" and fact.kind in PLACES:
        rows = [f"where {be(fact)} {subject} {shown}?"]
        if noun != "place":
            rows.append(f"in which {noun} {be(fact)} {subject} {shown}?")
        if relation.word == "bear":
            rows += [f"what is the place of birth of {subject}?", f"where was {subject} born?"]
        return rows
    if fact.kind == "PERSON":
        return [f"who {be(fact)} {subject} {shown} {relation.prep}?"]
    return [f"which {noun} {be(fact)} {subject} {shown} {relation.prep}?"]


def _active(fact: Fact, subject: str, noun: str) -> Wordings:
    relation = fact.relation
    if fact.kind in ("DATE", "YEAR"):
        return [f"{when} did {subject} {relation.word}?" for when in _when(fact)]
    if fact.kind == "PERSON":
        return [f"who {do(fact)} {subject} {relation.word} {relation.prep}?"]
    if (relation.word, relation.prep) == ("educate", "at"):
        return [f"{words} {subject} {verb}?" for words, verb in _SCHOOL]
    if relation.word == "die" and fact.kind in PLACES:
        rows = [f"where did {subject} die?", f"where was the place of death of {subject}?"]
        return _or_whose([*rows, f"what is the place of death of {subject}?"], subject, "place of death")
    if (relation.word, relation.prep) == ("work", "at"):
        return [f"where {do(fact)} {subject} work?", f"which {noun} {do(fact)} {subject} work at?"]
    if relation.prep == "in" and fact.kind in PLACES and noun == "place":
        return [f"where {do(fact)} {subject} {relation.word}?"]
    return [f"which {noun} {do(fact)} {subject} {relation.word} {relation.prep}?"]


def _object(fact: Fact, subject: str, noun: str) -> Wordings:
    what = "who" if fact.kind == "PERSON" else f"which {noun}"
    if fact.kind == "AWARD":
        return [f"which award did {subject} {verb}?" for verb in ("win", "receive")]
    return [f"{what} {do(fact)} {subject} {fact.relation.word}?"] if is_asked(fact) else []


def _noun(fact: Fact, subject: str, noun: str) -> Wordings:
    relation = fact.relation
    if fact.kind == "PERSON":
        if relation.prep == "of" and relation.word in RELATIVES:
            return [f"whose {relation.word} {be(fact)} {subject}?"]
        maker = MAKERS.get(relation.word)
        return [f"who is the {maker} of {subject}?"] if maker else []
    return [f"which {noun} {be(fact)} {subject} {relation.shown} {relation.prep}?"]


_ASK: dict[str, Callable[[Fact, str, str], Wordings]] = {
    "born": _born,
    "died": _died,
    "nationality": _nationality,
    "isa": _isa,
    "number": _number,
    "relative": _relative,
    "cause": _cause,
    "by": _by,
    "passive": _passive,
    "object": _object,
    "active": _active,
    "noun": _noun,
}
